//! Two gateways on one Redis: what they share, what they tell each other, and what they do while Redis is away.
//! Source: gateway.md §7.2, §7.4, §9.

mod nodes;
mod outage;

use std::time::{Duration, Instant};

use gateway_tests::redis::Redis;
use gateway_tests::{Answer, Client, Conf, Definition, Gateway, Upstream, api, get, within_deadline};
use http::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const DISALLOWED: &str = "Access to this API has been disallowed";

/// Two gateways, their Redis, and one folder of definitions and one of policies for both.
struct Pair {
    one: Gateway,
    other: Gateway,
    redis: Redis,
    upstream: Upstream,
}

impl Pair {
    async fn start() -> Self {
        Self::with(Redis::start(), |conf| conf, |conf| conf).await
    }

    /// A pair whose gateways have these words more in their configuration.
    async fn with(redis: Redis, of_one: impl FnOnce(Conf) -> Conf, of_other: impl FnOnce(Conf) -> Conf) -> Self {
        let upstream = Upstream::start();
        let (one, other) = (on(&redis), on(&redis));
        let policies = one.folder().join("policies");
        std::fs::create_dir(&policies).expect("a folder in a folder of ours");
        let policies = json!({"policy_source": "file", "policy_path": policies});
        let apps = one.apps().display().to_string();
        let one = one.set("policies", policies.clone()).with(&api("open", upstream.address)).with(&keyed(&upstream));
        let one = of_one(one).start().await;
        let other = of_other(other.set("policies", policies).set("app_path", apps)).start().await;
        Self { one, other, redis, upstream }
    }

    fn both(&self) -> [&Gateway; 2] {
        [&self.one, &self.other]
    }
}

/// A gateway on a Redis.
fn on(redis: &Redis) -> Conf {
    let storage = json!({"type": "redis", "addrs": [format!("127.0.0.1:{}", redis.port)], "timeout": 1});
    Conf::default().set("storage", storage)
}

/// An API that asks for a token.
fn keyed(upstream: &Upstream) -> Definition {
    api("keyed", upstream.address).set("/use_keyless", false)
}

/// Rights on that API, and what else a session says.
fn session(more: Value) -> Value {
    let mut session = json!({"org_id": "default", "access_rights": {"keyed": {"api_id": "keyed"}}});
    session.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    session
}

async fn write(gateway: &Gateway, key: &str, session: &Value) {
    let written = gateway.operate(Method::POST, &format!("/tyk/keys/{key}"), session.to_string()).await;
    assert_eq!(written.status, 200, "{}", written.text());
}

fn with_key(key: &str) -> gateway_tests::Ask {
    get("/keyed/get").header("authorization", key)
}

