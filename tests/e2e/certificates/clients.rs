//! Clients whose certificate stands for a key, and keys that are bound to certificates. Source: gateway.md §5.11, §5.15.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::{digest, hmac};

use super::*;

const NAME: &str = "gw.example.com";
const DISALLOWED: &str = "Access to this API has been disallowed";
const SECRET_OF_KEY: &str = "of this key alone, and long enough";

struct Scene {
    servers: Authority,
    clients: Authority,
    gateway: Gateway,
    _upstream: Upstream,
}

impl Scene {
    /// An API whose clients are known by their certificates.
    async fn new(change: impl FnOnce(Conf, Definition) -> (Conf, Definition)) -> Self {
        let (servers, clients, upstream) = (Authority::new("servers"), Authority::new("clients"), Upstream::start());
        let definition = api("dynamic", upstream.address)
            .set("/use_keyless", false)
            .set("/auth", json!({"auth_header_name": "Authorization", "use_certificate": true}));
        let (conf, definition) = change(conf(&[&servers.server(&[NAME])]), definition);
        let gateway = conf.with(&definition).start().await;
        Self { servers, clients, gateway, _upstream: upstream }
    }

    fn caller(&self) -> Caller {
        Caller::trusting(&self.servers)
    }

    async fn operate(&self, method: Method, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
        let ask = gateway_tests::client::ask(method, path).header(SECRET_HEADER, SECRET);
        let ask = ask.body(gateway_tests::feed::whole(body));
        self.caller().ask(&self.gateway, NAME, ask).await.expect("an answer")
    }

    async fn add(&self, made: &Made) -> String {
        id_of(&self.operate(Method::POST, "/tyk/certs?org_id=default", made.certificate.clone()).await)
    }

    async fn create(&self, more: Value) -> Answer {
        let mut session = json!({"org_id": "default", "access_rights": {"dynamic": {"api_id": "dynamic"}}});
        session.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.operate(Method::POST, "/tyk/keys/create", session.to_string()).await
    }

    async fn ask(&self, who: Option<&Made>, token: Option<&str>) -> Answer {
        let caller = who.into_iter().fold(self.caller(), Caller::showing);
        let ask = token.into_iter().fold(get("/dynamic/get"), |ask, token| ask.header("authorization", token));
        caller.ask(&self.gateway, NAME, ask).await.expect("an answer")
    }
}

#[tokio::test]
async fn who_shows_a_stored_certificate_with_a_key_comes_in() {
    let scene = Scene::new(|conf, definition| (conf, definition)).await;
    let ann = scene.clients.client("ann");
    scene.ask(None, None).await.is_error(401, "Client certificate required");
    scene.ask(None, Some("token")).await.is_error(401, "Client certificate required");
    scene.ask(Some(&ann), None).await.is_error(401, DISALLOWED);
    let expired = scene.clients.expired_client("old");
    scene.ask(Some(&expired), None).await.is_error(403, "Certificate has expired");

    let id = scene.add(&ann).await;
    scene.ask(Some(&ann), None).await.is_error(401, DISALLOWED);
    let created = scene.create(json!({"certificate": id})).await;
    assert_eq!((created.status, &created.json()["key"]), (200, &json!(id)), "{}", created.text());
    for _ in 0..2 {
        assert_eq!(scene.ask(Some(&ann), None).await.status, 200);
    }
    scene.ask(None, Some(&id)).await.is_error(401, "Client certificate required");
    scene.ask(Some(&scene.clients.client("bob")), Some(&id)).await.is_error(401, DISALLOWED);

    let removed = scene.operate(Method::DELETE, &format!("/tyk/certs/{id}"), "").await;
    assert_eq!(removed.status, 200);
    scene.ask(Some(&ann), None).await.is_error(403, DISALLOWED);
}

#[tokio::test]
async fn a_bare_key_is_enough_where_that_is_allowed() {
    let unsafe_tokens = json!({"allow_unsafe_dynamic_mtls_token": true});
    let scene = Scene::new(|conf, definition| (conf.set("security", unsafe_tokens), definition)).await;
    let ann = scene.clients.client("ann");
    let id = scene.add(&ann).await;
    assert_eq!(scene.create(json!({"certificate": id})).await.status, 200);
    scene.ask(None, None).await.is_error(401, "Authorization field missing");
    scene.ask(None, Some("unknown")).await.is_error(403, DISALLOWED);
    assert_eq!(scene.ask(None, Some(&id)).await.status, 200);
    assert_eq!(scene.ask(Some(&ann), None).await.status, 200);
    assert_eq!(scene.ask(Some(&ann), Some("unknown")).await.status, 200, "its certificate says who it is");
    scene.ask(Some(&scene.clients.client("bob")), Some(&id)).await.is_error(403, DISALLOWED);
}

#[tokio::test]
async fn a_key_that_is_bound_is_taken_with_its_certificates_only() {
    let authority = Authority::new("bound");
    let pem = authority.made.certificate.clone();
    let scene = Scene::new(move |conf, definition| {
        let file = conf.folder().join("allowed.pem");
        std::fs::write(&file, pem).expect("written");
        let definition = definition.set("/auth", json!({"auth_header_name": "Authorization"}));
        let list = json!([file.display().to_string()]);
        (conf, definition.set("/use_mutual_tls_auth", true).set("/client_certificates", list))
    })
    .await;
    // Every API asks for a certificate: so must whoever operates.
    let (ann, bob) = (authority.client("ann"), authority.client("bob"));
    let operate = async |method: Method, path: &str, body: String| {
        let ask = gateway_tests::client::ask(method, path).header(SECRET_HEADER, SECRET);
        let ask = ask.body(gateway_tests::feed::whole(body));
        scene.caller().showing(&ann).ask(&scene.gateway, NAME, ask).await.expect("an answer")
    };
    let id = id_of(&operate(Method::POST, "/tyk/certs?org_id=default", ann.certificate.clone()).await);
    let session = json!({
        "org_id": "default",
        "access_rights": {"dynamic": {"api_id": "dynamic"}},
        "mtls_static_certificate_bindings": ["other", id],
    });
    let created = operate(Method::POST, "/tyk/keys/create", session.to_string()).await;
    let key = created.json()["key"].as_str().expect("a key").to_owned();
    for _ in 0..2 {
        assert_eq!(scene.ask(Some(&ann), Some(&key)).await.status, 200);
        scene.ask(Some(&bob), Some(&key)).await.is_error(401, DISALLOWED);
    }
}

