//! Public keys that are fetched: when, how often, and what is done while they cannot be.

use gateway_tests::{Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

use super::NOT_AUTHORIZED;
use super::scene::{ISSUER, ask_at, conf, unverified};

/// Publishes a set with these keys, by algorithm and name.
fn publish(issuer: &Upstream, keys: &[(&str, &str)]) {
    let keys: Vec<Value> = keys.iter().map(|(algorithm, kid)| ISSUER.jwk(algorithm, kid)).collect();
    issuer.answer("/keys", 200, &[], json!({ "keys": keys }).to_string());
}

/// How often the set was asked for.
fn asked(issuer: &Upstream) -> usize {
    issuer.seen().iter().filter(|seen| seen.first().contains("/keys")).count()
}

/// A gateway whose tokens are verified by what the issuer publishes, and a keyless API.
async fn serving(method: &str, issuer: &Upstream, upstream: &Upstream) -> Gateway {
    let definition = unverified("jwt", upstream)
        .set("/jwt_signing_method", method)
        .set("/jwt_source", format!("http://{}/keys", issuer.address));
    conf(json!({})).with(&definition).with(&api("open", upstream.address)).start().await
}

fn token(algorithm: &str, kid: &str) -> String {
    ISSUER.named(algorithm, kid, &json!({"sub": "ada"}))
}

#[tokio::test]
async fn many_who_come_at_once_ask_once_for_the_set() {
    let (issuer, upstream) = (Upstream::start(), Upstream::start());
    publish(&issuer, &[("RS256", "r"), ("ES256", "e"), ("HS256", "h")]);
    let gateway = serving("rsa", &issuer, &upstream).await;
    let token = token("RS256", "r");
    let many: Vec<_> = (0..40)
        .map(|_| {
            let (address, token) = (gateway.address, token.clone());
            tokio::spawn(async move {
                let mut client = gateway_tests::Client::connect(address).await;
                client.ask(get("/jwt/get").header("authorization", &token)).await.status
            })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.expect("no panic"), 200);
    }
    assert_eq!(asked(&issuer), 1);
    ask_at(&gateway, "jwt", &ISSUER.token("RS256", &json!({"sub": "ada"}))).await.is_error(403, NOT_AUTHORIZED);
    for other in ["e", "h"] {
        // The key is there, and is of another kind.
        ask_at(&gateway, "jwt", &self::token("RS256", other)).await.is_error(403, NOT_AUTHORIZED);
    }
}

#[tokio::test]
async fn a_set_has_keys_of_every_kind() {
    let (issuer, upstream) = (Upstream::start(), Upstream::start());
    publish(&issuer, &[("RS256", "k"), ("ES256", "k"), ("ES384", "l"), ("HS256", "k")]);
    for (method, tokens) in
        [("rsa", [("PS512", "k"); 2]), ("ecdsa", [("ES256", "k"), ("ES384", "l")]), ("hmac", [("HS256", "k"); 2])]
    {
        let gateway = serving(method, &issuer, &upstream).await;
        for (algorithm, kid) in tokens {
            let answer = ask_at(&gateway, "jwt", &token(algorithm, kid)).await;
            assert_eq!(answer.status, 200, "{algorithm}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_and_one_that_nobody_knows_not_again_and_again() {
    let (issuer, upstream) = (Upstream::start(), Upstream::start());
    publish(&issuer, &[("ES256", "old")]);
    let gateway = serving("ecdsa", &issuer, &upstream).await;
    assert_eq!(ask_at(&gateway, "jwt", &token("ES256", "old")).await.status, 200);
    publish(&issuer, &[("ES384", "new")]);
    assert_eq!(ask_at(&gateway, "jwt", &token("ES384", "new")).await.status, 200);
    assert_eq!(asked(&issuer), 2);
    for _ in 0..20 {
        ask_at(&gateway, "jwt", &token("ES256", "unknown")).await.is_error(403, NOT_AUTHORIZED);
    }
    ask_at(&gateway, "jwt", &token("ES256", "old")).await.is_error(403, NOT_AUTHORIZED);
    assert_eq!(asked(&issuer), 2);
}

/// Source: gateway.md §2.9.
#[tokio::test]
async fn the_control_api_lets_keys_be_fetched_anew() {
    let (issuer, upstream) = (Upstream::start(), Upstream::start());
    publish(&issuer, &[("ES256", "a")]);
    let gateway = serving("ecdsa", &issuer, &upstream).await;
    let forget = async |path: &str| {
        let answer = gateway.operate(Method::DELETE, path, "").await;
        answer.is_reply(200, r#"{"status":"ok","message":"cache invalidated"}"#);
        ask_at(&gateway, "jwt", &token("ES256", "a")).await.status
    };
    for (path, times) in [
        ("/tyk/cache/jwks/unknown", 1),
        ("/tyk/cache/jwks/open", 1),
        ("/tyk/cache/jwks/jwt", 2),
        ("/tyk/cache/jwks", 3),
    ] {
        assert_eq!(forget(path).await, 200);
        assert_eq!(asked(&issuer), times, "{path}");
    }
    publish(&issuer, &[("ES384", "b")]);
    assert_eq!(forget("/tyk/cache/jwks/jwt").await, 403, "the key was withdrawn");
}

#[tokio::test]
async fn what_is_no_set_lets_nobody_in_and_others_go_on() {
    let (issuer, upstream) = (Upstream::start(), Upstream::start());
    let huge = format!("{{\"keys\": [], \"padding\": \"{}\"}}", "x".repeat(1 << 20));
    let gateway = serving("ecdsa", &issuer, &upstream).await;
    for (status, body, told) in [
        (500, String::new(), "it answers with status 500"),
        (302, String::new(), "it answers with status 302"),
        (200, "<html>".to_owned(), "it is no key set"),
        (200, "[]".to_owned(), "it is no key set"),
        (200, json!({"keys": [{"kty": "OKP", "kid": "a"}]}).to_string(), "none of its 1 keys"),
        (200, huge, "its body"),
    ] {
        issuer.answer("/keys", status, &[], body);
        assert_eq!(gateway.operate(Method::DELETE, "/tyk/cache/jwks", "").await.status, 200);
        let before = asked(&issuer);
        for _ in 0..5 {
            ask_at(&gateway, "jwt", &token("ES256", "a")).await.is_error(403, NOT_AUTHORIZED);
        }
        assert_eq!(asked(&issuer), before + 1, "{told}");
        gateway.log().wait(told, |line| line.field("error").starts_with(told)).await;
        assert_eq!(gateway.get("/open/get").await.status, 200);
    }
    publish(&issuer, &[("ES256", "a")]);
    gateway.operate(Method::DELETE, "/tyk/cache/jwks", "").await;
    assert_eq!(ask_at(&gateway, "jwt", &token("ES256", "a")).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_stalls_holds_up_nobody_else_and_not_for_long() {
    let (issuer, upstream) = (Upstream::start(), Upstream::start());
    issuer.ignore("/keys");
    let gateway = serving("ecdsa", &issuer, &upstream).await;
    let token = token("ES256", "a");
    let waiting = ask_at(&gateway, "jwt", &token);
    let others = async {
        issuer.count(1).await;
        for _ in 0..20 {
            assert_eq!(gateway.get("/open/get").await.status, 200);
        }
    };
    let begun = std::time::Instant::now();
    let (refused, ()) = tokio::join!(waiting, others);
    refused.is_error(403, NOT_AUTHORIZED);
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
    assert_eq!(asked(&issuer), 1);
}

#[tokio::test]
async fn an_old_set_goes_on_when_its_issuer_is_down() {
    let (issuer, other, upstream) = (Upstream::start(), Upstream::start(), Upstream::start());
    publish(&issuer, &[("ES256", "a")]);
    publish(&other, &[("ES384", "b")]);
    let uri = |issuer: &Upstream, seconds: u64| json!({"url": format!("http://{}/keys", issuer.address), "cache_timeout": seconds});
    let definition = unverified("jwt", &upstream)
        .set("/jwt_signing_method", "ecdsa")
        .set("/jwt_jwks_uris", json!([uri(&issuer, 1), uri(&other, 600)]));
    let gateway = conf(json!({})).with(&definition).start().await;
    for (algorithm, kid) in [("ES256", "a"), ("ES384", "b")] {
        assert_eq!(ask_at(&gateway, "jwt", &token(algorithm, kid)).await.status, 200, "{kid}");
    }
    issuer.answer("/keys", 503, &[], "");
    // The set is asked for again once its second is over, in vain.
    let before = asked(&issuer);
    while asked(&issuer) == before {
        assert_eq!(ask_at(&gateway, "jwt", &token("ES256", "a")).await.status, 200);
    }
    assert_eq!(ask_at(&gateway, "jwt", &token("ES256", "a")).await.status, 200);
    gateway.log().message("a key set cannot be read: what was known goes on").await;
    assert_eq!(asked(&other), 1);
}
