//! How often a caller may come: rates, quotas, throttling. Source: gateway.md §7.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get};
use serde_json::{Value, json};

/// An API that everybody calls with this session, under the key `probe`.
fn limited(upstream: &Upstream, session: Value) -> Definition {
    api("limited", upstream.address).auth("SetSession").config("SetSession", session)
}

/// The statuses of so many requests, one after another.
async fn statuses(gateway: &Gateway, path: &str, requests: usize) -> Vec<u16> {
    let mut client = gateway.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(client.ask(get(path)).await.status);
    }
    statuses
}

fn rates(answer: &Answer) -> [&str; 3] {
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| answer.header(name))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[tokio::test]
async fn a_rate_lets_exactly_as_many_pass_as_it_says() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&limited(&upstream, json!({"rate": 3, "per": 600}))).await;
    assert_eq!(statuses(&gateway, "/limited/get", 5).await, [200, 200, 200, 429, 429]);
    gateway.get("/limited/get").await.is_error(429, "Rate Limit Exceeded");
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_rate_is_exact_however_many_come_at_once() {
    let upstream = Upstream::start();
    let session = json!({"rate": 100, "per": 600, "quota_max": 60, "quota_renewal_rate": 600});
    let gateway = Gateway::serving(&limited(&upstream, session)).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut client = gateway.connect().await;
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..25 {
                statuses.push(client.ask(get("/limited/get")).await.status);
            }
            statuses
        });
    }
    let statuses = clients.join_all().await.concat();
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(200), count(403), count(429)), (60, 40, 300));
    assert_eq!(upstream.seen().len(), 60);
}

/// Source: gateway.md §12.10, §12.29: the headers carry the quota, which is charged even if the upstream fails.
#[tokio::test]
async fn a_quota_is_counted_and_told_until_it_is_used_up() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&limited(&upstream, json!({"quota_max": 3, "quota_renewal_rate": 600}))).await;
    for remaining in ["2", "1"] {
        let answer = gateway.get("/limited/get").await;
        let [limit, left, reset] = rates(&answer);
        assert_eq!((answer.status, limit, left), (200, "3", remaining));
        let reset: u64 = reset.parse().expect("seconds since 1970");
        assert!((now() + 590..=now() + 601).contains(&reset), "{reset}");
    }
    upstream.answer("/broken", 503, &[], "");
    assert_eq!(gateway.get("/limited/broken").await.status, 503);
    let used_up = gateway.get("/limited/get").await;
    used_up.is_error(403, "Quota exceeded");
    assert_eq!(rates(&used_up), ["", "", ""], "an error of the gateway tells nothing");
}

/// Source: gateway.md §12.10.
#[tokio::test]
async fn without_keys_the_headers_are_zeros_whatever_the_upstream_says() {
    let upstream = Upstream::start();
    upstream.answer("/own", 200, &[("x-ratelimit-limit", "7")], "");
    let gateway = Gateway::serving(&api("open", upstream.address)).await;
    for path in ["/open/get", "/open/own"] {
        assert_eq!(rates(&gateway.get(path).await), ["0"; 3], "{path}");
    }
}

#[tokio::test]
async fn a_quota_renews_after_its_window() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&limited(&upstream, json!({"quota_max": 1, "quota_renewal_rate": 1}))).await;
    let mut client = gateway.connect().await;
    let begun = Instant::now();
    assert_eq!(client.ask(get("/limited/get")).await.status, 200);
    let mut refused = 0;
    while client.ask(get("/limited/get")).await.status == 403 {
        refused += 1;
        assert!(begun.elapsed().as_secs() < 20, "it does not renew");
    }
    assert!(refused > 0 && begun.elapsed().as_millis() >= 900, "{refused} in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_request_that_is_refused_for_its_rate_costs_no_quota() {
    let upstream = Upstream::start();
    let session = json!({"rate": 1, "per": 600, "quota_max": 5, "quota_renewal_rate": 600, "access_rights": {
        "limited": {}, "other": {},
    }});
    let other = api("other", upstream.address)
        .auth("SetSession")
        .config("SetSession", session.clone())
        .set("/disable_rate_limit", true);
    let gateway = Conf::default().with(&limited(&upstream, session)).with(&other).start().await;
    assert_eq!(statuses(&gateway, "/limited/get", 4).await, [200, 429, 429, 429]);
    assert_eq!(rates(&gateway.get("/other/get").await)[1], "3", "the second of the quota");
}

