//! Signed requests and signed tokens. Source: gateway.md §3.5, §5.11, §5.15.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_tests::{Answer, Ask, Conf, Definition, Gateway, Upstream, api, get};
use http::Method;
use ring::{digest, hmac};
use serde_json::{Value, json};

const REFUSED: &str = "Authorization field missing, malformed or invalid";

/// An API that asks for signed requests.
fn guarded(upstream: &Upstream) -> Definition {
    api("signed", upstream.address).set("/use_keyless", false).set("/enable_signature_checking", true)
}

fn session(more: Value) -> Value {
    let mut session = json!({"org_id": "default", "access_rights": {"signed": {"api_id": "signed"}}});
    let members = more.as_object().expect("an object").clone();
    session.as_object_mut().expect("an object").extend(members);
    session
}

async fn write(gateway: &Gateway, path: &str, session: &Value) -> Value {
    let answer = gateway.operate(Method::POST, &format!("/tyk/keys/{path}"), session.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// `seconds` from now, as HTTP writes it.
fn date(seconds: i64) -> String {
    let (now, away) = (SystemTime::now(), Duration::from_secs(seconds.unsigned_abs()));
    httpdate::fmt_http_date(if seconds < 0 { now - away } else { now + away })
}

/// What a client signs by itself.
struct Signer<'a> {
    key_id: &'a str,
    secret: &'a str,
    algorithm: &'a str,
}

impl Signer<'_> {
    /// The header for a message, whose lines are those of `headers`.
    fn sign(&self, message: &str, headers: &str) -> String {
        let algorithm = match self.algorithm {
            "hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "hmac-sha384" => hmac::HMAC_SHA384,
            "hmac-sha512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, self.secret.as_bytes()), message.as_bytes());
        let signature = form_urlencoded::byte_serialize(BASE64_STANDARD.encode(tag).as_bytes()).collect::<String>();
        let (key_id, algorithm) = (self.key_id, self.algorithm);
        let headers = if headers.is_empty() { String::new() } else { format!("headers=\"{headers}\",") };
        format!("Signature keyId=\"{key_id}\",algorithm=\"{algorithm}\",{headers}signature=\"{signature}\"")
    }

    /// A request whose date is signed.
    fn ask(&self, date: &str) -> Ask {
        let signature = self.sign(&format!("date: {date}"), "");
        get("/signed/get").header("date", date).header("authorization", &signature)
    }
}

fn signer<'a>(key_id: &'a str, secret: &'a str) -> Signer<'a> {
    Signer { key_id, secret, algorithm: "hmac-sha256" }
}

/// Source: gateway.md §2.6: with `hmac_enabled` a secret is generated.
#[tokio::test]
async fn a_key_that_may_sign_gets_a_secret_of_its_own() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream)).await;
    let key = write(&gateway, "create", &session(json!({"hmac_enabled": true}))).await["key"].clone();
    let key = key.as_str().expect("a key");
    let read = gateway.control(&format!("/tyk/keys/{key}")).await.json();
    let secret = read["hmac_string"].as_str().expect("a secret");
    assert!(secret.len() >= 32, "{secret}");
    for algorithm in ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        let signer = Signer { key_id: key, secret, algorithm };
        assert_eq!(gateway.ask(signer.ask(&date(0))).await.status, 200, "{algorithm}");
    }
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn a_request_that_is_not_signed_by_a_key_is_refused_in_one_way() {
    let upstream = Upstream::start();
    let allowed = guarded(&upstream).set("/hmac_allowed_algorithms", json!(["hmac-sha256"]));
    let gateway = Gateway::serving(&allowed.set("/hmac_allowed_clock_skew", 60_000)).await;
    let enabled = json!({"hmac_enabled": true, "hmac_string": "secret"});
    write(&gateway, "mine", &session(enabled)).await;
    write(&gateway, "disabled", &session(json!({"hmac_string": "secret"}))).await;
    let now = date(0);
    assert_eq!(gateway.ask(signer("mine", "secret").ask(&now)).await.status, 200);
    assert_eq!(gateway.ask(signer("defaultmine", "secret").ask(&date(-50))).await.status, 200);
    let good = signer("mine", "secret").sign(&format!("date: {now}"), "");
    let bare = |authorization: &str| get("/signed/get").header("date", &now).header("authorization", authorization);
    for (what, ask) in [
        ("nothing", get("/signed/get")),
        ("another scheme", bare("Bearer abc")),
        ("another secret", signer("mine", "Secret").ask(&now)),
        ("another key", signer("nobody", "secret").ask(&now)),
        ("a key that may not sign", signer("disabled", "secret").ask(&now)),
        ("another algorithm", Signer { algorithm: "hmac-sha1", ..signer("mine", "secret") }.ask(&now)),
        ("no algorithm", Signer { algorithm: "none", ..signer("mine", "secret") }.ask(&now)),
        ("an old date", signer("mine", "secret").ask(&date(-70))),
        ("a date to come", signer("mine", "secret").ask(&date(70))),
        ("no date", get("/signed/get").header("authorization", &good)),
        ("another date", get("/signed/get").header("authorization", &good).header("date", &date(1))),
        ("what is no date", signer("mine", "secret").ask("now")),
        ("a parameter too many", bare(&format!("{good},created=\"1\""))),
        ("a parameter twice", bare(&format!("{good},keyId=\"mine\""))),
        ("a name twice", bare(&signer("mine", "secret").sign(&format!("date: {now}\ndate: {now}"), "date date"))),
        ("a date that is not signed", bare(&signer("mine", "secret").sign("host: ", "host"))),
    ] {
        let answer = gateway.ask(ask).await;
        assert_eq!(answer.status, 400, "{what}");
        answer.is_error(400, REFUSED);
    }
    assert_eq!(upstream.seen().len(), 2);
}

