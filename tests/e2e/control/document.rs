//! `/tyk/openapi.json`, and every route that it describes.

use std::fs;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Conf, Gateway, Upstream, api, ask};
use http::Method;
use serde_json::Value;

/// Every method and path of the document.
pub(super) async fn operations(gateway: &Gateway) -> Vec<(Method, String)> {
    let document = gateway.control("/tyk/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    let methods = |(path, methods): (&String, &Value)| -> Vec<(Method, String)> {
        let names = methods.as_object().expect("methods").keys().filter(|name| *name != "parameters");
        names.map(|name| (name.to_uppercase().parse().expect("a method"), path.clone())).collect()
    };
    paths.iter().flat_map(methods).collect()
}

/// The path with `id` in place of every variable.
pub(super) fn at(path: &str, id: &str) -> String {
    path.split('/').map(|segment| if segment.starts_with('{') { id } else { segment }).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn the_document_is_of_this_gateway_and_wants_the_secret() {
    let gateway = Conf::default().set("health_check_endpoint_name", "live").start().await;
    let document = gateway.control("/tyk/openapi.json").await.json();
    assert_eq!(
        (&document["openapi"], &document["info"]["version"]),
        (&"3.0.3".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(document["paths"]["/live"].is_object() && document["paths"]["/hello"].is_null());
    assert_eq!(gateway.get("/tyk/openapi.json").await.status, 403);
}

/// Source: gateway.md §2.1.
#[tokio::test]
async fn no_route_answers_without_the_secret_and_no_log_tells_it() {
    let gateway = Conf::default().set("log_level", "debug").start().await;
    for (method, path) in operations(&gateway).await {
        let path = at(&path, "x");
        if path.starts_with("/tyk") {
            for secret in ["not the secret", &SECRET[1..], ""] {
                let answer = gateway.ask(ask(method.clone(), &path).header(SECRET_HEADER, secret)).await;
                let message = "Attempted administrative access with invalid or missing key!";
                answer.is_refusal(403, message);
            }
        }
        gateway.operate(method, &path, "{").await;
    }
    let log = gateway.log().to_string();
    assert!(log.contains("listening") && !log.contains(SECRET) && !log.contains("not the secret"), "{log}");
}

#[tokio::test]
async fn what_makes_no_sense_breaks_nothing() {
    let upstream = Upstream::start();
    let conf = Conf::default().with(&api("one", upstream.address));
    let policies = conf.folder().join("policies");
    fs::create_dir(&policies).expect("a folder in a folder of ours");
    let gateway = conf.set("policies", serde_json::json!({"policy_path": policies})).start().await;
    let before = fs::read_to_string(gateway.apps().join("one.json")).expect("a file");
    let long = "a".repeat(5000);
    let ids =
        ["nobody", "%00", "..%2F..%2Fetc%2Fpasswd", "%FF%FE", "a%20b%2Fc%3F%23", "%E2%82%AC", "%7B%7D", "'--", &long];
    let bodies = ["", "{", "null", "[]", "7", "\"x\"", "{\"a\": 1e999}", "{\"id\": {}, \"api_id\": []}"];
    for (method, path) in operations(&gateway).await {
        for (id, body) in ids.iter().flat_map(|id| bodies.map(|body| (id, body))) {
            let path = at(&path, id);
            let answer = gateway.operate(method.clone(), &path, body).await;
            // Some errors of keys are failures in Tyk too. Source: gateway.md §2.6.
            let is_of_keys = path.starts_with("/tyk/keys") || path.starts_with("/tyk/org");
            assert!(answer.status < 500 || is_of_keys, "{method} {path} {body}: {} {}", answer.status, answer.text());
        }
    }
    assert_eq!(fs::read_to_string(gateway.apps().join("one.json")).expect("a file"), before);
    assert_eq!(fs::read_dir(gateway.apps()).expect("a folder").count(), 1);
    assert_eq!(fs::read_dir(policies).expect("a folder").count(), 0);
    gateway.reload().await;
    assert_eq!(gateway.get("/one/get").await.status, 200);
}

/// Source: RFC 9110 §15.5.6.
#[tokio::test]
async fn who_uses_another_method_is_told_which_there_are() {
    let gateway = Conf::default().start().await;
    let allowed = async |method, path| gateway.operate(method, path, "").await.header("allow").to_owned();
    assert_eq!(allowed(Method::PATCH, "/tyk/apis").await, "GET, POST");
    assert_eq!(allowed(Method::POST, "/tyk/apis/x").await, "GET, PUT, PATCH, DELETE");
    assert_eq!(allowed(Method::PATCH, "/tyk/keys/preview").await, "POST");
    assert_eq!(allowed(Method::POST, "/hello").await, "GET");
}
