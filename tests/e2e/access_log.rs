//! One line in the log for each request to an API. Source: gateway.md §8.6.

use gateway_tests::{Conf, Upstream, api, client, get};
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
    let told =
        ["prefix", "api_id", "api_name", "client_ip", "host", "method", "original_path", "protocol", "user_agent"];
    let expected =
        ["access-log", "logged", "Logged", "10.1.2.3", "gateway", "GET", "/logged/some", "HTTP/1.1", "tests"];
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
    let finding = "access_logs.template[2]: `api_type` is not told here";
    gateway.log().wait("the field that is not told", |line| line.field("finding").contains(finding)).await;
    assert_eq!(gateway.ask(get("/logged/x")).await.status, 403);
    let line = gateway.log().message("request served").await;
    assert_eq!((&line.json["status"], line.field("path")), (&json!(403), "/logged/x"));
    assert_eq!((&line.json["method"], &line.json["api_id"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn errors_of_an_api_that_is_not_tracked_have_no_line() {
    let upstream = Upstream::start();
    upstream.answer("/missing", 404, &[], "");
    let untracked = api("untracked", upstream.address).set("/do_not_track", true);
    let definition = untracked.plugins("pre", &["ActSync"]);
    let conf = Conf::default().set("access_logs", json!({"enabled": true}));
    let gateway = conf.with(&definition).start().await;
    assert_eq!(gateway.ask(get("/untracked/x").header("x-act", "panic")).await.status, 500);
    assert_eq!(gateway.get("/untracked/missing").await.status, 404);
    let line = gateway.log().message("request served").await;
    assert_eq!((line.field("path"), &line.json["status"]), ("/missing", &json!(404)));
}

#[tokio::test]
async fn a_line_is_written_when_the_answer_has_ended() {
    let upstream = Upstream::start();
    let feed = upstream.stream("/slow");
    let conf = Conf::default().set("access_logs", json!({"enabled": true}));
    let gateway = conf.with(&api("logged", upstream.address)).start().await;
    let mut client = gateway.connect().await;
    let response = client.open(get("/logged/slow")).await.expect("a head before any piece of the body");
    feed.data("a");
    // What is asked later is told earlier.
    assert_eq!(gateway.get("/logged/fast").await.status, 200);
    gateway.log().wait("the other line", |line| line.field("path") == "/fast").await;
    assert!(gateway.log().all(|line| line.field("path") == "/slow").is_empty());
    drop(feed);
    assert_eq!(client::read(response).await.expect("an answer").text(), "a");
    gateway.log().wait("its line", |line| line.field("path") == "/slow").await;
}

#[tokio::test]
async fn without_it_there_is_no_line() {
    let upstream = Upstream::start();
    let gateway = Conf::default().with(&api("logged", upstream.address)).start().await;
    assert_eq!(gateway.ask(get("/logged/x")).await.status, 200);
    gateway.reload().await;
    assert!(gateway.log().all(|line| line.message() == "request served").is_empty());
}