/// Source: gateway.md §5.15: the path includes the listen path, and `x-aux-date` may replace `Date`.
#[tokio::test]
async fn the_method_the_whole_path_and_headers_are_signed() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream).set("/strip_auth_data", true)).await;
    write(&gateway, "mine", &session(json!({"hmac_enabled": true, "hmac_string": "secret"}))).await;
    let (now, signer) = (date(0), signer("mine", "secret"));
    let message = format!("(request-target): get /signed/a b\nx-aux-date: {now}\nx-tenant: acme");
    let authorization = signer.sign(&message, "(request-target) date x-tenant");
    let ask = |path: &str, tenant: &str| {
        let ask = get(path).header("x-aux-date", &now).header("date", "never").header("x-tenant", tenant);
        ask.header("authorization", &authorization)
    };
    assert_eq!(gateway.ask(ask("/signed/a%20b?c=d", "acme")).await.status, 200);
    assert_eq!(upstream.last().header("authorization"), "");
    for (path, tenant) in [("/signed/a%20c", "acme"), ("/signed/a%20b", "other"), ("/signed/A%20b", "acme")] {
        gateway.ask(ask(path, tenant)).await.is_error(400, REFUSED);
    }
}

/// Source: gateway.md §12, 6; §5.3: basic authentication, then signatures, then tokens.
#[tokio::test]
async fn a_password_is_asked_for_before_a_signature_and_a_token_after_it() {
    let upstream = Upstream::start();
    let places = json!({"basic": {"auth_header_name": "x-user"}, "authToken": {"auth_header_name": "x-token"}});
    let all = || {
        let two = guarded(&upstream).set("/use_basic_auth", true).set("/auth_configs", places.clone());
        two.set("/use_standard_auth", true).plugins("post_key_auth", &["ShowSession"])
    };
    for (base, alias) in [("hmac_key", "signer"), ("basic_auth_user", "user"), ("", "token")] {
        let gateway = Gateway::serving(&all().set("/base_identity_provided_by", base)).await;
        let basic = json!({"alias": "user", "basic_auth_data": {"password": "secret"}});
        let signing = json!({"alias": "signer", "hmac_enabled": true, "hmac_string": "secret"});
        for (name, more) in [("ada", basic), ("mine", signing), ("token", json!({"alias": "token"}))] {
            write(&gateway, name, &session(more)).await;
        }
        let user = format!("Basic {}", BASE64_STANDARD.encode("ada:secret"));
        let unsigned = || get("/signed/get");
        let signed = || signer("mine", "secret").ask(&date(0));
        gateway.ask(unsigned()).await.is_error(401, "Authorization field missing");
        gateway.ask(unsigned().header("x-user", &user)).await.is_error(400, REFUSED);
        gateway.ask(signed().header("x-user", &user)).await.is_error(401, "Authorization field missing");
        let answer = gateway.ask(signed().header("x-user", &user).header("x-token", "token")).await;
        assert_eq!((answer.status, answer.header("x-session")), (200, alias), "{base}");
    }
}

/// A token with a digest of it, of a secret and of the time.
fn token(secret: &str, seconds: i64) -> Ask {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let time = i64::try_from(now).expect("it fits") + seconds;
    let digest = digest::digest(&digest::SHA256, format!("mine{secret}{time}").as_bytes());
    let signature: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    get("/signed/get").header("authorization", "mine").header("x-signature", &signature)
}

fn signed_tokens(upstream: &Upstream, more: &Value) -> Definition {
    let mut signature = json!({"algorithm": "MasherySHA256", "header": "x-signature", "secret": "$tyk_meta.secret",
        "allowed_clock_skew": 30});
    let members = more.as_object().expect("an object").clone();
    signature.as_object_mut().expect("an object").extend(members);
    api("signed", upstream.address)
        .set("/use_keyless", false)
        .set("/auth", json!({"validate_signature": true, "signature": signature}))
}

#[tokio::test]
async fn a_token_that_has_to_be_signed_counts_only_with_its_signature() {
    let upstream = Upstream::start();
    let refused = async |gateway: &Gateway, status: u16, message: &str| {
        write(gateway, "mine", &session(json!({"meta_data": {"secret": "s1"}}))).await;
        for seconds in [0, -20, 20] {
            assert_eq!(gateway.ask(token("s1", seconds)).await.status, 200, "{seconds}");
        }
        let unsigned = get("/signed/get").header("authorization", "mine");
        for ask in [token("s2", 0), token("s1", -40), token("s1", 40), unsigned] {
            gateway.ask(ask).await.is_error(status, message);
        }
        let nobody = get("/signed/get").header("authorization", "nobody");
        gateway.ask(nobody).await.is_error(403, "Access to this API has been disallowed");
        let bare: Answer = gateway.get("/signed/get").await;
        bare.is_error(401, "Authorization field missing");
    };
    let usual = Gateway::serving(&signed_tokens(&upstream, &json!({}))).await;
    refused(&usual, 401, "Request signature verification failed").await;
    let own = json!({"error_code": 418, "error_message": "No \"tea\""});
    let own = Gateway::serving(&signed_tokens(&upstream, &own)).await;
    refused(&own, 418, "No \"tea\"").await;
    let conf = Conf::default().set("hash_keys", true).set("hash_key_function", "sha256");
    let hashed = conf.with(&signed_tokens(&upstream, &json!({}))).start().await;
    refused(&hashed, 401, "Request signature verification failed").await;
}
