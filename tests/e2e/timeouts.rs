//! Enforced timeouts: how long an upstream may take for its answer, path by path.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, post, within_deadline};
use http_body_util::BodyExt;
use serde_json::{Value, json};

const TOLD: &str = "Upstream service reached hard timeout.";

fn timed(upstream: &Upstream, timeouts: Value) -> Definition {
    let paths = "/version_data/versions/Default/extended_paths";
    api("timed", upstream.address).set(paths, json!({"hard_timeouts": timeouts}))
}

fn globally(definition: Definition, time: &str) -> Definition {
    definition.set("/version_data/versions/Default/global_enforce_timeout", time)
}

#[tokio::test]
async fn who_takes_too_long_is_given_up_and_his_connection_closed() {
    let upstream = Upstream::start();
    let definition = timed(&upstream, json!([{"path": "/slow", "method": "POST", "duration": "2s"}]));
    let gateway = Gateway::serving(&definition).await;
    let received = upstream.receive("/slow");
    gateway.ask(post("/timed/slow", "whole")).await.is_error(504, TOLD);
    let (_, mut answering) = within_deadline("the request", received).await.expect("it was received");
    within_deadline("the end of the upstream's connection", answering.closed()).await;
    let line = gateway.log().message("request failed").await;
    assert_eq!((line.field("api_id"), line.field("fault")), ("timed", "upstream"));
    assert!(line.field("error").starts_with("no response within 2s, the enforced timeout"), "{line:?}");
    // The gateway serves on, and with it this path.
    upstream.answer("/slow", 200, &[], "fast");
    assert_eq!(gateway.ask(post("/timed/slow", "")).await.text(), "fast");
}

/// A request whose answer outlasts one that is cut.
async fn outlasts(gateway: &Gateway, upstream: &Upstream, longer: &str, shorter: &str) {
    let hold = upstream.hold(longer.trim_start_matches("/timed"));
    upstream.ignore(shorter.trim_start_matches("/timed"));
    let mut client = gateway.connect().await;
    let long = longer.to_owned();
    let waiting = tokio::spawn(async move { client.ask(get(&long)).await });
    hold.arrived(1).await;
    gateway.get(shorter).await.is_error(504, TOLD);
    hold.release(1);
    assert_eq!(within_deadline("the longer one", waiting).await.expect("no panic").status, 200, "{longer}");
}

#[tokio::test]
async fn the_first_entry_that_matches_counts_before_the_versions_own() {
    let upstream = Upstream::start();
    let timeouts = json!([
        {"path": "/off", "method": "GET", "timeout": 1, "disabled": true},
        {"path": "/long", "method": "GET", "timeout": 25},
        {"path": "/long", "method": "GET", "duration": "1ms"},
        {"path": "/first", "method": "POST", "timeout": 25},
    ]);
    let gateway = Gateway::serving(&globally(timed(&upstream, timeouts), "150ms")).await;
    outlasts(&gateway, &upstream, "/timed/long", "/timed/first").await;
    outlasts(&gateway, &upstream, "/timed/long/er", "/timed/off").await;
}

#[tokio::test]
async fn it_takes_the_place_of_the_gateways_own() {
    let upstream = Upstream::start();
    let definition = timed(&upstream, json!([{"path": "/long", "method": "GET", "timeout": 25}]));
    let gateway = Conf::default().set("proxy_default_timeout", 0.15).with(&definition).start().await;
    outlasts(&gateway, &upstream, "/timed/long", "/timed/other").await;
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_cut() {
    let upstream = Upstream::start();
    // Its head comes within that, also from a machine that has other work.
    let gateway = Gateway::serving(&globally(timed(&upstream, json!([])), "2s")).await;
    let feed = upstream.stream("/long");
    upstream.ignore("/cut");
    let mut client = gateway.connect().await;
    let long = client.open(get("/timed/long")).await.expect("its head");
    gateway.get("/timed/cut").await.is_error(504, TOLD);
    feed.data("whole");
    drop(feed);
    let body = within_deadline("the body", long.into_body().collect()).await.expect("it is whole");
    assert_eq!(body.to_bytes(), "whole");
}

#[tokio::test]
async fn a_version_may_switch_its_own_off() {
    let upstream = Upstream::start();
    let definition = globally(timed(&upstream, json!([{"path": "/cut", "method": "GET", "duration": "150ms"}])), "1ms")
        .set("/version_data/versions/Default/global_enforce_timeout_disabled", true);
    let gateway = Gateway::serving(&definition).await;
    outlasts(&gateway, &upstream, "/timed/long", "/timed/cut").await;
}

/// Source: gateway.md §12.15; Tyk, `gateway/reverse_proxy.go`: what is looked up is the path at the upstream; here the client's counts too.
#[tokio::test]
async fn a_path_counts_as_the_client_wrote_it_and_as_the_upstream_sees_it() {
    let upstream = Upstream::start();
    for path in ["/base/anchored", "/base/other"] {
        upstream.ignore(path);
    }
    let definition = timed(
        &upstream,
        json!([
            {"path": "^/anchored$", "method": "GET", "duration": "50ms"},
            {"path": "^/base/other$", "method": "GET", "duration": "50ms"},
        ]),
    );
    let definition = definition.set("/proxy/target_url", format!("http://{}/base", upstream.address));
    let gateway = Gateway::serving(&definition).await;
    gateway.get("/timed/anchored").await.is_error(504, TOLD);
    gateway.get("/timed/other").await.is_error(504, TOLD);
    assert_eq!(gateway.get("/timed/anchored/not").await.status, 200);
}
