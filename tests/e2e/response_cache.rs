//! Answers that are kept for those who ask the same. Source: gateway.md §3.6, §5.13, §12.12.

use gateway_tests::redis::Redis;
use gateway_tests::{Answer, Ask, Conf, Definition, Gateway, Upstream, api, ask, get, post};
use http::Method;
use serde_json::{Value, json};

const VERSION: &str = "/version_data/versions/Default";

fn caching(upstream: &Upstream, options: Value) -> Definition {
    let mut all = json!({"enable_cache": true, "cache_timeout": 60});
    all.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    api("some", upstream.address).set("/cache_options", all)
}

fn safe(upstream: &Upstream) -> Definition {
    caching(upstream, json!({"cache_all_safe_requests": true}))
}

fn paths(upstream: &Upstream, paths: Value) -> Definition {
    caching(upstream, json!({})).set(&format!("{VERSION}/extended_paths"), paths)
}

fn is_kept(answer: &Answer) -> bool {
    answer.header("x-tyk-cached-response") == "1"
}

/// Asks for each in turn, and says which of the answers were kept ones.
async fn kept(gateway: &Gateway, asks: Vec<Ask>) -> Vec<bool> {
    let mut kept = Vec::new();
    for ask in asks {
        kept.push(is_kept(&gateway.ask(ask).await));
    }
    kept
}

#[tokio::test]
async fn who_asks_the_same_has_the_same_answer() {
    let upstream = Upstream::start();
    upstream.answer("/kept", 201, &[("x-of-upstream", "1"), ("x-ratelimit-limit", "9")], "body");
    let gateway = Gateway::serving(&safe(&upstream)).await;
    let first = gateway.get("/some/kept?a=1").await;
    let second = gateway.get("/some/kept?a=1").await;
    assert_eq!((is_kept(&first), is_kept(&second)), (false, true));
    for answer in [first, second] {
        assert_eq!((answer.status, &*answer.text()), (201, "body"));
        assert_eq!(["x-of-upstream", "x-ratelimit-limit"].map(|name| answer.header(name)), ["1", "0"]);
    }
    assert_eq!(upstream.seen().len(), 1);
    let asks = vec![
        get("/some/kept?a=2"),
        get("/some/kept"),
        ask(Method::HEAD, "/some/kept"),
        ask(Method::HEAD, "/some/kept"),
        post("/some/kept", "x"),
        post("/some/kept", "x"),
        get("/some/kept").header("range", "bytes=0-1"),
        get("/some/kept"),
    ];
    assert_eq!(kept(&gateway, asks).await, [false, false, false, true, false, false, false, true]);
}

/// Callers are told apart by their address where nobody is asked who they are. Source: gateway.md §5.10.
#[tokio::test]
async fn others_do_not_ask_the_same() {
    let upstream = Upstream::start();
    let definition = caching(&upstream, json!({"cache_all_safe_requests": true, "cache_by_headers": ["X-Lang"]}));
    let gateway = Gateway::serving(&definition).await;
    let by = |address: &str, language: &str| get("/some/get").header("x-real-ip", address).header("x-lang", language);
    let asks = vec![
        by("10.0.0.1", "de"),
        by("10.0.0.2", "de"),
        by("10.0.0.1", "en"),
        by("10.0.0.1", "de"),
        by("10.0.0.2", "de").header("x-other", "1"),
    ];
    assert_eq!(kept(&gateway, asks).await, [false, false, false, true, true]);
}

#[tokio::test]
async fn keys_do_not_share_answers() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&safe(&upstream).set("/use_keyless", false)).await;
    let session = json!({"org_id": "default", "access_rights": {"some": {"api_id": "some"}}});
    for key in ["ada", "bob"] {
        let path = format!("/tyk/keys/{key}");
        assert_eq!(gateway.operate(Method::POST, &path, session.to_string()).await.status, 200);
    }
    let by = |key: &str| get("/some/get").header("authorization", key);
    assert_eq!(kept(&gateway, vec![by("ada"), by("bob"), by("ada"), by("bob")]).await, [false, false, true, true]);
    gateway.ask(by("eve")).await.is_error(403, "Access to this API has been disallowed");
    gateway.get("/some/get").await.is_error(401, "Authorization field missing");
}

