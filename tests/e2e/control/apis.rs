//! `/tyk/apis`: definitions that come over the control API. Source: gateway.md §2.4.

use std::fs;
use std::path::Path;

use gateway_tests::feed::whole;
use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Conf, Gateway, Upstream, api, ask};
use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

/// Every file of a folder with what it says, hidden ones too.
pub(super) fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a file of ours"))
        })
        .collect();
    files.sort();
    files
}

/// Source: gateway.md §12.20.
#[tokio::test]
async fn a_definition_is_added_and_serves_after_a_reload() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let definition = api("two", upstream.address).to_string();
    let added = gateway.operate(Method::POST, "/tyk/apis", definition.clone()).await;
    added.is_reply(200, r#"{"key":"two","status":"ok","action":"added"}"#);
    assert_eq!(gateway.get("/two/get").await.status, 404, "nothing takes effect until a reload");
    gateway.control("/tyk/apis/two").await.is_refusal(404, "API not found");
    assert_eq!(files(&gateway.apps())[1], ("two.json".to_owned(), definition), "as it was sent");
    gateway.reload().await;
    assert_eq!(gateway.get("/two/get").await.status, 200);
    assert_eq!(gateway.control("/tyk/apis/two").await.json()["api_id"], "two");
    assert_eq!(files(&gateway.apps()).len(), 2, "nothing is left beside the files");
}

#[tokio::test]
async fn an_id_is_made_where_there_is_none() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let mut definition = api("two", upstream.address);
    definition.0.as_object_mut().expect("an object").remove("api_id");
    let added = gateway.operate(Method::POST, "/tyk/apis/", definition.to_string()).await.json();
    let id = added["key"].as_str().expect("an id").to_owned();
    assert_eq!((id.len(), &added["action"]), (32, &json!("added")));
    gateway.reload().await;
    assert_eq!(gateway.control(&format!("/tyk/apis/{id}")).await.json()["api_id"], id);
    assert_eq!(gateway.get(&format!("/{id}/two/get")).await.status, 200);
}

#[tokio::test]
async fn a_definition_is_replaced_in_the_file_that_it_was_loaded_from() {
    let upstream = Upstream::start();
    let text = api("one", upstream.address).to_string();
    let gateway = Conf::default().file("orders.json", &text).start().await;
    let moved = api("one", upstream.address).set("/proxy/listen_path", "/moved/");
    let modified = gateway.operate(Method::PUT, "/tyk/apis/one", moved.to_string()).await;
    modified.is_reply(200, r#"{"key":"one","status":"ok","action":"modified"}"#);
    assert_eq!(gateway.get("/one/get").await.status, 200);
    assert_eq!(gateway.get("/moved/get").await.status, 404);
    assert_eq!(files(&gateway.apps()), [("orders.json".to_owned(), moved.to_string())]);
    gateway.reload().await;
    assert_eq!(gateway.get("/moved/get").await.status, 200);
}

/// Source: gateway.md §12.20.
#[tokio::test]
async fn a_definition_that_is_deleted_serves_until_a_reload() {
    let upstream = Upstream::start();
    let conf = Conf::default().with(&api("one", upstream.address)).with(&api("two", upstream.address));
    let gateway = conf.file("one-oas.json", "{}").start().await;
    let deleted = gateway.operate(Method::DELETE, "/tyk/apis/one", "").await;
    deleted.is_reply(200, r#"{"key":"one","status":"ok","action":"deleted"}"#);
    assert_eq!(gateway.get("/one/get").await.status, 200);
    gateway.operate(Method::DELETE, "/tyk/apis/one", "").await.is_refusal(404, "API not found");
    gateway.reload().await;
    assert_eq!(gateway.get("/one/get").await.status, 404);
    let names: Vec<String> = files(&gateway.apps()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["two.json"], "its OpenAPI document goes with it");
}

#[tokio::test]
async fn what_was_added_can_be_changed_and_deleted_before_a_reload() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let text = api("two", upstream.address).to_string();
    gateway
        .operate(Method::POST, "/tyk/apis", text.clone())
        .await
        .is_reply(200, r#"{"key":"two","status":"ok","action":"added"}"#);
    assert_eq!(gateway.operate(Method::PUT, "/tyk/apis/two", text).await.json()["action"], "modified");
    assert_eq!(gateway.operate(Method::DELETE, "/tyk/apis/two", "").await.json()["action"], "deleted");
    assert_eq!(files(&gateway.apps()).len(), 1);
}

#[tokio::test]
async fn what_a_load_would_not_take_is_not_written() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let before = files(&gateway.apps());
    let one = |pointer: &str, value: Value| api("one", upstream.address).set(pointer, value).to_string();
    let malformed = [
        "",
        "{",
        "[]",
        "7",
        "null",
        "\"one\"",
        "{\"api_id\": \"one\"",
        "{} {}",
        "\u{feff}{}",
        r#"{"api_id": "one", "proxy": 7}"#,
    ];
    let wrong_type = one("/use_keyless", json!("yes"));
    for text in malformed.into_iter().chain([&*wrong_type]) {
        for (method, path) in [(Method::POST, "/tyk/apis"), (Method::PUT, "/tyk/apis/one")] {
            gateway.operate(method, path, text.to_owned()).await.is_refusal(400, "Request malformed");
        }
    }
    let invalid = [
        (
            one("/proxy/listen_path", json!("")),
            "proxy.listen_path: is empty; say where the API listens, such as `/orders/`",
        ),
        (one("/proxy/target_url", json!("nowhere")), "proxy.target_url: "),
        (
            api("one", upstream.address).plugins("post", &["NoSuch"]).to_string(),
            "custom_middleware.post[0].name: no plugin `NoSuch`",
        ),
        (
            api("one", upstream.address).endpoint("GET", "/(", "SendCurrentTime").to_string(),
            "version_data.versions.Default.extended_paths.go_plugin[0].path: ",
        ),
    ];
    for (text, reason) in invalid {
        for (method, path) in [(Method::POST, "/tyk/apis"), (Method::PUT, "/tyk/apis/one")] {
            let answer = gateway.operate(method, path, text.clone()).await;
            let json = answer.json();
            let message = json["message"].as_str().expect("a message");
            let expected = format!("Validation of API Definition failed. Reason: {reason}");
            assert!(answer.status == 400 && message.starts_with(&expected) && message.ends_with('.'), "{message}");
        }
    }
    assert_eq!(files(&gateway.apps()), before);
    gateway.reload().await;
    assert_eq!(gateway.get("/one/get").await.status, 200);
}

#[tokio::test]
async fn an_id_that_leads_out_of_the_folder_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let before = (files(&gateway.apps()), fs::read_dir(gateway.folder()).expect("a folder").count());
    for id in ["../two", "..", "a/b", "/tmp/two", "a\\b", ".hidden", "a\u{0}b", "two-oas"] {
        let text = api("one", upstream.address).set("/api_id", id).to_string();
        gateway.operate(Method::POST, "/tyk/apis", text).await.is_refusal(400, "Invalid API ID");
    }
    for path in
        ["/tyk/apis/..%2Fone", "/tyk/apis/%2E%2E%2Ftyk.conf", "/tyk/apis/..%2f..%2fetc%2fpasswd", "/tyk/apis/.%00"]
    {
        for method in [Method::PUT, Method::DELETE] {
            gateway.operate(method, path, "{}").await.is_refusal(400, "Invalid API ID");
        }
        gateway.control(path).await.is_refusal(404, "API not found");
    }
    assert_eq!((files(&gateway.apps()), fs::read_dir(gateway.folder()).expect("a folder").count()), before);
}

