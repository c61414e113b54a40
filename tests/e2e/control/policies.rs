//! `/tyk/policies`, and the files behind it. Source: gateway.md §2.7, §6.3.

use std::fs;
use std::path::PathBuf;

use gateway_tests::{Conf, Gateway, Upstream, api};
use http::Method;
use serde_json::{Value, json};

/// A gateway about to be started, with a folder of policies.
fn with_folder() -> (Conf, PathBuf) {
    let conf = Conf::default();
    let folder = conf.folder().join("policies");
    fs::create_dir(&folder).expect("a folder in a folder of ours");
    (conf.set("policies", json!({"policy_source": "file", "policy_path": folder})), folder)
}

fn names(folder: &PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Source: gateway.md §12.20.
#[tokio::test]
async fn a_policy_is_added_changed_and_deleted_and_each_needs_a_reload() {
    let (conf, folder) = with_folder();
    let gateway = conf.start().await;
    let gold = json!({"id": "gold", "rate": 5.0, "per": 1.0, "x_own": {"kept": true}});
    let added = gateway.operate(Method::POST, "/tyk/policies", gold.to_string()).await;
    added.is_reply(200, r#"{"key":"gold","status":"ok","action":"added"}"#);
    gateway.control("/tyk/policies").await.is_reply(200, "[]");
    gateway.control("/tyk/policies/gold").await.is_refusal(404, "Policy not found");
    assert_eq!(fs::read_to_string(folder.join("gold.json")).expect("a file"), gold.to_string(), "as it was sent");
    gateway.reload().await;
    assert_eq!(gateway.control("/tyk/policies").await.json(), json!([gold]));
    assert_eq!(gateway.control("/tyk/policies/gold/").await.json(), gold);

    let faster = json!({"id": "gold", "rate": 9.0, "per": 1.0});
    let modified = gateway.operate(Method::PUT, "/tyk/policies/gold", faster.to_string()).await;
    modified.is_reply(200, r#"{"key":"gold","status":"ok","action":"modified"}"#);
    assert_eq!(gateway.control("/tyk/policies/gold").await.json(), gold);
    gateway.reload().await;
    assert_eq!(gateway.control("/tyk/policies/gold").await.json(), faster);

    let deleted = gateway.operate(Method::DELETE, "/tyk/policies/gold", "").await;
    deleted.is_reply(200, r#"{"key":"gold","status":"ok","action":"deleted"}"#);
    assert_eq!(gateway.control("/tyk/policies/gold").await.status, 200);
    gateway.operate(Method::DELETE, "/tyk/policies/gold", "").await.is_refusal(404, "Policy not found");
    gateway.reload().await;
    gateway.control("/tyk/policies").await.is_reply(200, "[]");
    assert_eq!(names(&folder), Vec::<String>::new(), "nothing is left");
}

#[tokio::test]
async fn what_is_no_policy_is_not_written() {
    let (conf, folder) = with_folder();
    let gateway = conf.start().await;
    let malformed = [
        "",
        "{",
        "[]",
        "7",
        "null",
        r#"{"id": 7}"#,
        r#"{"id": "gold", "rate": "fast"}"#,
        r#"{"id": "gold", "tags": {}}"#,
    ];
    for text in malformed {
        for (method, path) in
            [(Method::POST, "/tyk/policies"), (Method::POST, "/tyk/policies/gold"), (Method::PUT, "/tyk/policies/gold")]
        {
            gateway.operate(method, path, text).await.is_refusal(400, "Request malformed");
        }
    }
    for text in ["{}", r#"{"id": ""}"#, r#"{"id": null, "rate": 1}"#] {
        let posted = gateway.operate(Method::POST, "/tyk/policies", text).await;
        posted.is_refusal(400, "Unable to create policy without id.");
    }
    let other = "Request ID does not match that in policy! For Update operations these must match.";
    for text in ["{}", r#"{"id": "silver"}"#] {
        gateway.operate(Method::PUT, "/tyk/policies/gold", text).await.is_refusal(400, other);
    }
    for id in ["../gold", "a/b", ".hidden", "a\u{0}"] {
        let posted = gateway.operate(Method::POST, "/tyk/policies", json!({"id": id}).to_string()).await;
        posted.is_refusal(400, "Invalid Policy ID");
    }
    gateway.operate(Method::DELETE, "/tyk/policies/..%2Ftyk.conf", "").await.is_refusal(400, "Invalid Policy ID");
    gateway.operate(Method::DELETE, "/tyk/policies/..%2Ftyk", "").await.is_refusal(400, "Invalid Policy ID");
    gateway.operate(Method::PATCH, "/tyk/policies/gold", "{}").await.is_refusal(405, "Method not supported");
    gateway.operate(Method::DELETE, "/tyk/policies", "").await.is_refusal(405, "Method not supported");
    assert_eq!(names(&folder), Vec::<String>::new());
    assert!(gateway.folder().join("tyk.conf").exists());
}

#[tokio::test]
async fn a_policy_stays_in_its_file_and_takes_no_other_ones() {
    let (conf, folder) = with_folder();
    fs::write(folder.join("first.json"), r#"{"id": "gold"}"#).expect("written");
    let gateway = conf.start().await;
    let write = |method, path, id: &'static str| {
        let gateway = &gateway;
        async move { gateway.operate(method, path, json!({"id": id, "rate": 1.0}).to_string()).await.status }
    };
    assert_eq!(write(Method::PUT, "/tyk/policies/gold", "gold").await, 200);
    assert_eq!(write(Method::POST, "/tyk/policies", "first").await, 200);
    assert_eq!(names(&folder), ["first.json", "first_.json"]);
    gateway.reload().await;
    let listed = gateway.control("/tyk/policies").await.json();
    assert_eq!(listed, json!([{"id": "first", "rate": 1.0}, {"id": "gold", "rate": 1.0}]));
}

#[tokio::test]
async fn where_policies_are_not_files_of_a_folder_they_are_not_written() {
    let gateway = Conf::default().set("policies", json!({"policy_source": "service"})).start().await;
    let service = "Due to enabled service policy source, please use the Dashboard API";
    let none = "Policies cannot be written: `policies.policy_path` is not set in the gateway's configuration";
    let check = async |gateway: &Gateway, status, message| {
        gateway.operate(Method::POST, "/tyk/policies", r#"{"id": "gold"}"#).await.is_refusal(status, message);
        gateway.operate(Method::PUT, "/tyk/policies/gold", r#"{"id": "gold"}"#).await.is_refusal(status, message);
        gateway.operate(Method::DELETE, "/tyk/policies/gold", "").await.is_refusal(status, message);
    };
    check(&gateway, 500, service).await;
    check(&Conf::default().start().await, 400, none).await;

    let conf = Conf::default();
    let file = conf.folder().join("policies.json");
    fs::write(&file, json!({"gold": {"rate": 5.0, "per": 1.0}}).to_string()).expect("written");
    let gateway = conf.set("policies", json!({"policy_record_name": file})).start().await;
    check(&gateway, 400, none).await;
    let listed = gateway.control("/tyk/policies").await.json();
    assert_eq!(listed, json!([{"id": "gold", "rate": 5.0, "per": 1.0}]), "its key is its id");
}

/// Source: gateway.md §9: policies that cannot be loaded end the cycle, and everything old stays.
#[tokio::test]
async fn policies_that_cannot_be_loaded_leave_everything_as_it_is() {
    let upstream = Upstream::start();
    let (conf, folder) = with_folder();
    fs::write(folder.join("gold.json"), r#"{"id": "gold"}"#).expect("written");
    let gateway = conf.with(&api("one", upstream.address)).start().await;
    fs::write(folder.join("silver.json"), r#"{"id": "silver", "rate": "fast"}"#).expect("written");
    gateway.write(&api("two", upstream.address));
    gateway.reload().await;
    gateway.log().message("reload refused: everything stays as it is").await;
    let line = gateway.log().message("policy").await;
    assert!(line.field("finding").contains("silver.json:1:26: rate: invalid type"), "{}", line.field("finding"));
    assert_eq!(gateway.control("/tyk/policies").await.json(), json!([{"id": "gold"}]));
    assert_eq!([gateway.get("/one/get").await.status, gateway.get("/two/get").await.status], [200, 404]);
    fs::remove_file(folder.join("silver.json")).expect("a file of ours");
    gateway.reload().await;
    assert_eq!(gateway.get("/two/get").await.status, 200);
}

#[tokio::test]
async fn a_gateway_does_not_start_with_policies_that_cannot_be_used() {
    let (conf, folder) = with_folder();
    fs::write(folder.join("gold.json"), "{").expect("written");
    let process = conf.spawn(&[]);
    assert!(!process.exit().await.success());
    let checked = conf.command(&["check", "--json"]);
    let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!((checked.status.code(), &report["errors"]), (Some(1), &json!(1)));
    fs::remove_dir_all(&folder).expect("a folder of ours");
    assert!(!conf.spawn(&[]).exit().await.success());
}