/// Source: gateway.md §5.15.
#[tokio::test]
async fn a_certificate_may_need_a_signature_too() {
    let signature = json!({"algorithm": "MasherySHA256", "header": "x-signature", "secret": "s",
        "allowed_clock_skew": 30});
    let scene = Scene::new(|conf, definition| {
        let auth = json!({"auth_header_name": "Authorization", "use_certificate": true, "validate_signature": true,
            "signature": signature});
        (conf, definition.set("/auth", auth))
    })
    .await;
    let ann = scene.clients.client("ann");
    let id = scene.add(&ann).await;
    assert_eq!(scene.create(json!({"certificate": id})).await.status, 200);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let digest = digest::digest(&digest::SHA256, format!("{id}s{now}").as_bytes());
    let signature: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    for _ in 0..2 {
        scene.ask(Some(&ann), None).await.is_error(401, "Request signature verification failed");
        let signed = get("/dynamic/get").header("x-signature", &signature);
        let answer = scene.caller().showing(&ann).ask(&scene.gateway, NAME, signed).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Whatever a client shows beside its certificate: a password, a signature, a JSON web token.
#[tokio::test]
async fn who_is_bound_is_bound_however_they_say_who_they_are() {
    let authority = Authority::new("bound");
    let pem = authority.made.certificate.clone();
    let scene = Scene::new(move |conf, definition| {
        let file = conf.folder().join("allowed.pem");
        std::fs::write(&file, pem).expect("written");
        let list = json!([file.display().to_string()]);
        let other = |id: &str, way: &str| {
            let definition = definition.clone().set("/auth", json!({})).set("/api_id", id).set(way, true);
            let definition = definition.set("/proxy/listen_path", format!("/{id}/"));
            definition.set("/use_mutual_tls_auth", true).set("/client_certificates", list.clone())
        };
        let jwt = other("jwt", "/enable_jwt").set("/jwt_signing_method", "hmac");
        let conf = conf.with(&other("basic", "/use_basic_auth")).with(&jwt);
        (conf.with(&other("signed", "/enable_signature_checking")), definition)
    })
    .await;
    let (ann, bob) = (authority.client("ann"), authority.client("bob"));
    let id = scene.add(&ann).await;
    let session = json!({
        "org_id": "default",
        "access_rights": {"basic": {"api_id": "basic"}, "jwt": {"api_id": "jwt"}, "signed": {"api_id": "signed"}},
        "basic_auth_data": {"password": "secret"},
        "jwt_data": {"secret": SECRET_OF_KEY},
        "hmac_enabled": true,
        "hmac_string": SECRET_OF_KEY,
        "mtls_static_certificate_bindings": [id],
    });
    assert_eq!(scene.operate(Method::POST, "/tyk/keys/ada", session.to_string()).await.status, 200);
    let tag = |text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET_OF_KEY.as_bytes()), text.as_bytes());
    let date = httpdate::fmt_http_date(SystemTime::now());
    let signature = BASE64_STANDARD.encode(tag(&format!("date: {date}")));
    let parts = [json!({"alg": "HS256", "kid": "ada"}), json!({"sub": "ada"})];
    let text = parts.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    for (path, authorization) in [
        ("/basic/get", format!("Basic {}", BASE64_STANDARD.encode("ada:secret"))),
        ("/signed/get", format!("Signature keyId=\"ada\",algorithm=\"hmac-sha256\",signature=\"{signature}\"")),
        ("/jwt/get", format!("Bearer {text}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag(&text)))),
    ] {
        for _ in 0..2 {
            let ask = async |who: &Made| {
                let ask = get(path).header("authorization", &authorization).header("date", &date);
                scene.caller().showing(who).ask(&scene.gateway, NAME, ask).await.expect("an answer")
            };
            let answer = ask(&ann).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            ask(&bob).await.is_error(401, DISALLOWED);
        }
    }
}

/// Source: gateway.md §2.6.
#[tokio::test]
async fn a_key_of_a_certificate_is_its_only_one_and_keeps_one_that_is_stored() {
    let scene = Scene::new(|conf, definition| (conf, definition)).await;
    let (one, two) = (scene.add(&scene.clients.client("one")).await, scene.add(&scene.clients.client("two")).await);
    assert_eq!(scene.create(json!({"certificate": one})).await.json()["key"], one.as_str());
    let again = scene.create(json!({"certificate": one})).await;
    again.is_refusal(400, &format!("Failed to create key - Key with given certificate already found:{one}"));
    let update = async |certificate: &str| {
        let session = json!({
            "org_id": "default",
            "access_rights": {"dynamic": {"api_id": "dynamic"}},
            "certificate": certificate,
        });
        scene.operate(Method::PUT, &format!("/tyk/keys/{one}"), session.to_string()).await
    };
    update("").await.is_refusal(400, "Key cannot be used without a certificate");
    update(&"0".repeat(64)).await.is_refusal(400, "Key must be used with an existent certificate");
    assert_eq!(update(&two).await.status, 200);
    assert_eq!(update(&two).await.status, 200, "the same is not looked for");
}