#[tokio::test]
async fn an_update_is_of_the_api_that_its_path_names() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let two = api("two", upstream.address).to_string();
    let other = "Request APIID does not match that in Definition! For Update operations these must match.";
    gateway.operate(Method::PUT, "/tyk/apis/one", two.clone()).await.is_refusal(400, other);
    gateway.operate(Method::PUT, "/tyk/apis/two", two).await.is_refusal(404, "API not found");
    gateway.operate(Method::PUT, "/tyk/apis/k%C3%A4se%20%25", "{}").await.is_refusal(404, "API not found");
    gateway.operate(Method::POST, "/tyk/apis/one", "{}").await.is_refusal(405, "Method not supported");
    gateway.operate(Method::PUT, "/tyk/apis", "{}").await.is_refusal(405, "Method not supported");
}

#[tokio::test]
async fn definitions_that_belong_to_an_openapi_document_are_not_changed_here() {
    let upstream = Upstream::start();
    let oas = api("oas", upstream.address).set("/is_oas", true);
    let gateway = Conf::default().with(&oas).start().await;
    let classic = api("oas", upstream.address).to_string();
    let target = "this API endpoint only supports Tyk Classic APIs; please use the appropriate Tyk OAS API endpoint";
    gateway.operate(Method::PUT, "/tyk/apis/oas", classic.clone()).await.is_refusal(400, target);
    gateway.operate(Method::POST, "/tyk/apis", classic).await.is_refusal(400, target);
    let supplied = "the supplied API definition is in OAS format, please use the Tyk classic format for this API";
    let document = json!({"openapi": "3.0.3", "x-tyk-api-gateway": {"info": {"name": "a"}}}).to_string();
    gateway.operate(Method::POST, "/tyk/apis", document).await.is_refusal(400, supplied);
    gateway.operate(Method::POST, "/tyk/apis", oas.to_string()).await.is_refusal(400, supplied);
}

/// Source: gateway.md §5.1.
#[tokio::test]
async fn of_two_apis_on_one_listen_path_the_loaded_one_keeps_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let twin = api("a-twin", upstream.address)
        .set("/proxy/listen_path", "/one/")
        .set("/config_data", json!({"is": "the twin"}));
    assert_eq!(gateway.operate(Method::POST, "/tyk/apis", twin.to_string()).await.status, 200);
    gateway.reload().await;
    assert_eq!(gateway.get("/one/get").await.json()["Path"], "/get");
    assert_eq!(gateway.get("/one/-a-twin/get").await.json()["Path"], "/get");
    gateway.log().message("API definition").await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    fs::rename(gateway.apps(), gateway.folder().join("elsewhere")).expect("a folder of ours");
    let text = api("two", upstream.address).to_string();
    gateway.operate(Method::POST, "/tyk/apis", text).await.is_refusal(500, "File object creation failed, write error");
    assert_eq!(gateway.get("/one/get").await.status, 200);
}