/// Source: gateway.md §12.12, §5.9.
#[tokio::test]
async fn a_kept_answer_meets_no_post_plugin_and_no_response_chain() {
    let upstream = Upstream::start();
    let definition = safe(&upstream).plugins("pre", &["OrderA"]).plugins("post", &["OrderB"]);
    let definition = definition.plugins("response", &["ResponseA"]);
    let gateway = Gateway::serving(&definition).await;
    let first = gateway.get("/some/get").await;
    assert_eq!(first.all("x-order"), ["a", "a", "b"], "of the response's chain, then of those before the upstream");
    let second = gateway.get("/some/get").await;
    assert!(is_kept(&second));
    assert_eq!(second.all("x-order"), ["a"], "that of the answer as it was kept");
    assert_eq!(upstream.seen().len(), 1);
}

/// Source: gateway.md §3.4: the first entry that matches, those of `cache` before the others.
#[tokio::test]
async fn paths_have_their_own_rules() {
    let upstream = Upstream::start();
    let entries = json!([
        {"path": "off", "method": "GET", "disabled": true},
        {"path": "safe", "method": "SAFE_METHODS"},
        {"path": "safe", "method": "POST"},
        {"path": "part", "method": "POST", "cache_key_regex": "id=[0-9]+"},
        {"path": "codes", "method": "GET", "cache_response_codes": [404]},
    ]);
    let gateway =
        Gateway::serving(&paths(&upstream, json!({"cache": ["plain"], "advance_cache_config": entries}))).await;
    for (asks, expected) in [
        (vec![get("/some/plain"), get("/some/plain")], [false, true]),
        (vec![post("/some/plain", ""), post("/some/plain", "")], [false, false]),
        (vec![get("/some/off"), get("/some/off")], [false, false]),
        (vec![ask(Method::OPTIONS, "/some/safe"), ask(Method::OPTIONS, "/some/safe")], [false, true]),
        (vec![post("/some/safe", "a"), post("/some/safe", "b")], [false, false]),
        (vec![post("/some/safe", "a"), post("/some/safe", "b")], [true, true]),
        (vec![post("/some/part", "id=1&t=1"), post("/some/part", "id=1&t=2")], [false, true]),
        (vec![post("/some/part", "id=2"), post("/some/part", "none")], [false, false]),
        (vec![get("/some/codes"), get("/some/codes")], [false, false]),
    ] {
        assert_eq!(kept(&gateway, asks).await, expected);
    }
    upstream.answer("/codes", 404, &[], "nothing");
    assert_eq!(kept(&gateway, vec![get("/some/codes"), get("/some/codes")]).await, [false, true]);
    assert_eq!(
        gateway.ask(post("/some/part", "id=3 whole")).await.json()["Body"],
        "id=3 whole",
        "it was read and sent"
    );
}

#[tokio::test]
async fn an_upstream_may_say_what_is_kept() {
    let upstream = Upstream::start();
    let options = json!({"cache_all_safe_requests": true, "cache_timeout": 0, "cache_response_codes": [404]});
    let said = |header: &str| {
        let mut options = options.clone();
        options["enable_upstream_cache_control"] = true.into();
        options["cache_control_ttl_header"] = header.into();
        caching(&upstream, options)
    };
    let named = [("x-tyk-cache-action-set", "1"), ("x-for", "60")];
    upstream.answer("/kept", 200, &[("x-tyk-cache-action-set", "1"), ("x-tyk-cache-action-set-ttl", "60")], "");
    upstream.answer("/named", 200, &named, "");
    upstream.answer("/no-time", 200, &[("x-tyk-cache-action-set", "1")], "");
    upstream.answer("/not-asked", 200, &[("x-tyk-cache-action-set-ttl", "60")], "");
    upstream.answer("/listed", 404, &[("x-tyk-cache-action-set-ttl", "60")], "");
    upstream.answer("/over", 404, &[("x-tyk-cache-action-set-ttl", "-1")], "");
    let twice = |path: &str| vec![get(path), get(path)];
    let gateway = Gateway::serving(&said("")).await;
    for (path, expected) in
        [("kept", true), ("named", false), ("no-time", false), ("not-asked", false), ("listed", true), ("over", false)]
    {
        assert_eq!(kept(&gateway, twice(&format!("/some/{path}"))).await, [false, expected], "{path}");
    }
    let gateway = Gateway::serving(&said("X-For")).await;
    assert_eq!(kept(&gateway, twice("/some/named")).await, [false, true]);
    let gateway = Gateway::serving(&caching(&upstream, options.clone())).await;
    assert_eq!(kept(&gateway, twice("/some/kept")).await, [false, false], "nobody asked it");
}

