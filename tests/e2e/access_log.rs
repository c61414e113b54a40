//! One line in the log for each request to an API. Source: gateway.md §8.6.

use gateway_tests::{Conf, Upstream, api, get};
use serde_json::{Value, json};

#[tokio::test]
async fn a_line_tells_who_asked_whom_for_what() {
    let upstream = Upstream::start();
    let definition = api("logged", upstream.address).auth("SetSession").set("/name", "Logged");
    let definition = definition.config("SetSession", json!({}));
    let gateway = Conf::default().set("access_logs", json!({"enabled": true})).with(&definition).start().await;
    let request = get("/logged/some?secret=1").header("user-agent", "tests").header("x-forwarded-for", "10.1.2.3");
    assert_eq!(gateway.ask(request).await.status, 200);
    let line = gateway.log().message("request served").await;
    let address = gateway.address.to_string();
    let told =
        ["prefix", "api_id", "api_name", "client_ip", "host", "method", "original_path", "protocol", "user_agent"];
    let expected = ["access-log", "logged", "Logged", "10.1.2.3", &address, "GET", "/logged/some", "HTTP/1.1", "tests"];
    assert_eq!(told.map(|field| line.field(field)), expected);
    assert_eq!(line.field("upstream_addr"), upstream.address.to_string());
    assert!(line.field("remote_addr").starts_with("127.0.0.1:"));
    assert_eq!(line.field("api_key"), "****robe");
    assert_eq!(line.json["status"], 200);
    assert!(["latency_total", "latency_gateway", "upstream_latency"].iter().all(|field| line.json[*field].is_u64()));
}

#[tokio::test]
async fn a_template_chooses_fields_and_errors_are_told_too() {
    let upstream = Upstream::start();
    let definition = api("logged", upstream.address).set("/blacklisted_ips", json!(["127.0.0.1"]));
    let template = json!({"enabled": true, "template": ["status", "path", "api_type"]});
    let gateway = Conf::default().set("access_logs", template).with(&definition).start().await;
    let warning = gateway.log().message("configuration").await;
    assert!(warning.field("finding").contains("access_logs.template[2]: `api_type` is not told here"));
    assert_eq!(gateway.ask(get("/logged/x")).await.status, 403);
    let line = gateway.log().message("request served").await;
    assert_eq!((&line.json["status"], line.field("path")), (&json!(403), "/logged/x"));
    assert_eq!((&line.json["method"], &line.json["api_id"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn without_it_there_is_no_line() {
    let upstream = Upstream::start();
    let gateway = Conf::default().with(&api("logged", upstream.address)).start().await;
    assert_eq!(gateway.ask(get("/logged/x")).await.status, 200);
    gateway.reload().await;
    assert!(gateway.log().all(|line| line.message() == "request served").is_empty());
}
