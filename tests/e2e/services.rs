//! What the gateway does for plugins: requests of their own, a store, a log.

use gateway_tests::upstream::Nobody;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get};
use serde_json::{Value, json};

fn asking(upstream: &Upstream, whom: Value) -> Definition {
    api("asks", upstream.address).plugins("pre", &["Fetch"]).config("Fetch", whom)
}

#[tokio::test]
async fn a_plugin_asks_another_server_while_its_request_waits() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    other.answer("/ask", 203, &[], "answer");
    let uri = format!("http://{}/ask?x=1", other.address);
    let gateway = Gateway::serving(&asking(&upstream, json!({"uri": uri}))).await;
    assert_eq!(gateway.get("/asks/get").await.status, 200);
    assert_eq!(upstream.last().header("x-fetched"), "203 answer");
    let asked = other.last();
    assert_eq!((asked.first(), asked.header("x-asked-by")), ("POST /ask?x=1 HTTP/1.1", "a plugin"));
    assert_eq!(asked.header("host"), other.address.to_string());
    assert_eq!(asked.header("x-forwarded-for"), "", "it is the plugin's request, not the client's");
}

#[tokio::test]
async fn a_plugin_is_told_why_there_is_no_answer() {
    let (upstream, nobody) = (Upstream::start(), Nobody::default());
    upstream.ignore("/silent");
    for (whom, told) in [
        (json!({"uri": format!("http://{}/", nobody.address)}), "the server could not be reached"),
        (json!({"uri": format!("http://{}/silent", upstream.address), "timeout_ms": 50}), "no response within 50ms"),
    ] {
        let gateway = Gateway::serving(&asking(&upstream, whom)).await;
        assert_eq!(gateway.get("/asks/get").await.status, 200);
        assert_eq!(upstream.last().header("x-fetched"), told);
    }
}

#[tokio::test]
async fn a_plugin_may_ask_its_own_gateway() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("inner", upstream.address).plugins("pre", &["RejectWithBody"])).await;
    let uri = format!("http://{}/inner/get", gateway.address);
    gateway.write(&asking(&upstream, json!({"uri": uri})));
    gateway.reload().await;
    assert_eq!(gateway.get("/asks/get").await.status, 200);
    assert_eq!(upstream.last().header("x-fetched"), "403 hello");
}

#[tokio::test]
async fn the_store_is_one_for_all_apis_and_outlives_reloads() {
    let upstream = Upstream::start();
    let counting = |id: &str| api(id, upstream.address).plugins("pre", &["Count"]);
    let gateway = Conf::default().with(&counting("a")).with(&counting("b")).start().await;
    for (path, sum) in [("/a/get", "1"), ("/b/get", "2"), ("/a/get", "3")] {
        assert_eq!(gateway.get(path).await.header("x-sum"), sum);
    }
    gateway.write(&counting("a").set("/name", "changed"));
    gateway.reload().await;
    assert_eq!(gateway.get("/a/get").await.header("x-sum"), "4");
}

#[tokio::test]
async fn a_clients_text_in_the_log_stays_one_line_and_names_its_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("logs", upstream.address).plugins("pre", &["LogHeader", "LogHeader"])).await;
    gateway.ask(get("/logs/get").header("x-say", "\"}{\"level\":\"ERROR\"")).await;
    let said = "the client says\\n\"}{\"level\":\"ERROR\"";
    let lines = gateway.log().exactly(2, said, |line| line.message().replace("\\\"", "\"") == said).await;
    for line in &lines {
        assert_eq!((line.field("level"), line.field("plugin"), line.field("api_id")), ("WARN", "LogHeader", "logs"));
    }
    assert_eq!(lines[0].field("request_id"), lines[1].field("request_id"));
    assert_eq!(lines[0].field("request_id").len(), 32);
}
