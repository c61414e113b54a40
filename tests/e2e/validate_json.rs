//! Bodies that have to be what a JSON schema says. Source: gateway.md §3.4, §5.3, §5.11.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, ask, binary, post};
use http::Method;
use serde_json::{Value, json};

const ENTRIES: &str = "/version_data/versions/Default/extended_paths";

fn validating(upstream: &Upstream, entry: Value) -> Definition {
    let mut whole = json!({"path": "/orders", "method": "POST"});
    whole.as_object_mut().expect("an object").extend(entry.as_object().cloned().unwrap_or_default());
    api("some", upstream.address).set(ENTRIES, json!({"validate_json": [whole]}))
}

fn schema() -> Value {
    json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"minimum": 2}}})
}

#[tokio::test]
async fn a_body_that_is_not_what_the_schema_says_goes_nowhere() {
    let upstream = Upstream::start();
    let encoded = STANDARD.encode(schema().to_string());
    for entry in [json!({"schema": schema()}), json!({"schema_b64": encoded})] {
        let gateway = Gateway::serving(&validating(&upstream, entry)).await;
        let before = upstream.seen().len();
        for (body, status, told) in [
            ("{}", 422, "(root): name is required"),
            (r#"{"n": 1}"#, 422, "(root): name is required; n: Must be greater than or equal to 2"),
            (r#"{"name": 7}"#, 422, "name: Invalid type. Expected: string, given: "),
            ("[]", 422, "(root): Invalid type. Expected: object, given: array"),
            ("{", 400, "JSON parsing error: "),
            ("", 400, "JSON parsing error: EOF"),
        ] {
            let answer = gateway.ask(post("/some/orders", body)).await;
            let message = answer.json()["error"].as_str().unwrap_or_default().to_owned();
            assert_eq!(answer.status, status, "{body}: {message}");
            let mut parts: Vec<&str> = message.split("; ").collect();
            parts.sort_unstable();
            assert!(parts.join("; ").starts_with(told), "{body}: {message}");
        }
        assert_eq!(upstream.seen().len(), before);
        let right = r#"{"name": "Ann", "n": 2}"#;
        assert_eq!(gateway.ask(post("/some/orders", right)).await.status, 200);
        assert_eq!(upstream.last().message.text(), right, "the body goes on as it came");
    }
}

#[tokio::test]
async fn the_status_is_the_definitions_and_other_paths_and_methods_are_not_meant() {
    let upstream = Upstream::start();
    let gateway =
        Gateway::serving(&validating(&upstream, json!({"schema": schema(), "error_response_code": 400}))).await;
    assert_eq!(gateway.ask(post("/some/orders", "{}")).await.status, 400);
    assert_eq!(gateway.ask(post("/some/other", "{")).await.status, 200);
    assert_eq!(gateway.ask(ask(Method::PUT, "/some/orders")).await.status, 200);
}

#[tokio::test]
async fn a_large_body_is_validated_and_one_that_is_too_large_is_told() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&validating(&upstream, json!({"schema": schema()}))).await;
    let large = |n: &str| format!(r#"{{"name": "{}", "n": {n}}}"#, "x".repeat(1024 * 1024));
    assert_eq!(gateway.ask(post("/some/orders", large("2"))).await.status, 200);
    assert_eq!(gateway.ask(post("/some/orders", large("1"))).await.status, 422);
    let mut wire = Wire::connect(gateway.address).await;
    let length = 8 * 1024 * 1024 + 1;
    wire.write(&format!("POST /some/orders HTTP/1.1\r\nHost: g\r\nContent-Length: {length}\r\n\r\n")).await;
    assert_eq!(wire.response(false).await.status(), 413, "it is refused before it is sent");
}

#[tokio::test]
async fn a_schema_that_is_none_is_told_with_its_place() {
    let upstream = Upstream::start();
    for (entry, told) in [
        (json!({}), "validate_json[0].schema: there is no schema"),
        (json!({"schema": {"type": "nothing"}}), "validate_json[0].schema: "),
        (json!({"schema": {"$ref": "http://127.0.0.1/x"}}), "nothing is fetched"),
        (json!({"schema": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}), "not that of draft 4, 6 or 7"),
        (json!({"schema_b64": "!"}), "validate_json[0].schema_b64: it is not base64"),
        (
            json!({"schema": schema(), "error_response_code": 99}),
            "validate_json[0].error_response_code: 99 is no status",
        ),
    ] {
        let gateway = Gateway::serving(&validating(&upstream, entry)).await;
        let line = gateway.log().message("API definition").await;
        assert!(line.field("finding").contains(told), "{told}: {}", line.text);
        gateway.ask(post("/some/orders", "{}")).await.is_error(500, "Internal Server Error");
    }
}

/// A gateway without the part says how it is built, and lets nothing through that it cannot check.
#[tokio::test]
async fn a_gateway_without_schemas_says_how_to_have_them() {
    let upstream = Upstream::start();
    let conf = Conf::of(binary::examples());
    let gateway = conf.with(&validating(&upstream, json!({"schema": schema()}))).start().await;
    let line = gateway.log().message("API definition").await;
    assert!(line.field("finding").contains("`cargo xtask build --features validate`"), "{}", line.text);
    gateway.ask(post("/some/orders", "{}")).await.is_error(500, "Internal Server Error");
}
