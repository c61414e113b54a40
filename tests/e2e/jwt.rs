//! JSON web tokens: which are believed, whose they are, and what they may do. Source: gateway.md §3.5, §5.11, §5.15.

mod scene;
mod sessions;
mod sets;

use gateway_tests::{Upstream, get};
use serde_json::json;

use scene::{ISSUER, SECRET, ask, ask_at, asking, conf, now, serving, unverified};

const NOT_AUTHORIZED: &str = "Key not authorized";
const METHOD: &str = "Key not authorized: Unexpected signing method";

#[tokio::test]
async fn a_token_of_every_algorithm_lets_in_and_one_that_was_changed_does_not() {
    let upstream = Upstream::start();
    let gateway = conf(json!({}))
        .with(&asking("jwt", &upstream, ISSUER.source("HS256")))
        .with(&asking("rsa", &upstream, ISSUER.source("RS256")))
        .with(&asking("p256", &upstream, ISSUER.source("ES256")))
        .with(&asking("p384", &upstream, ISSUER.source("ES384")))
        .start()
        .await;
    for (algorithm, id) in [
        ("HS256", "jwt"),
        ("HS384", "jwt"),
        ("HS512", "jwt"),
        ("RS256", "rsa"),
        ("RS384", "rsa"),
        ("RS512", "rsa"),
        ("PS256", "rsa"),
        ("PS384", "rsa"),
        ("PS512", "rsa"),
        ("ES256", "p256"),
        ("ES384", "p384"),
    ] {
        let token = ISSUER.token(algorithm, &json!({"sub": "ada"}));
        for written in [token.clone(), format!("Bearer {token}"), format!("bEARER {token}")] {
            assert_eq!(ask_at(&gateway, id, &written).await.status, 200, "{algorithm}");
        }
        let other = ISSUER.token(algorithm, &json!({"sub": "bob"}));
        let (signed, _) = token.rsplit_once('.').expect("three parts");
        let (_, signature) = other.rsplit_once('.').expect("three parts");
        ask_at(&gateway, id, &format!("{signed}.{signature}")).await.is_error(403, NOT_AUTHORIZED);
        ask_at(&gateway, id, &format!("{signed}.")).await.is_error(403, NOT_AUTHORIZED);
    }
    // A key of the right method and another curve.
    ask_at(&gateway, "p256", &ISSUER.token("ES384", &json!({"sub": "ada"}))).await.is_error(403, NOT_AUTHORIZED);
}

/// Source: gateway.md §12, 7: missing is 400.
#[tokio::test]
async fn a_token_that_is_not_believed_is_told_why_and_goes_nowhere() {
    let upstream = Upstream::start();
    let gateway = conf(json!({}))
        .with(&asking("jwt", &upstream, ISSUER.source("HS256")))
        .with(&asking("rsa", &upstream, ISSUER.source("RS256")))
        .start()
        .await;
    gateway.get("/jwt/get").await.is_error(400, "Authorization field missing");
    let (ada, (_, public)) = (json!({"sub": "ada"}), ISSUER.source("RS256"));
    let none = json!({"alg": "none"});
    let by_public_key = ISSUER.sign(&json!({"alg": "HS256"}), &ada, &public);
    for (id, token, message) in [
        ("jwt", "rubbish".to_owned(), NOT_AUTHORIZED),
        ("jwt", "a.b.c".to_owned(), NOT_AUTHORIZED),
        ("jwt", "Bearer ".to_owned(), NOT_AUTHORIZED),
        ("jwt", "..".to_owned(), NOT_AUTHORIZED),
        ("jwt", format!("{}.x", ISSUER.token("HS256", &ada)), NOT_AUTHORIZED),
        ("jwt", ISSUER.token("HS256", &json!([])), NOT_AUTHORIZED),
        ("jwt", ISSUER.sign(&none, &ada, SECRET), METHOD),
        ("rsa", ISSUER.sign(&none, &ada, SECRET), METHOD),
        ("rsa", by_public_key.clone(), METHOD),
        ("jwt", by_public_key, NOT_AUTHORIZED),
        ("jwt", ISSUER.token("RS256", &ada), METHOD),
        ("rsa", ISSUER.token("ES256", &ada), METHOD),
        ("rsa", ISSUER.token("ES512", &ada), METHOD),
        ("rsa", ISSUER.token("EdDSA", &ada), METHOD),
        ("jwt", ISSUER.token("nONE", &ada), NOT_AUTHORIZED),
        ("jwt", ISSUER.sign(&json!({"alg": "HS256"}), &ada, b""), NOT_AUTHORIZED),
        ("jwt", ISSUER.sign(&json!({"alg": "HS256", "crit": ["b64"]}), &ada, SECRET), NOT_AUTHORIZED),
        ("jwt", ISSUER.token("HS256", &json!({})), "no suitable claims for user ID were found"),
        ("jwt", ISSUER.token("HS256", &json!({"sub": ""})), "found an empty user ID in sub claim"),
        ("jwt", ISSUER.token("HS256", &json!({"sub": {"a": 1}})), "no suitable claims for user ID were found"),
    ] {
        ask_at(&gateway, id, &token).await.is_error(403, message);
    }
    assert_eq!(upstream.seen().len(), 0);
    let log = gateway.log().to_string();
    assert!(!log.contains("nobody else knows") && !log.contains("BEGIN PUBLIC"), "{log}");
    assert_eq!(ask(&gateway, ada).await.status, 200, "others go on");
}

