//! Who the client is: what `auth_check` may come to, and who sees the session.

use std::time::{SystemTime, UNIX_EPOCH};

use gateway_tests::{Definition, Gateway, Upstream, api, get};
use serde_json::{Value, json};

/// An API whose `auth_check` sets this session.
fn with_session(upstream: &Upstream, session: Value) -> Definition {
    api("keyed", upstream.address).auth("SetSession").config("SetSession", session)
}

async fn refuses(session: Value, status: u16, message: &str) {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&with_session(&upstream, session)).await;
    gateway.get("/keyed/get").await.is_error(status, message);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_auth_check_that_sets_no_session_is_a_400_after_post_key_auth() {
    let upstream = Upstream::start();
    let definition = api("keyed", upstream.address).auth("SetNoSession").plugins("post_key_auth", &["OrderA"]);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/keyed/get").await;
    let message = "Session state is missing or unset! Please make sure that auth headers are properly applied";
    answer.is_error(400, message);
    assert_eq!(answer.header("x-order"), "a", "post_key_auth has run");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_answer_below_400_ends_the_request_without_a_session() {
    let upstream = Upstream::start();
    let definition = api("keyed", upstream.address)
        .auth("Answer")
        .config("Answer", json!({"status": 202, "body": "later"}))
        .plugins("post_key_auth", &["OrderA"]);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/keyed/get").await;
    assert_eq!((answer.status, &*answer.text(), answer.header("x-order")), (202, "later", ""));
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_inactive_session_is_refused() {
    refuses(json!({"is_inactive": true}), 403, "Key is inactive, please renew").await;
}

#[tokio::test]
async fn an_expired_session_is_refused() {
    refuses(json!({"expires": 1_000_000_000}), 401, "Key has expired, please renew").await;
}

#[tokio::test]
async fn a_session_that_expires_later_or_never_is_let_in() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    for session in [json!({"expires": now + 600}), json!({"expires": 0}), json!({"expires": -1})] {
        let upstream = Upstream::start();
        let gateway = Gateway::serving(&with_session(&upstream, session.clone())).await;
        assert_eq!(gateway.get("/keyed/get").await.status, 200, "{session}");
    }
}

#[tokio::test]
async fn access_rights_without_this_api_refuse() {
    let rights = json!({"access_rights": {"other": {"api_id": "other", "versions": ["Default"]}}});
    refuses(rights, 403, "Access to this API has been disallowed").await;
}

#[tokio::test]
async fn access_rights_with_this_api_let_in() {
    let upstream = Upstream::start();
    let rights = json!({"access_rights": {"keyed": {"api_id": "keyed", "versions": ["Default"]}}});
    let gateway = Gateway::serving(&with_session(&upstream, rights)).await;
    assert_eq!(gateway.get("/keyed/get").await.status, 200);
}

#[tokio::test]
async fn a_session_that_names_policies_is_a_500_in_every_hook() {
    for session in [json!({"apply_policies": ["gold"]}), json!({"apply_policy_id": "gold"})] {
        refuses(session.clone(), 500, "Internal Server Error").await;
        let upstream = Upstream::start();
        let keyless = api("keyless", upstream.address).config("SetSession", session);
        for definition in [
            keyless.clone().plugins("pre", &["SetSession"]),
            keyless.clone().plugins("post", &["SetSession"]),
            keyless.endpoint("GET", "/get", "SetSession"),
        ] {
            let gateway = Gateway::serving(&definition).await;
            gateway.get("/keyless/get").await.is_error(500, "Internal Server Error");
            gateway.log().wait("the reason", |line| line.field("error").contains("policies")).await;
        }
        assert_eq!(upstream.seen().len(), 0);
    }
}

#[tokio::test]
async fn every_later_hook_sees_the_session() {
    let upstream = Upstream::start();
    let definition = with_session(&upstream, json!({"alias": "known"}))
        .plugins("pre", &["ShowSession"])
        .plugins("post_key_auth", &["ShowSession", "RenameSession"])
        .endpoint("GET", "/get", "ShowSession")
        .plugins("post", &["RenameSession", "ShowSession"])
        .plugins("response", &["ShowSessionInResponse"]);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/keyed/get").await;
    let renamed = "known, renamed, renamed";
    assert_eq!(upstream.last().all("x-session"), ["none", "known", "known, renamed", renamed]);
    assert_eq!(answer.all("x-session"), ["none", "known", "known, renamed", renamed]);
    assert_eq!(answer.header("x-session-in-response"), renamed);
}

#[tokio::test]
async fn on_a_keyless_api_there_is_a_session_if_a_plugin_sets_one() {
    let upstream = Upstream::start();
    let definition = api("keyless", upstream.address)
        .plugins("pre", &["ShowSession", "SetSession", "ShowSession"])
        .config("SetSession", json!({"alias": "set", "is_inactive": true}))
        .plugins("post", &["ShowSession"]);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/keyless/get").await.all("x-session"), ["none", "set", "set"]);
}

#[tokio::test]
async fn a_plugin_that_takes_a_session_and_has_none_is_a_400() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("keyless", upstream.address).plugins("post", &["RenameSession"])).await;
    let message = "Session state is missing or unset! Please make sure that auth headers are properly applied";
    gateway.get("/keyless/get").await.is_error(400, message);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn quota_numbers_of_the_session_are_in_the_rate_headers() {
    let upstream = Upstream::start();
    let session = json!({"quota_max": 100, "quota_remaining": 42, "quota_renews": 1_900_000_000});
    let gateway = Gateway::serving(&with_session(&upstream, session)).await;
    let answer = gateway.get("/keyed/get").await;
    let rates = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| answer.header(name));
    assert_eq!(rates, ["100", "99", "1900000000"], "what is left is counted, whatever the session says");
}

