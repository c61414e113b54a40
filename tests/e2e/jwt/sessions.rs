//! The sessions that tokens have: whose they are, and what their policies allow.

use gateway_tests::{Upstream, get};
use http::Method;
use serde_json::{Value, json};

use super::scene::{ISSUER, SECRET, ask, ask_at, asking, conf, now, policy, serving, unverified};

/// What MD5 makes of `ada`, after the organisation.
const ADA: &str = "default8c8d357b5e872bbacd45197626bd5759";

fn limits() -> Value {
    json!({
        "gold": policy(json!({"quota_max": 5, "quota_renewal_rate": 600, "tags": ["rich"]})),
        "silver": policy(json!({"quota_max": 3, "quota_renewal_rate": 600})),
        "foreign": {"org_id": "other", "access_rights": {"jwt": {"api_id": "jwt"}}},
        "elsewhere": {"org_id": "default", "access_rights": {"other": {"api_id": "other"}}},
    })
}

fn say(policy: &str) -> Value {
    json!({"sub": "ada", "pol": policy})
}

#[tokio::test]
async fn all_tokens_of_one_caller_share_what_is_left_to_him() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, limits()).await;
    for (id, left) in [("one", "4"), ("two", "3"), ("one", "2")] {
        let answer = ask(&gateway, json!({"sub": "ada", "pol": "gold", "jti": id})).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, left), "{}", answer.text());
    }
    let other = ask(&gateway, json!({"sub": "bob", "pol": "gold"})).await;
    assert_eq!(other.header("x-ratelimit-remaining"), "4", "another has his own");
    for _ in 0..2 {
        assert_eq!(ask(&gateway, say("gold")).await.status, 200);
    }
    ask(&gateway, say("gold")).await.is_error(403, "Quota exceeded");
}

#[tokio::test]
async fn the_session_of_a_token_is_a_key_like_others() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, limits()).await;
    let expires = now() + 600;
    assert_eq!(ask(&gateway, json!({"sub": "ada", "pol": "gold", "exp": expires})).await.status, 200);
    let session = gateway.control(&format!("/tyk/keys/{ADA}")).await.json();
    assert_eq!(session["alias"], "ada");
    assert_eq!(session["org_id"], "default");
    assert_eq!(session["meta_data"], json!({"TykJWTSessionID": ADA}));
    assert_eq!(session["apply_policies"], json!(["gold"]));
    assert_eq!(session["tags"], json!(["rich"]));
    assert_eq!(session["expires"], expires);
    assert_eq!(session["quota_remaining"], 4);
    // It expires with the token that lasts longest.
    let expiry = async || gateway.control(&format!("/tyk/keys/{ADA}")).await.json()["expires"].clone();
    for (token, session) in [(expires - 300, expires), (expires + 300, expires + 300), (expires, expires + 300)] {
        assert_eq!(ask(&gateway, json!({"sub": "ada", "pol": "gold", "exp": token})).await.status, 200);
        assert_eq!(expiry().await, session);
    }
    // Earlier tokens are over, and one that is not does not say when it will be.
    let mut over = session.clone();
    over["expires"] = json!(now() - 10);
    let written = gateway.operate(Method::PUT, &format!("/tyk/keys/{ADA}"), over.to_string()).await;
    assert_eq!(written.status, 200, "{}", written.text());
    assert_eq!(ask(&gateway, say("gold")).await.status, 200);
    assert_eq!(gateway.operate(Method::DELETE, &format!("/tyk/keys/{ADA}"), "").await.status, 200);
    assert_eq!(ask(&gateway, say("gold")).await.status, 200, "it is made anew");
    let expired = json!({"sub": "eve", "pol": "gold", "exp": now() - 1});
    ask(&gateway, expired).await.is_error(401, "Key not authorized: token has expired");
}

/// The key of a token's session is made of what everybody may know.
#[tokio::test]
async fn who_guesses_the_key_of_a_tokens_session_is_not_let_in_by_it() {
    let upstream = Upstream::start();
    let by_token = gateway_tests::api("rsa", upstream.address).set("/use_keyless", false);
    let asking = asking("jwt", &upstream, ISSUER.source("HS256"));
    let gateway = conf(limits()).with(&asking).with(&by_token).start().await;
    assert_eq!(ask(&gateway, say("gold")).await.status, 200);
    assert_eq!(gateway.control(&format!("/tyk/keys/{ADA}")).await.status, 200);
    for guess in [ADA, ADA.trim_start_matches("default")] {
        for _ in 0..2 {
            ask_at(&gateway, "rsa", guess).await.is_error(403, "Access to this API has been disallowed");
        }
    }
}