#[tokio::test]
async fn limits_beside_an_api_replace_those_of_the_session() {
    let upstream = Upstream::start();
    let session = json!({"rate": 1, "per": 600, "quota_max": 1, "access_rights": {
        "limited": {"limit": {"rate": 2, "per": 600, "quota_max": 9, "quota_renewal_rate": 600}},
    }});
    let gateway = Gateway::serving(&limited(&upstream, session)).await;
    let first = gateway.get("/limited/get").await;
    assert_eq!((first.status, &rates(&first)[..2]), (200, &["9", "8"][..]));
    assert_eq!(statuses(&gateway, "/limited/get", 2).await, [200, 429]);
}

#[tokio::test]
async fn an_endpoint_of_a_session_has_a_rate_of_its_own() {
    let upstream = Upstream::start();
    let limit = |rate: u32| json!({"rate": rate, "per": 600});
    let session = json!({"rate": 3, "per": 600, "access_rights": {"limited": {"endpoints": [
        {"path": "/users/{id}", "methods": [{"name": "GET", "limit": limit(1)}]},
        {"path": "/users", "methods": [{"name": "GET", "limit": limit(2)}]},
    ]}}});
    let gateway = Gateway::serving(&limited(&upstream, session)).await;
    assert_eq!(statuses(&gateway, "/limited/users/7", 2).await, [200, 429]);
    assert_eq!(statuses(&gateway, "/limited/users/%37", 1).await, [429], "however it is spelled");
    assert_eq!(statuses(&gateway, "/limited/users", 3).await, [200, 200, 429]);
    assert_eq!(statuses(&gateway, "/limited/get", 4).await, [200, 200, 200, 429]);
}

/// Source: gateway.md §7.5.
#[tokio::test]
async fn a_throttled_request_waits_until_its_rate_allows_it() {
    let upstream = Upstream::start();
    let session = json!({"rate": 1, "per": 1, "throttle_interval": 0.1, "throttle_retry_limit": 100});
    let gateway = Gateway::serving(&limited(&upstream, session)).await;
    let begun = Instant::now();
    assert_eq!(statuses(&gateway, "/limited/get", 3).await, [200, 200, 200]);
    assert!(begun.elapsed().as_millis() >= 1_900, "{:?}", begun.elapsed());
}

/// Source: gateway.md §7.5.
#[tokio::test]
async fn a_throttled_request_waits_where_rates_are_counted_in_the_store() {
    let upstream = Upstream::start();
    let session = json!({"rate": 1, "per": 1, "throttle_interval": 0.1, "throttle_retry_limit": 100});
    let conf = Conf::default().set("enable_redis_rolling_limiter", true).with(&limited(&upstream, session));
    let gateway = conf.start().await;
    assert_eq!(statuses(&gateway, "/limited/get", 3).await, [200, 200, 200]);
}

#[tokio::test]
async fn a_throttled_request_is_refused_after_its_attempts() {
    let upstream = Upstream::start();
    let session = json!({"rate": 1, "per": 600, "throttle_interval": 0.01, "throttle_retry_limit": 3});
    let gateway = Gateway::serving(&limited(&upstream, session)).await;
    assert_eq!(statuses(&gateway, "/limited/get", 2).await, [200, 429]);
}

#[tokio::test]
async fn limits_can_be_switched_off_for_an_api() {
    let upstream = Upstream::start();
    let session = json!({"rate": 1, "per": 600, "quota_max": 1});
    let definition = limited(&upstream, session)
        .set("/disable_rate_limit", true)
        .set("/disable_quota", true)
        .set("/global_rate_limit", json!({"rate": 1, "per": 600}));
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(statuses(&gateway, "/limited/get", 4).await, [200; 4]);
}

#[tokio::test]
async fn an_api_as_a_whole_has_a_rate_even_without_keys() {
    let upstream = Upstream::start();
    let definition = api("open", upstream.address).set("/global_rate_limit", json!({"rate": 2, "per": 600}));
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(statuses(&gateway, "/open/get", 3).await, [200, 200, 429]);
    gateway.get("/open/get").await.is_error(429, "API Rate Limit Exceeded");
    // What has not changed goes on counting; what has, begins anew.
    gateway.reload().await;
    assert_eq!(statuses(&gateway, "/open/get", 1).await, [429]);
    gateway.write(&definition.set("/global_rate_limit", json!({"rate": 1, "per": 600})));
    gateway.reload().await;
    assert_eq!(statuses(&gateway, "/open/get", 2).await, [200, 429]);
}

