//! Every hook × every kind of function × a panic, or more time than it has: an error in time, counted and told, and the next
//! request is served. What the metrics say of it is read by a parser of Prometheus' text.

use std::time::{Duration, Instant};

use gateway_tests::{Client, Conf, Definition, Gateway, Upstream, api, get};
use prometheus_parse::{Scrape, Value};
use serde_json::json;

const HOOKS: [&str; 6] = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"];
const KINDS: [&str; 3] = ["LateSync", "LateAsync", "LateBlocking"];
/// What these plugins may take, and what the gateway may take more.
const DEADLINE: Duration = Duration::from_millis(100);
const MORE: Duration = Duration::from_millis(50);

/// An API with one plugin, in one hook.
fn with_plugin_in(hook: &str, plugin: &str, upstream: &Upstream) -> Definition {
    let definition = api("late", upstream.address);
    match hook {
        "auth_check" => definition.auth(plugin),
        "post_key_auth" => definition.auth("SetSession").config("SetSession", json!({})).plugins(hook, &[plugin]),
        "endpoint" => definition.endpoint("GET", "/act", plugin),
        _ => definition.plugins(hook, &[plugin]),
    }
}

async fn scrape(gateway: &Gateway) -> Scrape {
    let answer = gateway.control("/tyk/metrics").await;
    assert_eq!(answer.status, 200);
    Scrape::parse(answer.text().lines().map(|line| Ok(line.to_owned()))).expect("Prometheus reads it")
}

/// How often `plugin` ended in this way.
fn calls(scrape: &Scrape, plugin: &str, hook: &str, outcome: &str) -> f64 {
    let wanted = [("plugin", plugin), ("hook", hook), ("outcome", outcome), ("api", "late")];
    let mut samples = scrape.samples.iter().filter(|sample| sample.metric == "gw_plugin_calls_total");
    let found = samples.find(|sample| wanted.iter().all(|(label, value)| sample.labels.get(label) == Some(value)));
    match found.map(|sample| &sample.value) {
        Some(Value::Counter(count)) => *count,
        None => 0.0,
        Some(other) => panic!("{other:?} is no counter"),
    }
}

/// Asks twice, and gives how long the faster of the two took: this machine does other things too.
async fn fails(client: &mut Client, act: &str, status: u16, message: &str) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..2 {
        let began = Instant::now();
        client.ask(get("/late/act").header("x-act", act)).await.is_error(status, message);
        fastest = fastest.min(began.elapsed());
    }
    fastest
}

#[tokio::test]
async fn a_plugin_that_fails_ends_its_request_in_time_and_nothing_else() {
    for hook in HOOKS {
        for plugin in KINDS {
            let upstream = Upstream::start();
            let gateway = Gateway::serving(&with_plugin_in(hook, plugin, &upstream)).await;
            let mut client = gateway.connect().await;
            let took = fails(&mut client, "overrun", 504, "Gateway Timeout").await;
            assert!((DEADLINE..DEADLINE + MORE).contains(&took), "{plugin} in {hook}: {took:?}");
            fails(&mut client, "panic", 500, "Internal Server Error").await;
            assert_eq!(client.ask(get("/late/act")).await.status, 200, "{plugin} in {hook}");

            let scrape = scrape(&gateway).await;
            let counted = ["timeout", "panic", "continue"].map(|outcome| calls(&scrape, plugin, hook, outcome));
            assert_eq!(counted, [2.0, 2.0, 0.0], "{plugin} in {hook}");
            let late = format!("plugin `{plugin}` took longer than 100ms in hook `{hook}`");
            let line = gateway.log().wait("the late plugin", |line| line.field("error") == late).await;
            let told = (line.message(), line.field("api_id"), line.field("fault"));
            assert_eq!(told, ("request failed", "late", "plugin"));
            let expected = if hook == "response" { 5 } else { 1 };
            assert_eq!(upstream.seen().len(), expected, "{plugin} in {hook}");
        }
    }
}

#[tokio::test]
async fn a_plugin_may_say_that_requests_go_on_without_it() {
    let upstream = Upstream::start();
    let definition = ["pre", "post", "response"]
        .iter()
        .fold(api("late", upstream.address), |d, hook| d.plugins(hook, &["Harmless"]));
    let gateway = Gateway::serving(&definition).await;
    for act in ["overrun", "panic"] {
        let answer = gateway.ask(get("/late/act").header("x-act", act)).await;
        assert_eq!(answer.status, 200, "{act}");
        let line = gateway.log().message("a plugin failed, and the request goes on").await;
        assert!(line.field("error").contains("plugin `Harmless`"), "{act}");
    }
    let scrape = scrape(&gateway).await;
    let counted = |hook| ["timeout", "panic"].map(|outcome| calls(&scrape, "Harmless", hook, outcome));
    assert_eq!([counted("pre"), counted("post"), counted("response")], [[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]]);
}

#[tokio::test]
async fn the_gateway_has_a_bound_for_those_that_have_none() {
    let upstream = Upstream::start();
    let definition = api("late", upstream.address).plugins("pre", &["Unbound"]);
    let conf = Conf::default().set("plugins", json!({"timeout_ms": 60}));
    let gateway = conf.with(&definition).start().await;
    gateway.ask(get("/late/").header("x-act", "overrun")).await.is_error(504, "Gateway Timeout");
    assert_eq!(gateway.get("/late/").await.status, 200);
}

#[tokio::test]
async fn a_blocking_plugin_changes_its_request_on_a_thread_of_its_own() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("late", upstream.address).plugins("post", &["BlockingHeader"])).await;
    let answer = gateway.get("/late/x").await;
    assert_eq!(answer.json()["Headers"]["X-Thread"], "gw-plugin");
    assert_eq!(answer.header("x-blocking"), "1");
}

#[tokio::test]
async fn with_metrics_all_calls_are_counted_and_timed() {
    let upstream = Upstream::start();
    let definition = api("late", upstream.address).plugins("pre", &["Unbound"]).plugins("post", &["ActSync"]);
    let conf = Conf::default().set("plugins", json!({"metrics": true}));
    let gateway = conf.with(&definition).start().await;
    for (act, status) in [("go on", 200), ("answer", 201), ("refuse", 409), ("panic", 500)] {
        assert_eq!(gateway.ask(get("/late/").header("x-act", act)).await.status, status);
    }
    let scrape = scrape(&gateway).await;
    for outcome in ["continue", "respond", "reject", "panic"] {
        assert_eq!(calls(&scrape, "ActSync", "post", outcome), 1.0, "{outcome}");
    }
    assert_eq!(calls(&scrape, "Unbound", "pre", "continue"), 4.0);
    let timed = scrape
        .samples
        .iter()
        .find(|sample| sample.metric == "gw_plugin_duration_seconds" && sample.labels.get("plugin") == Some("Unbound"));
    match timed.map(|sample| &sample.value) {
        Some(Value::Histogram(buckets)) => assert_eq!(buckets.last().map(|last| last.count), Some(4.0)),
        other => panic!("{other:?} is no histogram"),
    }
}
