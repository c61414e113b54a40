//! Keys: how they are written, and whom a token lets in. Source: gateway.md §2.6, §5.15, §7.6.

use std::time::{SystemTime, UNIX_EPOCH};

use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

const DISALLOWED: &str = "Access to this API has been disallowed";

/// An API that asks for a token.
fn keyed(upstream: &Upstream) -> Definition {
    api("keyed", upstream.address).set("/use_keyless", false)
}

/// Rights on that API, and what else a session says.
fn session(more: Value) -> Value {
    let mut session = json!({"org_id": "default", "access_rights": {"keyed": {"api_id": "keyed"}}});
    let members = more.as_object().expect("an object").clone();
    session.as_object_mut().expect("an object").extend(members);
    session
}

async fn create(gateway: &Gateway, session: &Value) -> String {
    let answer = gateway.operate(Method::POST, "/tyk/keys/create", session.to_string()).await;
    assert_eq!((answer.status, &answer.json()["action"]), (200, &json!("added")), "{}", answer.text());
    answer.json()["key"].as_str().expect("a key").to_owned()
}

async fn write(gateway: &Gateway, key: &str, session: &Value) -> Answer {
    gateway.operate(Method::POST, &format!("/tyk/keys/{key}"), session.to_string()).await
}

async fn ask(gateway: &Gateway, token: &str) -> Answer {
    gateway.ask(get("/keyed/get").header("authorization", token)).await
}

#[tokio::test]
async fn a_key_that_was_created_lets_in_until_it_is_deleted() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    let key = create(&gateway, &session(json!({"alias": "ada"}))).await;
    assert!(key.starts_with("default") && key.len() == "default".len() + 32, "{key}");
    for token in [key.clone(), format!("Bearer {key}"), format!("bearer {key}")] {
        assert_eq!(ask(&gateway, &token).await.status, 200, "{token}");
    }
    let read = gateway.control(&format!("/tyk/keys/{key}")).await;
    assert_eq!((read.status, &read.json()["alias"]), (200, &json!("ada")));
    let deleted = gateway.operate(Method::DELETE, &format!("/tyk/keys/{key}"), "").await;
    deleted.is_reply(200, &format!(r#"{{"key":"{key}","status":"ok","action":"deleted"}}"#));
    ask(&gateway, &key).await.is_error(403, DISALLOWED);
    gateway.control(&format!("/tyk/keys/{key}")).await.is_refusal(404, "Key not found");
    let again = gateway.operate(Method::DELETE, &format!("/tyk/keys/{key}"), "").await;
    again.is_refusal(404, "There is no such key found");
}

/// Source: gateway.md §12.7: missing is 401, unknown is 403, expired is 401.
#[tokio::test]
async fn whom_a_token_does_not_let_in_is_told_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    gateway.get("/keyed/get").await.is_error(401, "Authorization field missing");
    for unknown in ["unknown", "ab", "Bearer ", "default", "a/b?c#d e"] {
        ask(&gateway, unknown).await.is_error(403, DISALLOWED);
    }
    for (key, more, status, message) in [
        ("old", json!({"expires": 1_000_000_000}), 401, "Key has expired, please renew"),
        ("idle", json!({"is_inactive": true}), 403, "Key is inactive, please renew"),
        ("other", json!({"access_rights": {"other": {}}}), 403, DISALLOWED),
        (
            "narrow",
            json!({"access_rights": {"keyed": {"allowed_urls": [{"url": "/users", "methods": ["GET"]}]}}}),
            403,
            "Access to this resource has been disallowed",
        ),
    ] {
        assert_eq!(write(&gateway, key, &session(more)).await.status, 200, "{key}");
        ask(&gateway, key).await.is_error(status, message);
    }
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(gateway.ask(get("/keyed/users").header("authorization", "narrow")).await.status, 200);
}

#[tokio::test]
async fn a_key_of_ones_own_is_presented_without_its_organisation() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    let written = write(&gateway, "mine", &session(json!({}))).await;
    written.is_reply(200, r#"{"key":"defaultmine","status":"ok","action":"added"}"#);
    for token in ["mine", "defaultmine"] {
        assert_eq!(ask(&gateway, token).await.status, 200, "{token}");
    }
    let short = write(&gateway, "ab", &session(json!({}))).await;
    short.is_refusal(
        400,
        "custom key ID length 2 is less than min_token_length (3); the key would be unreachable at auth time. Use an ID of \
         at least min_token_length characters, or lower min_token_length in the gateway configuration.",
    );
}