#[tokio::test]
async fn a_token_is_valid_for_its_time_and_for_the_skews_of_the_api() {
    let upstream = Upstream::start();
    let skewed = |skew: i64| {
        let fields = ["issued_at", "expires_at", "not_before"];
        let asking = asking("jwt", &upstream, ISSUER.source("HS256"));
        fields.iter().fold(asking, |asking, field| asking.set(&format!("/jwt_{field}_validation_skew"), skew))
    };
    let (past, future) = (now() - 60, now() + 60);
    let cases = [
        (json!({"sub": "a", "exp": past}), "token has expired"),
        (json!({"sub": "b", "iat": future}), "token used before issued"),
        (json!({"sub": "c", "nbf": future}), "token is not valid yet"),
    ];
    let gateway = conf(json!({})).with(&skewed(0)).start().await;
    for (claims, message) in &cases {
        ask(&gateway, claims.clone()).await.is_error(401, &format!("Key not authorized: {message}"));
    }
    for claims in [json!({"sub": "a", "exp": future.to_string()}), json!({"sub": "a", "exp": null})] {
        ask(&gateway, claims).await.is_error(401, "Key not authorized: token has expired");
    }
    let valid = json!({"sub": "d", "exp": future, "iat": past, "nbf": past});
    assert_eq!(ask(&gateway, valid).await.status, 200);
    let lenient = conf(json!({})).with(&skewed(600)).start().await;
    for (claims, message) in &cases[1..] {
        assert_eq!(ask(&lenient, claims.clone()).await.status, 200, "{message}");
    }
    // The token is believed, and its session lasts as long.
    assert_eq!(ask(&lenient, cases[0].0.clone()).await.status, 200);
}

#[tokio::test]
async fn a_token_may_be_in_a_parameter_or_a_cookie_and_is_stripped() {
    let upstream = Upstream::start();
    let place = json!({"auth_header_name": "x-jwt", "use_param": true, "param_name": "jwt", "cookie_name": "jwt"});
    let definition = asking("jwt", &upstream, ISSUER.source("HS256"))
        .set("/auth_configs", json!({ "jwt": place }))
        .set("/strip_auth_data", true);
    let gateway = conf(json!({})).with(&definition).start().await;
    let token = ISSUER.token("HS256", &json!({"sub": "ada"}));
    for ask in [
        get("/jwt/get").header("x-jwt", &format!("Bearer {token}")),
        get(&format!("/jwt/get?a=b&jwt={token}")),
        get("/jwt/get").header("cookie", &format!("a=b; jwt={token}")),
    ] {
        let answer = gateway.ask(ask).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = upstream.last();
        assert!(!seen.first().contains("jwt="), "{}", seen.first());
        assert_eq!(seen.header("x-jwt"), "");
        assert!(!seen.header("cookie").contains("jwt"), "{}", seen.header("cookie"));
    }
    gateway.ask(get("/jwt/get").header("authorization", &token)).await.is_error(400, "Authorization field missing");
}