#[tokio::test]
async fn a_token_has_the_policy_that_it_names_and_the_next_one_another() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, limits()).await;
    let limit = async |claims: Value| ask(&gateway, claims).await.header("x-ratelimit-limit").to_owned();
    for (policy, expected) in [("gold", "5"), ("silver", "3"), ("gold", "5")] {
        assert_eq!(limit(say(policy)).await, expected);
    }
    let missing = "key not authorized: no matching policy";
    for policy in ["nobody", "foreign"] {
        ask(&gateway, say(policy)).await.is_error(403, missing);
        ask(&gateway, json!({"sub": "new", "pol": policy})).await.is_error(403, missing);
    }
    ask(&gateway, say("elsewhere")).await.is_error(403, "Access to this API has been disallowed");
    assert_eq!(limit(say("gold")).await, "5", "he has not lost what he may do");
    assert_eq!(ask(&gateway, json!({"sub": "ada"})).await.header("x-ratelimit-limit"), "0", "the default");
}

#[tokio::test]
async fn a_policy_that_goes_with_a_reload_lets_nobody_in() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, limits()).await;
    assert_eq!(ask(&gateway, say("gold")).await.status, 200);
    let without = json!({"basic": policy(json!({}))});
    std::fs::write(gateway.folder().join("policies.json"), without.to_string()).expect("a file in a folder of ours");
    gateway.reload().await;
    ask(&gateway, say("gold")).await.is_error(403, "key not authorized: no matching policy");
    assert_eq!(ask(&gateway, json!({"sub": "ada"})).await.status, 200, "another policy is another matter");
}

#[tokio::test]
async fn a_token_without_a_policy_needs_a_default() {
    let upstream = Upstream::start();
    let definition = asking("jwt", &upstream, ISSUER.source("HS256")).set("/jwt_default_policies", json!([]));
    let gateway = conf(limits()).with(&definition).start().await;
    let message = "key not authorized: no matching policy found";
    ask(&gateway, json!({"sub": "ada"})).await.is_error(403, message);
    assert_eq!(ask(&gateway, say("gold")).await.status, 200);
    ask(&gateway, json!({"sub": "ada"})).await.is_error(403, message);
    ask(&gateway, json!({"sub": "ada", "pol": 7})).await.is_error(403, message);
}

#[tokio::test]
async fn scopes_stand_for_policies() {
    let upstream = Upstream::start();
    let scopes = json!({"scope_claim_name": "realm.scopes", "scope_to_policy": {"read": "silver", "write": "gold"}});
    let newer = || asking("jwt", &upstream, ISSUER.source("HS256")).set("/scopes", json!({"jwt": scopes}));
    let older = asking("jwt", &upstream, ISSUER.source("HS256"))
        .set("/jwt_scope_claim_name", "realm.scopes")
        .set("/jwt_scope_to_policy_mapping", scopes["scope_to_policy"].clone());
    for definition in [newer(), older] {
        let gateway = conf(limits()).with(&definition).start().await;
        let limit = async |scopes: Value| {
            let answer = ask(&gateway, json!({"sub": "ada", "realm": {"scopes": scopes}})).await;
            (answer.status, answer.header("x-ratelimit-limit").to_owned())
        };
        assert_eq!(limit(json!("read")).await, (200, "3".into()));
        assert_eq!(limit(json!(["write", "other"])).await, (200, "5".into()));
        assert_eq!(limit(json!("read write")).await, (200, "5".into()));
        assert_eq!(limit(Value::Null).await, (200, "0".into()), "no scopes are the default");
        let other = json!({"sub": "ada", "realm": {"scopes": "other"}});
        ask(&gateway, other).await.is_error(403, "key not authorized: no matching policy found in scope claim");
    }
    let gateway = conf(limits()).with(&newer().set("/jwt_default_policies", json!([]))).start().await;
    ask(&gateway, json!({"sub": "ada"})).await.is_error(403, "key not authorized: no matching policy found");
    assert_eq!(ask(&gateway, json!({"sub": "ada", "realm": {"scopes": "read"}})).await.status, 200);
    ask(&gateway, json!({"sub": "ada"})).await.is_error(403, "key not authorized: no scope or policy in token");
}

