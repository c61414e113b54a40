//! Circuit breakers: an upstream that fails on a path is left alone until it is back.

use gateway_tests::log::Line;
use gateway_tests::{Answer, Definition, Gateway, Upstream, api, get, within_deadline};
use serde_json::{Value, json};

const TOLD: &str = "Service temporarily unavailable.";
const ENTRIES: &str = "/version_data/versions/Default/extended_paths";

/// An API with a breaker on `/flaky`, which opens after three answers of which half are failures.
fn guarded(upstream: &Upstream, more: Value) -> Definition {
    let mut entry = json!({
        "path": "/flaky", "method": "GET", "threshold_percent": 0.5, "samples": 3, "return_to_service_after": 600,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    api("guarded", upstream.address).set(ENTRIES, json!({"circuit_breakers": [entry]}))
}

/// Makes it open, by answers with this status.
async fn open(gateway: &Gateway, upstream: &Upstream) {
    upstream.answer("/flaky", 500, &[], "broken");
    for _ in 0..3 {
        let answer = gateway.get("/guarded/flaky").await;
        assert_eq!((answer.status, answer.text()), (500, "broken".to_owned()));
    }
    gateway.get("/guarded/flaky").await.is_error(503, TOLD);
}

fn event<'a>(name: &'a str) -> impl Fn(&Line) -> bool + 'a {
    move |line| line.field("event") == name
}

/// Asks until the answer is another than that of an open breaker.
async fn asked_again(gateway: &Gateway) -> Answer {
    let mut client = gateway.connect().await;
    within_deadline("the breaker to let somebody through", async {
        loop {
            let answer = client.ask(get("/guarded/flaky")).await;
            if answer.status != 503 {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_open_breaker_answers_for_the_upstream_on_its_path_alone() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream, json!({"disable_half_open_state": true}))).await;
    open(&gateway, &upstream).await;
    for _ in 0..20 {
        gateway.get("/guarded/flaky/deeper").await.is_error(503, TOLD);
    }
    assert_eq!(upstream.seen().len(), 3, "it is left alone");
    assert_eq!(gateway.get("/guarded/other").await.status, 200);
    let posted = gateway.ask(gateway_tests::post("/guarded/flaky", "")).await;
    assert_eq!(posted.status, 500, "another method is not meant");

    let tripped = gateway.log().exactly(1, "BreakerTripped", event("BreakerTripped")).await;
    assert_eq!((tripped[0].field("api_id"), tripped[0].field("endpoint")), ("guarded", "GET /flaky"));
    let line = gateway.log().message("request failed").await;
    assert!(line.field("error").starts_with("the circuit breaker of `GET /flaky` is open for "), "{line:?}");
}

/// Source: gateway.md §5.2, §12.15: what is looked up is the path at the upstream.
#[tokio::test]
async fn it_is_found_by_the_path_at_the_upstream() {
    let upstream = Upstream::start();
    let definition = guarded(&upstream, json!({"path": "^/base/flaky$"}));
    let target = format!("http://{}/base", upstream.address);
    let gateway = Gateway::serving(&definition.set("/proxy/target_url", target)).await;
    upstream.answer("/base/flaky", 500, &[], "broken");
    for _ in 0..3 {
        assert_eq!(gateway.get("/guarded/flaky").await.status, 500);
    }
    gateway.get("/guarded/flaky").await.is_error(503, TOLD);
}

#[tokio::test]
async fn answers_that_are_no_failures_keep_it_closed() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream, json!({}))).await;
    upstream.answer("/flaky", 404, &[], "");
    for _ in 0..10 {
        assert_eq!(gateway.get("/guarded/flaky").await.status, 404);
    }
    upstream.answer("/flaky", 502, &[], "");
    for _ in 0..9 {
        assert_eq!(gateway.get("/guarded/flaky").await.status, 502, "nine of nineteen are less than half");
    }
    assert_eq!(gateway.get("/guarded/flaky").await.status, 502);
    gateway.get("/guarded/flaky").await.is_error(503, TOLD);
}

#[tokio::test]
async fn connections_that_break_and_answers_that_never_come_are_failures() {
    let upstream = Upstream::start();
    let definition = guarded(&upstream, json!({}))
        .set(&format!("{ENTRIES}/hard_timeouts"), json!([{"path": "/flaky", "method": "GET", "duration": "2s"}]));
    let gateway = Gateway::serving(&definition).await;
    upstream.ignore("/flaky");
    gateway.get("/guarded/flaky").await.is_error(504, "Upstream service reached hard timeout.");
    upstream.refuse("/flaky");
    for _ in 0..2 {
        gateway.get("/guarded/flaky").await.is_error(500, "There was a problem proxying the request");
    }
    gateway.get("/guarded/flaky").await.is_error(503, TOLD);
}

#[tokio::test]
async fn a_request_that_finds_the_upstream_well_closes_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream, json!({}))).await;
    open(&gateway, &upstream).await;
    // The one that tries is told what the upstream says, and the breaker stays open.
    assert_eq!(asked_again(&gateway).await.status, 500);
    gateway.get("/guarded/flaky").await.is_error(503, TOLD);
    assert_eq!(upstream.seen().len(), 4);

    upstream.answer("/flaky", 200, &[], "well");
    assert_eq!(asked_again(&gateway).await.text(), "well");
    for _ in 0..10 {
        assert_eq!(gateway.get("/guarded/flaky").await.text(), "well");
    }
    gateway.log().exactly(1, "BreakerReset", event("BreakerReset")).await;
}

#[tokio::test]
async fn it_closes_when_its_time_is_over() {
    let upstream = Upstream::start();
    let more = json!({"disable_half_open_state": true, "return_to_service_after": 1});
    let gateway = Gateway::serving(&guarded(&upstream, more)).await;
    open(&gateway, &upstream).await;
    assert_eq!(asked_again(&gateway).await.status, 500, "nobody has tried before");
    assert_eq!(upstream.seen().len(), 4);
    gateway.log().wait("the reset", event("BreakerReset")).await;
    // Nothing is held against the upstream: it takes three failures again.
    upstream.answer("/flaky", 200, &[], "well");
    assert_eq!(gateway.get("/guarded/flaky").await.status, 200);
}

#[tokio::test]
async fn a_reload_keeps_it_open_unless_its_entry_has_changed() {
    let upstream = Upstream::start();
    let definition = guarded(&upstream, json!({"disable_half_open_state": true}));
    let gateway = Gateway::serving(&definition).await;
    open(&gateway, &upstream).await;
    gateway.write(&definition.clone().set("/name", "another"));
    gateway.reload().await;
    assert_eq!(gateway.control("/tyk/apis/guarded").await.json()["name"], "another");
    gateway.get("/guarded/flaky").await.is_error(503, TOLD);

    gateway.write(&definition.set(&format!("{ENTRIES}/circuit_breakers/0/samples"), 4));
    gateway.reload().await;
    assert_eq!(gateway.get("/guarded/flaky").await.status, 500);
}
