//! Events, told to the log and to webhooks. Source: gateway.md §8.9.

use gateway_tests::upstream::{Nobody, Seen};
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, within_deadline};
use serde_json::{Value, json};

/// The definition, with a webhook for these events.
fn telling(definition: &Definition, events: &[&str], meta: &Value) -> Definition {
    let handler = json!([{"handler_name": "eh_web_hook_handler", "handler_meta": meta}]);
    let events: serde_json::Map<_, _> = events.iter().map(|event| ((*event).to_owned(), handler.clone())).collect();
    definition.clone().set("/event_handlers", json!({"events": events}))
}

fn hook(receiver: &Upstream) -> Value {
    json!({"method": "POST", "target_path": format!("http://{}/told?by=gw", receiver.address)})
}

/// Waits until so many requests have come whole; gives all.
async fn received(receiver: &Upstream, requests: usize) -> Vec<Seen> {
    within_deadline("requests to the webhook", async {
        loop {
            let seen = receiver.seen();
            if seen.len() >= requests && seen.iter().all(|seen| seen.whole) {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn told(seen: &Seen) -> Value {
    serde_json::from_str(&seen.message.text()).expect("JSON")
}

/// An API that asks for a token.
fn guarded(upstream: &Upstream) -> Definition {
    api("some", upstream.address).set("/use_keyless", false).set("/use_standard_auth", true)
}

/// An API that everybody calls with this session, under the key `probe`.
fn with_session(upstream: &Upstream, session: Value) -> Definition {
    api("some", upstream.address).auth("SetSession").config("SetSession", session)
}

#[tokio::test]
async fn a_webhook_is_told_of_a_key_that_nobody_knows() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let mut meta = hook(&receiver);
    meta["header_map"] = json!({"X-Secret": "s"});
    let gateway = Gateway::serving(&telling(&guarded(&upstream), &["AuthFailure"], &meta)).await;
    let request = get("/some/a?b=1").header("authorization", "nobody's").header("x-real-ip", "10.0.0.7");
    assert_eq!(gateway.ask(request).await.status, 403);
    received(&receiver, 1).await;
    let seen = receiver.last();
    assert_eq!(seen.first(), "POST /told?by=gw HTTP/1.1");
    assert_eq!(
        ["user-agent", "content-type", "x-secret"].map(|name| seen.header(name).to_owned()),
        ["Tyk-Hookshot", "application/json", "s"]
    );
    let expected = json!({
        "event": "AuthFailure", "message": "Auth Failure", "path": "/some/a", "origin": "10.0.0.7", "key": "nobody's",
    });
    assert_eq!(told(&seen), expected);
    // A request without a key is none that failed.
    assert_eq!(gateway.get("/some/a").await.status, 401);
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn each_refusal_is_the_event_that_it_is() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let past = json!({"expires": 1});
    let rate = json!({"rate": 1, "per": 600});
    let quota = json!({"quota_max": 1, "quota_renewal_rate": 600});
    let expired = api("some", upstream.address).set("/expiration", "2020-01-01 00:00");
    let whole = api("some", upstream.address).set("/global_rate_limit", json!({"rate": 1, "per": 600}));
    let refusal = json!({"status": 403, "body": "no"});
    let refuses = api("some", upstream.address).plugins("post", &["Refuse"]).config("Refuse", refusal.clone());
    let answers = api("some", upstream.address).auth("Answer").config("Answer", refusal);
    let cases = [
        (with_session(&upstream, past), 1, "KeyExpired", "Attempted access from expired key.", "probe"),
        (
            with_session(&upstream, json!({"is_inactive": true})),
            1,
            "KeyExpired",
            "Attempted access from inactive key.",
            "probe",
        ),
        (with_session(&upstream, rate), 2, "RatelimitExceeded", "Key Rate Limit Exceeded", "probe"),
        (with_session(&upstream, quota), 2, "QuotaExceeded", "Key Quota Limit Exceeded", "probe"),
        (whole, 2, "RatelimitExceeded", "API Rate Limit Exceeded", "apilimiter-defaultsome"),
        (expired, 1, "VersionFailure", "Attempted access to disallowed version / path.", ""),
        // A plugin, in whichever hook. Source: plugin-system.md §4.4.
        (answers, 1, "AuthFailure", "Auth Failure", "n/a"),
        (refuses, 1, "AuthFailure", "Auth Failure", "n/a"),
    ];
    let events = ["KeyExpired", "RatelimitExceeded", "QuotaExceeded", "VersionFailure", "AuthFailure"];
    for (at, (definition, requests, event, message, key)) in cases.into_iter().enumerate() {
        let gateway = Gateway::serving(&telling(&definition, &events, &hook(&receiver))).await;
        for _ in 0..requests {
            gateway.get("/some/get").await;
        }
        received(&receiver, at + 1).await;
        let told = told(&receiver.last());
        assert_eq!(
            ["event", "message", "key"].map(|name| told[name].as_str().unwrap_or_default()),
            [event, message, key]
        );
    }
}

/// The same request is not made again for `event_timeout` seconds, and another one is.
#[tokio::test]
async fn what_was_told_a_moment_ago_is_not_told_again() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let mut meta = hook(&receiver);
    meta["event_timeout"] = json!(600);
    let gateway = Gateway::serving(&telling(&guarded(&upstream), &["AuthFailure"], &meta)).await;
    let wrong = |path: &str| get(path).header("authorization", "nobody's");
    for _ in 0..3 {
        gateway.ask(wrong("/some/a")).await;
    }
    gateway.ask(wrong("/some/b")).await;
    received(&receiver, 2).await;
    let mut paths: Vec<String> = receiver.seen().iter().map(|seen| told(seen)["path"].to_string()).collect();
    paths.sort();
    assert_eq!(paths, [r#""/some/a""#, r#""/some/b""#]);
}

#[tokio::test]
async fn a_template_says_what_a_webhook_is_told() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let conf = Conf::default();
    let template = r#"{"is": "{{.Type}}", "of": "{{.Meta.Path}}", "raw": "{{.Meta.OriginatingRequest | trunc 8}}"}"#;
    std::fs::write(conf.folder().join("hook.json"), template).expect("a folder of ours");
    let mut meta = hook(&receiver);
    meta["template_path"] = json!(conf.folder().join("hook.json"));
    let gateway = conf.with(&telling(&guarded(&upstream), &["AuthFailure"], &meta)).start().await;
    gateway.ask(get("/some/%22a").header("authorization", "nobody's")).await;
    received(&receiver, 1).await;
    let seen = receiver.last();
    assert_eq!(seen.message.text(), r#"{"is": "AuthFailure", "of": "/some/&#34;a", "raw": "R0VUIC9z"}"#);
    assert_eq!(seen.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_webhook_that_is_down_is_told_and_harms_nobody() {
    let (upstream, receiver, nobody) = (Upstream::start(), Upstream::start(), Nobody::default());
    receiver.answer("/told", 500, &[], "");
    let down = json!({"method": "POST", "target_path": format!("http://{}/", nobody.address)});
    let handlers =
        [down, hook(&receiver)].map(|meta| json!({"handler_name": "eh_web_hook_handler", "handler_meta": meta}));
    let definition = guarded(&upstream).set("/event_handlers", json!({"events": {"AuthFailure": handlers}}));
    let gateway = Gateway::serving(&definition).await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(get("/some/a").header("authorization", "nobody's")).await.status, 403);
    }
    receiver.count(3).await;
    let lines = gateway
        .log()
        .exactly(6, "webhooks that failed", |line| line.message() == "an event is not told: the webhook failed")
        .await;
    let refused = lines.iter().filter(|line| line.field("reason") == "it answered with status 500").count();
    assert_eq!(refused, 3);
    assert!(lines.iter().all(|line| line.field("event") == "AuthFailure"));
}

/// Keys are written raw to webhooks, and never to the log.
#[tokio::test]
async fn the_log_is_told_by_its_handler() {
    let upstream = Upstream::start();
    let handler = json!([{"handler_name": "eh_log_handler", "handler_meta": {"prefix": "mine"}}]);
    let definition = guarded(&upstream).set("/event_handlers", json!({"events": {"AuthFailure": handler}}));
    let gateway = Gateway::serving(&definition).await;
    gateway.ask(get("/some/a").header("authorization", "a-secret-key")).await;
    let line = gateway.log().message("event").await;
    let fields = ["event", "prefix", "told", "path", "key"].map(|name| line.field(name).to_owned());
    assert_eq!(fields, ["AuthFailure", "mine", "Auth Failure", "/some/a", "****-key"]);
}

#[tokio::test]
async fn breakers_tell_that_they_open() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    upstream.answer("/flaky", 500, &[], "");
    let entry = json!({"path": "/flaky", "method": "GET", "threshold_percent": 0.5, "samples": 2, "return_to_service_after": 600});
    let definition = api("some", upstream.address)
        .set("/version_data/versions/Default/extended_paths", json!({"circuit_breakers": [entry]}));
    let events = ["BreakerTripped", "BreakerTriggered", "BreakerReset"];
    let gateway = Gateway::serving(&telling(&definition, &events, &hook(&receiver))).await;
    for _ in 0..3 {
        gateway.get("/some/flaky").await;
    }
    received(&receiver, 2).await;
    let mut told: Vec<Value> = receiver.seen().iter().map(told).collect();
    told.sort_by_key(|told| told["event"].to_string());
    let expected =
        |event| json!({"event": event, "message": "Breaker Tripped", "path": "/flaky", "origin": "", "key": ""});
    assert_eq!(told, [expected("BreakerTriggered"), expected("BreakerTripped")]);
}

#[tokio::test]
async fn hosts_tell_that_they_are_down_and_up_again() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    upstream.answer("/health", 503, &[], "");
    let url = format!("http://{}/health", upstream.address);
    let definition = api("some", upstream.address).set("/uptime_tests", json!({"check_list": [{"url": url}]}));
    let definition = telling(&definition, &["HostDown", "HostUp"], &hook(&receiver));
    let uptime = json!({"config": {"failure_trigger_sample_size": 1, "time_wait": 1}});
    let _gateway = Conf::default().set("uptime_tests", uptime).with(&definition).start().await;
    received(&receiver, 1).await;
    upstream.answer("/health", 200, &[], "");
    received(&receiver, 2).await;
    let told: Vec<Value> = receiver.seen().iter().map(told).collect();
    let expected =
        |event, message| json!({"event": event, "message": message, "path": "", "origin": "", "key": "", "host": url});
    assert_eq!(told, [expected("HostDown", "Uptime test failed"), expected("HostUp", "Uptime test succeeded")]);
}

#[tokio::test]
async fn limits_of_organisations_are_events_of_the_api_that_was_called() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let definition =
        telling(&api("some", upstream.address), &["OrgRateLimitExceeded", "OrgQuotaExceeded"], &hook(&receiver));
    let gateway = Conf::default().set("enforce_org_quotas", true).with(&definition).start().await;
    for (at, (session, event)) in [
        (json!({"rate": 1.0, "per": 600.0}), "OrgRateLimitExceeded"),
        (json!({"quota_max": 1, "quota_renewal_rate": 600}), "OrgQuotaExceeded"),
    ]
    .into_iter()
    .enumerate()
    {
        let written = gateway.operate(http::Method::POST, "/tyk/org/keys/default", session.to_string()).await;
        assert_eq!(written.status, 200, "{}", written.text());
        while gateway.get("/some/get").await.status == 200 {}
        received(&receiver, at + 1).await;
        let told = told(&receiver.last());
        assert_eq!((&told["event"], &told["key"]), (&json!(event), &json!("default")));
    }
}

/// What happens to keys is no API's: the configuration says who is told.
#[tokio::test]
async fn the_configuration_says_who_is_told_of_keys() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let handler = json!([{"handler_name": "eh_web_hook_handler", "handler_meta": hook(&receiver)}]);
    let events = json!({"events": {"TokenCreated": handler, "TokenUpdated": handler, "TokenDeleted": handler}});
    let gateway = Conf::default().set("event_handlers", events).with(&guarded(&upstream)).start().await;
    let session = json!({"org_id": "default", "access_rights": {"some": {"api_id": "some"}}}).to_string();
    let calls = [
        (http::Method::POST, "TokenCreated"),
        (http::Method::PUT, "TokenUpdated"),
        (http::Method::DELETE, "TokenDeleted"),
    ];
    for (at, (method, event)) in calls.into_iter().enumerate() {
        let answer = gateway.operate(method, "/tyk/keys/my-key?org_id=default", session.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        received(&receiver, at + 1).await;
        let told = told(&receiver.last());
        assert_eq!(told["event"], event);
        assert!(told["key"].as_str().is_some_and(|key| key.ends_with("my-key")), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_warned_about_and_the_api_is_served() {
    let upstream = Upstream::start();
    let events = json!({"events": {
        "AuthFailure": [{"handler_name": "eh_dynamic_handler", "handler_meta": {"name": "f"}}],
        "HostDown": [{"handler_name": "eh_web_hook_handler", "handler_meta": {"target_path": "nowhere"}}],
    }});
    let gateway = Gateway::serving(&api("some", upstream.address).set("/event_handlers", events)).await;
    let findings = |line: &gateway_tests::log::Line| line.field("finding").contains("event_handlers.events.");
    let line = gateway.log().wait("a warning", findings).await;
    assert!(line.field("finding").contains("handler_name: `eh_dynamic_handler` is not honoured"), "{}", line.text);
    assert_eq!(gateway.get("/some/get").await.status, 200);
}