#[tokio::test]
async fn who_has_the_answer_already_is_told_so() {
    let upstream = Upstream::start();
    upstream.answer("/tagged", 200, &[("etag", "\"v1\"")], "body");
    let gateway = Gateway::serving(&safe(&upstream)).await;
    let asked = |tags: &str| get("/some/tagged").header("if-none-match", tags);
    assert_eq!(gateway.ask(asked("\"v1\"")).await.status, 200, "it was the upstream's to say");
    let answer = gateway.ask(asked("\"v0\", \"v1\"")).await;
    assert_eq!((answer.status, &*answer.text(), answer.header("etag")), (304, "", "\"v1\""));
    let answer = gateway.ask(asked("\"v2\"")).await;
    assert_eq!((answer.status, &*answer.text(), is_kept(&answer)), (200, "body", true));
}

#[tokio::test]
async fn what_is_too_large_is_not_kept_and_that_is_said() {
    let upstream = Upstream::start();
    let size = (4 << 20) + 1;
    upstream.answer("/large", 200, &[], vec![b'x'; size]);
    let gateway = Gateway::serving(&safe(&upstream)).await;
    for _ in 0..2 {
        let answer = gateway.get("/some/large").await;
        assert_eq!((answer.body.len(), is_kept(&answer)), (size, false));
    }
    let line = gateway.log().message("an answer is not kept; this is said once until the API is another").await;
    assert!(line.field("reason").contains("larger than 4194304 bytes"), "{}", line.field("reason"));
}

/// An event stream may never end: it is passed on as it comes.
#[tokio::test]
async fn an_event_stream_is_not_waited_for() {
    let upstream = Upstream::start();
    upstream.answer("/events", 200, &[("content-type", "text/event-stream")], "data: 1\n\n");
    let gateway = Gateway::serving(&safe(&upstream)).await;
    assert_eq!(kept(&gateway, vec![get("/some/events"), get("/some/events")]).await, [false, false]);
}

#[tokio::test]
async fn what_is_kept_goes_when_an_operator_says_so() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&safe(&upstream)).await;
    assert_eq!(kept(&gateway, vec![get("/some/get"), get("/some/get")]).await, [false, true]);
    assert_eq!(gateway.operate(Method::DELETE, "/tyk/cache/other", "").await.status, 200);
    assert!(is_kept(&gateway.get("/some/get").await));
    assert_eq!(gateway.operate(Method::DELETE, "/tyk/cache/some", "").await.status, 200);
    assert!(!is_kept(&gateway.get("/some/get").await));
}

/// Gateways on one Redis share answers, under Tyk's names. Source: gateway.md §5.13.
#[tokio::test]
async fn gateways_on_one_redis_share_answers() {
    let upstream = Upstream::start();
    let redis = Redis::start();
    let storage = json!({"type": "redis", "addrs": [format!("127.0.0.1:{}", redis.port)]});
    let start = || Conf::default().set("storage", storage.clone()).with(&safe(&upstream)).start();
    let (one, other) = (start().await, start().await);
    assert!(!is_kept(&one.get("/some/get?a=1").await));
    // Nobody waits for the write but this test.
    let name = gateway_tests::within_deadline("the answer in Redis", async {
        loop {
            if let Some(name) = redis.names().into_iter().find(|name| name.starts_with("cache-")) {
                return name;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(name.await, "cache-somesome127.0.0.10873215ac3a3cf56c5caecf61f8c2c5a");
    assert!(is_kept(&other.get("/some/get?a=1").await));
    assert_eq!(other.operate(Method::DELETE, "/tyk/cache/some", "").await.status, 200);
    assert!(!is_kept(&one.get("/some/get?a=1").await));
}

#[tokio::test]
async fn rules_that_cannot_be_are_told_with_their_places() {
    let upstream = Upstream::start();
    let check = |definition: &Definition| {
        let output = Conf::default().with(definition).command(&["check", "--apis", "apps"]);
        String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8")
    };
    let text = check(&paths(
        &upstream,
        json!({"advance_cache_config": [{"path": "x", "method": "POST", "cache_key_regex": "("}]}),
    ));
    assert!(text.contains("advance_cache_config[0].cache_key_regex: not a regular expression"), "{text}");
    let text = check(&caching(&upstream, json!({"cache_all_safe_requests": true, "cache_by_headers": ["X Y"]})));
    assert!(text.contains("cache_options.cache_by_headers[0]: `X Y` is no name that a header can have"), "{text}");
    let text = check(&caching(&upstream, json!({"cache_all_safe_requests": true, "cache_timeout": 0})));
    assert!(text.contains("cache_options.cache_timeout: is 0, so that nothing is kept"), "{text}");
    let text = check(&caching(&upstream, json!({})));
    assert!(text.contains("cache_options.enable_cache: has no effect: no path is in `cache`"), "{text}");
}