#[tokio::test]
async fn hashed_keys_are_stored_listed_and_named_by_their_hashes() {
    let upstream = Upstream::start();
    for (function, length) in [("", 8), ("murmur64", 16), ("murmur128", 32), ("sha256", 64)] {
        let conf = Conf::default().set("hash_keys", true).set("hash_key_function", function);
        let gateway = conf.set("enable_hashed_keys_listing", true).with(&keyed(&upstream)).start().await;
        let written = write(&gateway, "mine", &session(json!({"alias": "ada"}))).await.json();
        let (key, hash) = (written["key"].as_str().expect("a key"), written["key_hash"].as_str().expect("a hash"));
        assert_eq!(hash.len(), length, "{function}");
        assert_eq!(key.starts_with("ey"), !function.is_empty(), "{key}");
        for token in ["mine", key] {
            assert_eq!(ask(&gateway, token).await.status, 200, "{function} {token}");
        }
        gateway.control("/tyk/keys").await.is_reply(200, &format!(r#"{{"keys":["{hash}"]}}"#));
        let read = gateway.control(&format!("/tyk/keys/{hash}?hashed=1")).await;
        assert_eq!(read.json()["alias"], "ada", "{}", read.text());
        let deleted = gateway.operate(Method::DELETE, &format!("/tyk/keys/{hash}?hashed=true"), "").await;
        assert_eq!(deleted.json()["action"], "deleted");
        ask(&gateway, key).await.is_error(403, DISALLOWED);
    }
    let closed = Conf::default().set("hash_keys", true).with(&keyed(&upstream)).start().await;
    let message = "Hashed key listing is disabled in config (enable_hashed_keys_listing)";
    closed.control("/tyk/keys").await.is_refusal(404, message);
    let plain = Gateway::serving(&keyed(&upstream)).await;
    let message = "Key requested by hash but key hashing is not enabled";
    plain.control("/tyk/keys/abc?hashed=1").await.is_refusal(400, message);
}

#[tokio::test]
async fn keys_are_listed_by_how_they_begin_and_by_api() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    gateway.control("/tyk/keys").await.is_reply(200, r#"{"keys":[]}"#);
    let master = session(json!({"access_rights": {"other": {}}}));
    for (key, session) in [("bob", session(json!({}))), ("alice", session(json!({}))), ("boss", master)] {
        assert_eq!(write(&gateway, key, &session).await.status, 200);
    }
    for (query, keys) in [
        ("", r#"["defaultalice","defaultbob","defaultboss"]"#),
        ("?filter=defaultbo", r#"["defaultbob","defaultboss"]"#),
        ("?api_id=keyed", r#"["defaultalice","defaultbob"]"#),
        ("?filter=defaultbo&api_id=keyed", r#"["defaultbob"]"#),
        ("?filter=x", "[]"),
    ] {
        gateway.control(&format!("/tyk/keys{query}")).await.is_reply(200, &format!(r#"{{"keys":{keys}}}"#));
    }
}

/// Source: gateway.md §12.19: another `last_updated` is another counter of the rate.
#[tokio::test]
async fn an_update_is_seen_at_once_and_lets_limits_begin_anew_unless_it_says_otherwise() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    let limits = session(json!({"quota_max": 2, "quota_renewal_rate": 600}));
    let key = create(&gateway, &limits).await;
    let path = format!("/tyk/keys/{key}");
    let left = async || gateway.control(&path).await.json()["quota_remaining"].clone();
    assert_eq!(ask(&gateway, &key).await.header("x-ratelimit-remaining"), "1");
    assert_eq!(left().await, 1);
    let quiet = gateway.operate(Method::PUT, &format!("{path}?suppress_reset=1"), limits.to_string()).await;
    quiet.is_reply(200, &format!(r#"{{"key":"{key}","status":"ok","action":"modified"}}"#));
    assert_eq!(ask(&gateway, &key).await.status, 200);
    ask(&gateway, &key).await.is_error(403, "Quota exceeded");
    assert_eq!(gateway.operate(Method::PUT, &path, limits.to_string()).await.status, 200);
    assert_eq!(left().await, 2);
    assert_eq!(ask(&gateway, &key).await.status, 200);
    let idle = session(json!({"is_inactive": true}));
    assert_eq!(gateway.operate(Method::PUT, &path, idle.to_string()).await.status, 200);
    ask(&gateway, &key).await.is_error(403, "Key is inactive, please renew");
    let missing = gateway.operate(Method::PUT, "/tyk/keys/nobody", limits.to_string()).await;
    missing.is_refusal(404, "Key is not found");
}

#[tokio::test]
async fn a_session_that_cannot_be_a_key_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    let post = async |path: &str, body: &str| gateway.operate(Method::POST, path, body.to_owned()).await;
    let no_rights = r#"{"org_id": "default"}"#;
    let message = "Failed to create key, keys must have at least one Access Rights record set.";
    post("/tyk/keys/create", no_rights).await.is_refusal(400, message);
    let message = "Failed to create key, ensure security settings are correct.";
    post("/tyk/keys", no_rights).await.is_refusal(400, message);
    post("/tyk/keys/mine", no_rights).await.is_refusal(400, message);
    for malformed in ["", "{", "[]", "null", "7", r#"{"rate": "fast"}"#, r#"{"access_rights": []}"#] {
        post("/tyk/keys/create", malformed).await.is_refusal(400, "Unmarshalling failed");
        post("/tyk/keys/mine", malformed).await.is_refusal(400, "Request malformed");
    }
    gateway.control("/tyk/keys").await.is_reply(200, r#"{"keys":[]}"#);
}

#[tokio::test]
async fn a_master_key_opens_every_api_where_they_are_allowed() {
    let upstream = Upstream::start();
    let gateway = Conf::default().set("allow_master_keys", true).with(&keyed(&upstream)).start().await;
    let key = create(&gateway, &json!({"org_id": "default"})).await;
    assert_eq!(ask(&gateway, &key).await.status, 200);
}

#[tokio::test]
async fn keys_with_strange_characters_are_keys_like_others() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream)).await;
    for (written, token) in [("a%2Fb%3Fc%23d", "a/b?c#d"), ("..%2F..%2Fetc", "../../etc"), ("%7B%7D%22", "{}\"")] {
        assert_eq!(write(&gateway, written, &session(json!({}))).await.status, 200, "{written}");
        assert_eq!(ask(&gateway, token).await.status, 200, "{token}");
        let deleted = gateway.operate(Method::DELETE, &format!("/tyk/keys/default{written}"), "").await;
        assert_eq!(deleted.status, 200, "{written}");
    }
}

/// Source: gateway.md §5.15.
#[tokio::test]
async fn a_parameter_wins_over_the_header_and_a_cookie_over_both() {
    let upstream = Upstream::start();
    let auth = json!({"use_param": true, "param_name": "key", "use_cookie": true, "cookie_name": "key"});
    let definition = keyed(&upstream).set("/auth_configs", json!({"authToken": auth})).set("/strip_auth_data", true);
    let gateway = Gateway::serving(&definition).await;
    for key in ["good", "other"] {
        assert_eq!(write(&gateway, key, &session(json!({}))).await.status, 200);
    }
    for (query, header, cookie, status) in [
        ("", "good", "", 200),
        ("?key=good", "bad!", "", 200),
        ("?key=bad!", "good", "", 403),
        ("?key=bad!", "bad!", "key=good", 200),
        ("?key=good", "good", "a=b; key=bad!", 403),
        ("?key=", "good", "key=", 200),
    ] {
        let mut ask = get(&format!("/keyed/get{query}")).header("authorization", header);
        if !cookie.is_empty() {
            ask = ask.header("cookie", cookie);
        }
        assert_eq!(gateway.ask(ask).await.status, status, "{query} {header} {cookie}");
    }
    let seen = upstream.last();
    assert_eq!((seen.header("authorization"), seen.header("cookie")), ("", ""));
    assert!(!seen.first().contains("key="), "{}", seen.first());
}

/// Source: gateway.md §12.6: whoever asks must be let in by each of them, and the plugin comes before the token.
#[tokio::test]
async fn of_two_ways_in_each_may_refuse_and_the_plugin_does_so_first() {
    let upstream = Upstream::start();
    let both = |plugin: &str| keyed(&upstream).auth(plugin).set("/use_standard_auth", true);
    let refusing = Gateway::serving(&both("RejectWithBody")).await;
    write(&refusing, "mine", &session(json!({}))).await;
    for token in ["mine", "nobody"] {
        let refused = ask(&refusing, token).await;
        assert_eq!((refused.status, &*refused.text()), (403, "hello"), "{token}");
    }
    let allowing = Gateway::serving(&both("SetSession").config("SetSession", session(json!({})))).await;
    allowing.get("/keyed/get").await.is_error(401, "Authorization field missing");
    ask(&allowing, "nobody").await.is_error(403, DISALLOWED);
    assert_eq!(upstream.seen().len(), 0);
}

/// Source: gateway.md §3.5, `base_identity_provided_by`.
#[tokio::test]
async fn of_two_ways_in_the_last_counts_or_the_one_that_is_the_base() {
    let upstream = Upstream::start();
    let both = || {
        keyed(&upstream)
            .auth("SetSession")
            .config("SetSession", json!({"alias": "of the plugin"}))
            .set("/use_standard_auth", true)
            .plugins("post_key_auth", &["ShowSession"])
    };
    for (base, alias) in [("", "of the token"), ("auth_token", "of the token"), ("custom_auth", "of the plugin")] {
        let gateway = Gateway::serving(&both().set("/base_identity_provided_by", base)).await;
        write(&gateway, "mine", &session(json!({"alias": "of the token"}))).await;
        let answer = ask(&gateway, "mine").await;
        assert_eq!((answer.status, answer.header("x-session")), (200, alias), "{base}");
        ask(&gateway, "nobody").await.is_error(403, DISALLOWED);
    }
}

#[tokio::test]
async fn a_session_that_a_plugin_saves_is_a_key_and_one_that_it_changes_for_a_request_is_not() {
    let upstream = Upstream::start();
    let saving = api("saving", upstream.address)
        .plugins("pre", &["SetSession"])
        .config("SetSession", session(json!({"alias": "saved"})));
    let renaming = keyed(&upstream).plugins("post_key_auth", &["RenameSession"]);
    let gateway = Conf::default().with(&saving).with(&renaming).start().await;
    ask(&gateway, "probe").await.is_error(403, DISALLOWED);
    assert_eq!(gateway.get("/saving/get").await.status, 200);
    assert_eq!(ask(&gateway, "probe").await.status, 200);
    assert_eq!(gateway.control("/tyk/keys/probe").await.json()["alias"], "saved");
    let deleted = gateway.operate(Method::DELETE, "/tyk/keys/probe", "").await;
    assert_eq!(deleted.status, 200);
    ask(&gateway, "probe").await.is_error(403, DISALLOWED);
    assert_eq!(gateway.get("/saving/get").await.status, 200);
    assert_eq!(ask(&gateway, "probe").await.status, 200, "a new request saves it anew");
}

/// Source: plugin-system.md §4.4: what was set before a refusal is saved all the same.
#[tokio::test]
async fn a_session_is_saved_though_the_request_is_refused() {
    let upstream = Upstream::start();
    let refusing = api("refusing", upstream.address)
        .auth("SetSession")
        .config("SetSession", session(json!({"alias": "refused", "is_inactive": true})));
    let gateway = Gateway::serving(&refusing).await;
    gateway.get("/refusing/get").await.is_error(403, "Key is inactive, please renew");
    assert_eq!(gateway.control("/tyk/keys/probe").await.json()["alias"], "refused");
}

#[tokio::test]
async fn a_session_is_stored_for_as_long_as_its_api_says() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&keyed(&upstream).set("/session_lifetime", 1)).await;
    let key = create(&gateway, &session(json!({}))).await;
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut client = gateway.connect().await;
    let path = format!("/tyk/keys/{key}");
    loop {
        let (header, secret) = (gateway_tests::gateway::SECRET_HEADER, gateway_tests::gateway::SECRET);
        let status = client.ask(get(&path).header(header, secret)).await.status;
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") - begun;
        if status == 404 {
            assert!(elapsed.as_millis() >= 500, "{elapsed:?}");
            break;
        }
        assert!(elapsed.as_secs() < 20, "it is still there");
    }
}