#[tokio::test]
async fn a_path_of_an_api_has_a_rate_of_its_own() {
    let upstream = Upstream::start();
    let paths = json!({"rate_limit": [
        {"path": "/users", "method": "GET", "rate": 1, "per": 600},
        {"path": "/get", "method": "GET", "rate": 1, "per": 600, "disabled": true},
    ]});
    let definition = api("open", upstream.address)
        .set("/global_rate_limit", json!({"rate": 2, "per": 600}))
        .set("/version_data/versions/Default/extended_paths", paths);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(statuses(&gateway, "/open/users", 2).await, [200, 429]);
    assert_eq!(statuses(&gateway, "/open/get", 3).await, [200, 200, 429]);
}

#[tokio::test]
async fn rates_are_told_in_place_of_quotas_if_that_is_asked_for() {
    let upstream = Upstream::start();
    let session = json!({"rate": 2, "per": 600, "quota_max": 9});
    let conf = Conf::default().set("rate_limit_response_headers", "rate_limits");
    let gateway = conf.with(&limited(&upstream, session)).with(&api("open", upstream.address)).start().await;
    for (status, remaining) in [(200, "1"), (200, "0"), (429, "0")] {
        let answer = gateway.get("/limited/get").await;
        let [limit, left, reset] = rates(&answer);
        assert_eq!((answer.status, limit, left), (status, "2", remaining));
        let reset: u64 = reset.parse().expect("seconds since 1970");
        assert!((now() + 580..=now() + 601).contains(&reset), "{reset}");
    }
    assert_eq!(rates(&gateway.get("/open/get").await), ["", "", ""]);
}

#[tokio::test]
async fn every_way_of_counting_lets_as_many_pass_as_the_rate_says() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("enable_redis_rolling_limiter", true);
    let gateway = conf.with(&limited(&upstream, json!({"rate": 3, "per": 600}))).start().await;
    assert_eq!(statuses(&gateway, "/limited/get", 5).await, [200, 200, 200, 429, 429]);
    let upstream = Upstream::start();
    let conf = Conf::default().set("enable_fixed_window_rate_limiter", true);
    let gateway = conf.with(&limited(&upstream, json!({"rate": 3, "per": 86_400}))).start().await;
    let passed = statuses(&gateway, "/limited/get", 8).await.iter().filter(|status| **status == 200).count();
    assert!(passed == 3 || passed == 6, "{passed}, where a day may have ended");
}

/// Source: gateway.md §12.18.
#[tokio::test]
async fn who_goes_on_asking_stays_refused_where_refused_requests_are_counted() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("enable_redis_rolling_limiter", true);
    let gateway = conf.with(&limited(&upstream, json!({"rate": 1, "per": 1}))).start().await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(get("/limited/get")).await.status, 200);
    // Three windows, in none of which there is a pause.
    let begun = Instant::now();
    while begun.elapsed().as_secs() < 3 {
        assert_eq!(client.ask(get("/limited/get")).await.status, 429, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_sentinel_lets_as_many_pass_as_the_rate_says_and_then_nobody() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("enable_sentinel_rate_limiter", true);
    let gateway = conf.with(&limited(&upstream, json!({"rate": 3, "per": 600}))).start().await;
    assert_eq!(statuses(&gateway, "/limited/get", 5).await, [200, 200, 200, 429, 429]);
}

/// Source: plugin-system.md §4.8.
#[tokio::test]
async fn sessions_without_a_key_are_told_of_and_counted_together() {
    let upstream = Upstream::start();
    let definition =
        api("limited", upstream.address).auth("SetNameless").config("SetNameless", json!({"rate": 1, "per": 600}));
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(statuses(&gateway, "/limited/get", 3).await, [200, 429, 429]);
    let said = |line: &gateway_tests::log::Line| line.text.contains("a session has no `key_id`");
    let line = gateway.log().wait("the warning", said).await;
    assert_eq!((line.field("level"), line.field("plugin")), ("WARN", "SetNameless"));
}