#[tokio::test]
async fn a_client_that_is_a_key_lends_its_policy() {
    let upstream = Upstream::start();
    let definition = asking("jwt", &upstream, ISSUER.source("HS256"))
        .set("/jwt_policy_field_name", "")
        .set("/jwt_client_base_field", "azp")
        .set("/jwt_default_policies", json!([]));
    let gateway = conf(limits()).with(&definition).start().await;
    let client = json!({"org_id": "default", "apply_policies": ["silver", "gold"]});
    let written = gateway.operate(Method::POST, "/tyk/keys/client", client.to_string()).await;
    assert_eq!(written.status, 200, "{}", written.text());
    for _ in 0..2 {
        let answer = ask(&gateway, json!({"sub": "ada", "azp": "client"})).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, "3"), "{}", answer.text());
    }
    let message = "key not authorized: no matching policy found";
    ask(&gateway, json!({"sub": "ada", "azp": "nobody"})).await.is_error(403, message);
    ask(&gateway, json!({"sub": "ada"})).await.is_error(403, message);
}

#[tokio::test]
async fn the_claim_that_says_who_is_calling_may_be_another() {
    let upstream = Upstream::start();
    let definition = asking("jwt", &upstream, ISSUER.source("HS256"))
        .set("/jwt_identity_base_field", "user.id")
        .plugins("post_key_auth", &["ShowSession"]);
    let gateway = conf(json!({})).with(&definition).start().await;
    let alias = async |claims: Value| ask(&gateway, claims).await.header("x-session").to_owned();
    assert_eq!(alias(json!({"sub": "ada", "user": {"id": "7"}})).await, "7");
    assert_eq!(alias(json!({"sub": "ada"})).await, "ada");
    let empty = json!({"sub": "ada", "user": {"id": ""}});
    ask(&gateway, empty).await.is_error(403, "found an empty user ID in predefined base claim");
}

/// Source: gateway.md §5.15: without a source, the key that a token names has the secret.
#[tokio::test]
async fn without_a_source_each_token_is_verified_by_its_own_key() {
    let upstream = Upstream::start();
    let gateway = conf(limits()).with(&unverified("jwt", &upstream)).start().await;
    let secret = String::from_utf8_lossy(SECRET);
    for (key, secret) in [("mine", &*secret), ("other", "another secret"), ("bare", "")] {
        let session = json!({"org_id": "default", "apply_policies": ["gold"], "jwt_data": {"secret": secret}});
        let written = gateway.operate(Method::POST, &format!("/tyk/keys/{key}"), session.to_string()).await;
        assert_eq!(written.status, 200);
    }
    let ask = async |token: String| ask_at(&gateway, "jwt", &token).await;
    for left in ["4", "3"] {
        let answer = ask(ISSUER.named("HS256", "mine", &json!({"sub": "nobody"}))).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, left), "{}", answer.text());
    }
    let answer = ask(ISSUER.token("HS256", &json!({"sub": "mine"}))).await;
    assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, "2"), "the subject names it, too");
    for token in [
        ISSUER.named("HS256", "other", &json!({})),
        ISSUER.named("HS256", "nobody", &json!({})),
        ISSUER.sign(&json!({"alg": "HS256", "kid": "bare"}), &json!({}), b""),
    ] {
        ask(token).await.is_error(403, "Key not authorized");
    }
    // Source: gateway.md §5.15.
    ask(ISSUER.token("HS256", &json!({}))).await.is_error(404, "Key not authorized");
    let expired = ISSUER.named("HS256", "mine", &json!({"exp": 1}));
    ask(expired).await.is_error(401, "Key not authorized: token has expired");

    let skipping = conf(limits()).with(&unverified("jwt", &upstream).set("/jwt_skip_kid", true)).start().await;
    let session = json!({"org_id": "default", "apply_policies": ["gold"], "jwt_data": {"secret": secret}});
    assert_eq!(skipping.operate(Method::POST, "/tyk/keys/mine", session.to_string()).await.status, 200);
    let token = ISSUER.named("HS256", "of the issuer", &json!({"sub": "mine"}));
    let answer = skipping.ask(get("/jwt/get").header("authorization", &token)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
