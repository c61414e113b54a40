//! Versions that are APIs of their own. Source: gateway.md §2.4, §3.3.

use gateway_tests::{Conf, Gateway, Upstream, api};
use http::Method;
use serde_json::{Value, json};

fn written(gateway: &Gateway, id: &str) -> Value {
    let text = std::fs::read_to_string(gateway.apps().join(format!("{id}.json"))).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn a_new_version_is_entered_in_its_base() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("base", upstream.address)).await;
    let child = |id: &str| api(id, upstream.address).set("/internal", true).to_string();
    let path = "/tyk/apis?base_api_id=base&new_version_name=v2&base_api_version_name=v1";
    let added = gateway.operate(Method::POST, path, child("second")).await;
    added.is_reply(200, r#"{"key":"second","status":"ok","action":"added"}"#);
    let expected = json!({
        "enabled": true, "name": "v1", "default": "v1", "key": "x-api-version", "location": "header",
        "versions": {"v2": "second"},
    });
    assert_eq!(written(&gateway, "base")["definition"], expected);
    // Without a reload in between: what is in the file counts.
    let path = "/tyk/apis?base_api_id=base&new_version_name=v3&set_default=true";
    assert_eq!(gateway.operate(Method::POST, path, child("third")).await.status, 200);
    let definition = &written(&gateway, "base")["definition"];
    assert_eq!(
        (&definition["versions"], &definition["default"]),
        (&json!({"v2": "second", "v3": "third"}), &json!("v3"))
    );

    gateway.reload().await;
    let listed = |id: &str, name: &str, version: &str, internal: bool, is_default: bool| {
        json!({
            "id": id, "name": name, "versionName": version, "internal": internal, "expirationDate": "",
            "isDefaultVersion": is_default,
        })
    };
    let [base, second, third] = [
        listed("base", "base", "v1", false, false),
        listed("second", "second", "v2", true, false),
        listed("third", "third", "v3", true, true),
    ];
    for id in ["base", "third"] {
        let versions = gateway.control(&format!("/tyk/apis/{id}/versions")).await;
        assert_eq!(versions.json(), json!({"status": "success", "apis": [base, second, third]}), "{id}");
    }
    let found = |query: &'static str| {
        let gateway = &gateway;
        async move { gateway.control(&format!("/tyk/apis/base/versions?{query}")).await.json()["apis"].clone() }
    };
    assert_eq!(found("searchText=SEC").await, json!([second]));
    assert_eq!(found("accessType=internal").await, json!([second, third]));
    assert_eq!(found("accessType=external").await, json!([base]));
    assert_eq!(gateway.control("/tyk/apis/second").await.header("x-tyk-base-api-id"), "base");
    assert_eq!(gateway.control("/tyk/apis/base").await.header("x-tyk-base-api-id"), "");

    assert_eq!(gateway.operate(Method::DELETE, "/tyk/apis/third", "").await.status, 200);
    let definition = &written(&gateway, "base")["definition"];
    assert_eq!((&definition["versions"], &definition["default"]), (&json!({"v2": "second"}), &json!("v1")));
}

#[tokio::test]
async fn a_version_without_a_name_or_a_base_is_not_added() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("base", upstream.address)).await;
    let before = written(&gateway, "base");
    let text = api("two", upstream.address).to_string();
    let nameless = gateway.operate(Method::POST, "/tyk/apis?base_api_id=base&new_version_name=", text.clone()).await;
    nameless.is_refusal(422, "The new version name is required");
    let baseless = gateway.operate(Method::POST, "/tyk/apis?base_api_id=none&new_version_name=v2", text).await;
    baseless.is_refusal(404, "API not found");
    assert!(!gateway.apps().join("two.json").exists());
    assert_eq!(written(&gateway, "base"), before);
    gateway.control("/tyk/apis/none/versions").await.is_refusal(404, "API not found");
}

#[tokio::test]
async fn an_api_without_versions_is_listed_alone() {
    let upstream = Upstream::start();
    let gateway = Conf::default().with(&api("one", upstream.address)).start().await;
    let versions = gateway.control("/tyk/apis/one/versions").await.json();
    let apis = versions["apis"].as_array().expect("a list");
    assert_eq!((apis.len(), &apis[0]["id"], &apis[0]["isDefaultVersion"]), (1, &json!("one"), &json!(true)));
}

#[tokio::test]
async fn versions_that_are_added_at_once_are_all_entered() {
    let upstream = Upstream::start();
    let gateway = std::sync::Arc::new(Gateway::serving(&api("base", upstream.address)).await);
    let adding = (0..16).map(|at| {
        let (gateway, text) =
            (std::sync::Arc::clone(&gateway), api(&format!("child{at}"), upstream.address).to_string());
        tokio::spawn(async move {
            let path = format!("/tyk/apis?base_api_id=base&new_version_name=v{at}");
            gateway.operate(Method::POST, &path, text).await.status
        })
    });
    for added in adding.collect::<Vec<_>>() {
        assert_eq!(added.await.expect("an answer"), 200);
    }
    let versions = &written(&gateway, "base")["definition"]["versions"];
    assert_eq!(versions.as_object().expect("an object").len(), 16, "{versions}");
}