#[tokio::test]
async fn a_source_that_verifies_nothing_is_found_before_anybody_is_let_in() {
    let upstream = Upstream::start();
    let private = include_bytes!("jwt/rsa.pem").to_vec();
    for (definition, path, told) in [
        (unverified("jwt", &upstream).set("/jwt_source", "not base64!"), "jwt_source", "is neither a URL nor base64"),
        (asking("jwt", &upstream, ("rsa", b"no PEM".to_vec())), "jwt_source", "is no public key, and no certificate"),
        (asking("jwt", &upstream, ("rsa", private)), "jwt_source", "is a private key"),
        (asking("jwt", &upstream, ("rsa", ISSUER.source("ES256").1)), "jwt_source", "is a key for `ecdsa`"),
        (
            asking("jwt", &upstream, ("hmac", ISSUER.source("RS256").1)),
            "jwt_source",
            "is a public key, which everybody",
        ),
        (asking("jwt", &upstream, ("rs256", SECRET.to_vec())), "jwt_signing_method", "unknown signing method `rs256`"),
        (
            unverified("jwt", &upstream).set("/jwt_jwks_uris", json!([{"url": "issuer/keys"}])),
            "jwt_jwks_uris[0].url",
            "is no URL of a key set",
        ),
    ] {
        let conf = conf(json!({})).with(&definition);
        let checked = conf.command(&["check"]);
        let output = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(1), "{output}");
        let found = output.lines().any(|line| line.contains(&format!(": {path}: {told}")));
        assert!(found, "{told}: {output}");
        let gateway = conf.start().await;
        let token = ISSUER.sign(&json!({"alg": "HS256"}), &json!({"sub": "ada"}), b"");
        assert_eq!(ask_at(&gateway, "jwt", &token).await.status, 500, "{told}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

/// Source: gateway.md §5.3, §3.5: all that are on must pass, and `base_identity_provided_by` says whose session counts.
#[tokio::test]
async fn with_a_key_beside_it_both_must_be_right_and_one_of_them_counts() {
    let upstream = Upstream::start();
    for (base, alias) in [("", "of the key"), ("auth_token", "of the key"), ("jwt_claim", "ada")] {
        let definition = asking("jwt", &upstream, ISSUER.source("HS256"))
            .set("/auth_configs", json!({"jwt": {"auth_header_name": "x-jwt"}}))
            .set("/use_standard_auth", true)
            .set("/base_identity_provided_by", base)
            .plugins("post_key_auth", &["ShowSession"]);
        let gateway = conf(json!({})).with(&definition).start().await;
        let key = json!({"org_id": "default", "alias": "of the key", "access_rights": {"jwt": {"api_id": "jwt"}}});
        let written = gateway.operate(http::Method::POST, "/tyk/keys/mine", key.to_string()).await;
        assert_eq!(written.status, 200);
        let token = ISSUER.token("HS256", &json!({"sub": "ada"}));
        let both = get("/jwt/get").header("x-jwt", &token).header("authorization", "mine");
        let answer = gateway.ask(both).await;
        assert_eq!((answer.status, answer.header("x-session")), (200, alias), "{base}: {}", answer.text());
        let alone = gateway.ask(get("/jwt/get").header("x-jwt", &token)).await;
        alone.is_error(401, "Authorization field missing");
        let alone = gateway.ask(get("/jwt/get").header("authorization", "mine")).await;
        alone.is_error(400, "Authorization field missing");
    }
    let gateway = serving(&upstream, json!({})).await;
    assert_eq!(ask(&gateway, json!({"sub": "ada"})).await.status, 200, "no key is asked for beside it");
}