/// Source: gateway.md §2.4; a file is written beside, and renamed.
#[tokio::test]
async fn a_definition_is_whole_whenever_the_gateway_is_killed() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let text = |of: char| {
        let filling: String = std::iter::repeat_n(of, 1 << 20).collect();
        api("one", upstream.address).set("/config_data", json!({"filling": filling})).to_string()
    };
    let texts = [text('a'), text('b')];
    let mut client = gateway.connect().await;
    for round in 0..20 {
        let asked = ask(Method::PUT, "/tyk/apis/one").header(SECRET_HEADER, SECRET);
        let asked = client.try_ask(asked.body(whole(texts[round % 2].clone())));
        if round < 19 {
            assert_eq!(asked.await.expect("an answer").status, 200);
            continue;
        }
        // Nobody knows how far this one has come.
        let killed = async {
            gateway.process.signal(Signal::KILL);
            gateway.process.exit().await
        };
        tokio::select! {
            biased;
            _ = asked => {}
            _ = killed => {}
        }
    }
    gateway.process.signal(Signal::KILL);
    gateway.process.exit().await;
    let written = fs::read_to_string(gateway.apps().join("one.json")).expect("a file");
    assert!(texts.contains(&written), "{} bytes", written.len());
}

/// Source: RFC 7396.
#[tokio::test]
async fn a_patch_changes_what_it_names_in_the_file_that_there_is() {
    let upstream = Upstream::start();
    let one = api("one", upstream.address).set("/x_own_field", json!({"kept": 1, "gone": 2}));
    let gateway = Conf::default().file("orders.json", &one.to_string()).start().await;
    let patch = async |body: Value| gateway.operate(Method::PATCH, "/tyk/apis/one", body.to_string()).await;
    let patched = patch(json!({"proxy": {"listen_path": "/moved/"}, "x_own_field": {"gone": null}})).await;
    patched.is_reply(200, r#"{"key":"one","status":"ok","action":"modified"}"#);
    assert_eq!(gateway.get("/one/get").await.status, 200, "nothing takes effect until a reload");
    assert_eq!(patch(json!({"name": "renamed"})).await.status, 200, "the file counts, not what is loaded");
    let expected =
        one.set("/proxy/listen_path", "/moved/").set("/x_own_field", json!({"kept": 1})).set("/name", "renamed");
    let written = files(&gateway.apps());
    assert_eq!((written.len(), &*written[0].0), (1, "orders.json"));
    assert_eq!(serde_json::from_str::<Value>(&written[0].1).expect("JSON"), expected.0);
    gateway.reload().await;
    assert_eq!(gateway.get("/moved/get").await.status, 200);
}

#[tokio::test]
async fn a_patch_that_a_load_would_not_take_changes_nothing() {
    let upstream = Upstream::start();
    let oas = api("oas", upstream.address).set("/is_oas", true);
    let gateway = Conf::default().with(&api("one", upstream.address)).with(&oas).start().await;
    let before = files(&gateway.apps());
    let patch =
        async |id: &str, body: &str| gateway.operate(Method::PATCH, &format!("/tyk/apis/{id}"), body.to_owned()).await;
    for body in ["", "{", "{} {}", "7", "[]", "null", r#"{"proxy": 7}"#, r#"{"use_keyless": "yes"}"#] {
        patch("one", body).await.is_refusal(400, "Request malformed");
    }
    let other = "Request APIID does not match that in Definition! For Update operations these must match.";
    for body in [r#"{"api_id": "two"}"#, r#"{"api_id": null}"#] {
        patch("one", body).await.is_refusal(400, other);
    }
    let empty = "Validation of API Definition failed. Reason: proxy.listen_path: is empty; say where the API listens, such as \
                 `/orders/`.";
    patch("one", r#"{"proxy": {"listen_path": null}}"#).await.is_refusal(400, empty);
    let in_oas = "the supplied API definition is in OAS format, please use the Tyk classic format for this API";
    patch("one", r#"{"is_oas": true}"#).await.is_refusal(400, in_oas);
    let of_oas = "this API endpoint only supports Tyk Classic APIs; please use the appropriate Tyk OAS API endpoint";
    patch("oas", "{}").await.is_refusal(400, of_oas);
    patch("two", "{}").await.is_refusal(404, "API not found");
    patch("..%2Fone", "{}").await.is_refusal(400, "Invalid API ID");
    assert_eq!(files(&gateway.apps()), before);
    gateway.write_file("one.json", "{");
    patch("one", "{}").await.is_refusal(400, "The file of this API cannot be patched: replace it with PUT");
    assert_eq!(fs::read_to_string(gateway.apps().join("one.json")).expect("a file"), "{");
}