#[tokio::test]
async fn use_keyless_skips_auth_check_and_post_key_auth() {
    let upstream = Upstream::start();
    let definition = api("open", upstream.address)
        .auth("RejectWithBody")
        .plugins("post_key_auth", &["OrderA"])
        .plugins("post", &["OrderB"])
        .set("/use_keyless", true);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/open/get").await;
    assert_eq!((answer.status, answer.all("x-order")), (200, vec!["b"]));
}

#[tokio::test]
async fn each_of_three_flags_turns_auth_check_on() {
    for flag in ["custom_plugin_auth_enabled", "use_go_plugin_auth", "enable_coprocess_auth"] {
        let upstream = Upstream::start();
        let definition = api("keyed", upstream.address)
            .auth("RejectWithBody")
            .set("/custom_plugin_auth_enabled", false)
            .set(&format!("/{flag}"), true);
        let gateway = Gateway::serving(&definition).await;
        let answer = gateway.get("/keyed/get").await;
        assert_eq!((answer.status, &*answer.text()), (403, "hello"), "{flag}");
    }
}

/// Source: Tyk, `gateway/api_loader.go`: without a flag, or without the plugin, a token is asked for.
#[tokio::test]
async fn without_a_way_in_a_token_is_asked_for_and_none_is_known() {
    let upstream = Upstream::start();
    let plugin = || api("keyed", upstream.address).auth("SetSession").config("SetSession", json!({}));
    for (case, definition) in [
        ("no flag", plugin().set("/custom_plugin_auth_enabled", false)),
        ("disabled", plugin().set("/custom_middleware/auth_check/disabled", true)),
        ("no name", plugin().set("/custom_middleware/auth_check", json!({}))),
        ("both", plugin().set("/use_standard_auth", true)),
    ] {
        let gateway = Gateway::serving(&definition).await;
        let mut client = gateway.connect().await;
        let missing = client.ask(get("/keyed/get")).await;
        assert_eq!(missing.status, 401, "{case}");
        missing.is_error(401, "Authorization field missing");
        let unknown = client.ask(get("/keyed/get").header("authorization", "abc")).await;
        unknown.is_error(403, "Access to this API has been disallowed");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn the_token_is_where_the_definition_says() {
    let upstream = Upstream::start();
    let definition =
        api("keyed", upstream.address).set("/use_keyless", false).set("/auth", json!({"auth_header_name": "X-Token"}));
    let gateway = Gateway::serving(&definition).await;
    let elsewhere = gateway.ask(get("/keyed/get").header("authorization", "abc")).await;
    elsewhere.is_error(401, "Authorization field missing");
    let here = gateway.ask(get("/keyed/get").header("x-token", "abc")).await;
    here.is_error(403, "Access to this API has been disallowed");
}

/// What would let everybody in if it were ignored closes the API instead.
#[tokio::test]
async fn an_api_that_relies_on_a_guard_that_is_not_here_refuses_everybody() {
    let upstream = Upstream::start();
    for guard in ["use_oauth2", "use_openid"] {
        let definition = with_session(&upstream, json!({})).set(&format!("/{guard}"), true);
        let gateway = Gateway::serving(&definition).await;
        gateway.get("/keyed/get").await.is_error(500, "Internal Server Error");
        let line = gateway.log().message("API definition").await;
        let told = "not honoured by this gateway, and it guards access: requests to this API are refused";
        assert!(line.field("finding").ends_with(told), "{}", line.text);
    }
    assert_eq!(upstream.seen().len(), 0);
}

/// Source: gateway.md §5.4; Tyk, `gateway/mw_version_check.go`.
#[tokio::test]
async fn versions_of_which_none_or_more_than_one_is_the_default_refuse() {
    let upstream = Upstream::start();
    for (keys, told) in [
        (["v1", "v2"], "No default API version for this non-versioned API found"),
        (["Default", "default"], "Ambiguous default API version for this non-versioned API found"),
    ] {
        let two: serde_json::Map<_, _> = keys.map(|key| (key.to_owned(), json!({"name": key}))).into_iter().collect();
        let gateway = Gateway::serving(&api("two", upstream.address).set("/version_data/versions", two)).await;
        gateway.get("/two/get").await.is_error(403, told);
    }
    assert_eq!(upstream.seen().len(), 0);
}