/// Asks until an answer is as it should be; says how long that took.
async fn until(what: &str, gateway: &Gateway, key: &str, is_it: impl Fn(&Answer) -> bool) -> Duration {
    let begun = Instant::now();
    let mut client = gateway.connect().await;
    within_deadline(what, async {
        while !is_it(&client.ask(with_key(key)).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    begun.elapsed()
}

#[tokio::test]
async fn a_quota_is_shared_exactly_by_two_gateways() {
    // A thousand clients, and the upstream of five hundred, are more than a process may have open by default.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the hard limit");
    let pair = Pair::start().await;
    write(&pair.one, "mine", &session(json!({"quota_max": 500, "quota_renewal_rate": 3600}))).await;
    let mut clients = JoinSet::new();
    for at in 0..1_000 {
        let address = pair.both()[at % 2].address;
        clients.spawn(async move { Client::connect(address).await.ask(with_key("mine")).await });
    }
    let answers = clients.join_all().await;
    let (passed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    refused.iter().for_each(|answer| answer.is_error(403, "Quota exceeded"));
    assert_eq!((passed.len(), refused.len(), pair.upstream.seen().len()), (500, 500, 500));
    let read = pair.other.control("/tyk/keys/defaultmine").await.json();
    assert_eq!((&read["quota_max"], read["quota_remaining"].as_i64().unwrap_or_default()), (&json!(500), 0), "{read}");
}

/// Source: gateway.md §12.25: the notice comes first.
#[tokio::test]
async fn a_key_that_is_deleted_or_changed_on_one_gateway_is_refused_on_the_other_at_once() {
    let pair = Pair::start().await;
    // A comma parts the keys of a notice, and Tyk's say more behind a colon.
    for key in ["mine", "a,b", "a:b"] {
        write(&pair.one, key, &session(json!({}))).await;
        for gateway in pair.both() {
            assert_eq!(gateway.ask(with_key(key)).await.status, 200, "{key}");
        }
        write(&pair.one, key, &session(json!({"is_inactive": true}))).await;
        let took = until("the change", &pair.other, key, |answer| answer.status == 403).await;
        assert!(took < Duration::from_secs(5), "{key}: {took:?}");
        pair.other.ask(with_key(key)).await.is_error(403, "Key is inactive, please renew");

        write(&pair.other, key, &session(json!({}))).await;
        until("the key", &pair.one, key, |answer| answer.status == 200).await;
        let deleted = pair.other.operate(Method::DELETE, &format!("/tyk/keys/default{key}"), "").await;
        assert_eq!(deleted.status, 200, "{}", deleted.text());
        let took = until("the end of the key", &pair.one, key, |answer| answer.status == 403).await;
        assert!(took < Duration::from_secs(5), "{key}: {took:?}");
        pair.one.ask(with_key(key)).await.is_error(403, DISALLOWED);
    }
}

/// Source: gateway.md §12.25: without the notice, ten seconds.
#[tokio::test]
async fn without_the_notice_a_key_is_refused_when_its_session_is_not_kept_any_longer() {
    let with = |secret: &'static str| move |conf: Conf| conf.set("node_secret", secret);
    let pair = Pair::with(Redis::start(), with("ours"), with("theirs")).await;
    write(&pair.one, "mine", &session(json!({}))).await;
    assert_eq!(pair.other.ask(with_key("mine")).await.status, 200);
    let deleted = pair.one.operate(Method::DELETE, "/tyk/keys/defaultmine", "").await;
    assert_eq!(deleted.status, 200);
    let dropped = "`KeySpaceUpdateNotification` is not signed";
    pair.other.log().wait(dropped, |line| line.field("error").contains(dropped)).await;
    pair.one.ask(with_key("mine")).await.is_error(403, DISALLOWED);
    let took = until("the end of the session", &pair.other, "mine", |answer| answer.status == 403).await;
    assert!(took < Duration::from_secs(12), "{took:?}");
}

/// Source: gateway.md §2.3; §12.20: what was written needs a reload.
#[tokio::test]
async fn a_reload_of_the_group_serves_what_has_changed_on_both_gateways() {
    let pair = Pair::start().await;
    let gold = |quota: i64| {
        json!({"id": "gold", "org_id": "default", "quota_max": quota, "quota_renewal_rate": 600,
            "access_rights": {"keyed": {"api_id": "keyed"}}})
        .to_string()
    };
    let created = pair.one.operate(Method::POST, "/tyk/policies", gold(700)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    for gateway in pair.both() {
        gateway.reload().await;
    }
    write(&pair.one, "mine", &json!({"org_id": "default", "apply_policies": ["gold"]})).await;

    let changed = pair.one.operate(Method::PUT, "/tyk/policies/gold", gold(900)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let added = api("more", pair.upstream.address).to_string();
    let added = pair.one.operate(Method::POST, "/tyk/apis", added).await;
    assert_eq!(added.status, 200, "{}", added.text());
    for gateway in pair.both() {
        assert_eq!(gateway.ask(with_key("mine")).await.header("x-ratelimit-limit"), "700");
        assert_eq!(gateway.get("/more/get").await.status, 404);
    }

    let told = pair.other.control("/tyk/reload/group").await;
    assert_eq!(told.text(), "{\"status\":\"ok\",\"message\":\"\"}\n");
    for gateway in pair.both() {
        gateway.log().message_times("reloaded", 2).await;
        assert_eq!(gateway.ask(with_key("mine")).await.header("x-ratelimit-limit"), "900");
        assert_eq!(gateway.get("/more/get").await.status, 200);
    }
}
