//! Certificates in the store: how they are added, read and removed, and that an id does wherever a file does; clients whose
//! certificate stands for a key. Source: gateway.md §2.6, §2.9, §5.11, §5.15, §5.16.

mod clients;

use std::net::SocketAddr;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get};
use http::Method;
use serde_json::{Value, json};

use super::pki::{self, wish};
use super::secure::Secure;
use super::tls::scene::{Authority, Caller, Made, conf};

const NO_PEM: &str = "Failed to decode certificate. It should be PEM encoded.";

/// Adds a certificate over an open gateway, and gives its id.
async fn add(gateway: &Gateway, pem: &str) -> String {
    let answer = gateway.operate(Method::POST, "/tyk/certs?org_id=default", pem.to_owned()).await;
    id_of(&answer)
}

fn id_of(added: &Answer) -> String {
    let told = added.json();
    assert_eq!(
        (added.status, &told["status"], &told["message"]),
        (200, &json!("ok"), &json!("Certificate added")),
        "{told}"
    );
    told["id"].as_str().expect("an id").to_owned()
}

fn joined(made: &Made) -> String {
    format!("{}{}", made.certificate, made.key)
}

async fn refused(gateway: &Gateway, pem: &str, message: &str) {
    gateway.operate(Method::POST, "/tyk/certs?org_id=default", pem.to_owned()).await.is_refusal(403, message);
}

/// Source: gateway.md §2.9, §12, 28.
/// An id of no certificate.
const ABSENT: &str = "abababababababababababababababababababababababababababababababab";

#[tokio::test]
async fn a_certificate_is_added_read_listed_and_removed() {
    let (gateway, authority) = (Conf::default().start().await, Authority::new("CA"));
    let server = authority.server(&["a.example.com"]);
    let id = add(&gateway, &joined(&server)).await;
    assert!(id.starts_with("default") && id.len() == "default".len() + 64, "{id}");
    refused(&gateway, &server.certificate, &format!("Certificate with {id} id already exists")).await;
    let issuer = add(&gateway, &authority.made.certificate).await;

    let one = gateway.control(&format!("/tyk/certs/{id}")).await.json();
    assert_eq!((&one["id"], &one["has_private"], &one["is_ca"]), (&json!(id), &json!(true), &json!(false)), "{one}");
    assert_eq!((&one["fingerprint"], &one["issuer"]["CommonName"]), (&json!(id["default".len()..]), &json!("CA")));
    assert_eq!(one["dns_names"], json!(["a.example.com"]));
    let several = gateway.control(&format!("/tyk/certs/{id},{},{issuer}", "0".repeat(64))).await.json();
    assert_eq!((&several[0], &several[1], &several[2]["is_ca"]), (&one, &Value::Null, &json!(true)), "{several}");
    let missing = gateway.control(&format!("/tyk/certs/{}", "0".repeat(64))).await;
    missing.is_refusal(404, "Certificate with given SHA256 fingerprint not found");

    let mut ids = [id.as_str(), &issuer];
    ids.sort_unstable();
    assert_eq!(gateway.control("/tyk/certs?org_id=default").await.json(), json!({"certs": ids}));
    assert_eq!(gateway.control("/tyk/certs?org_id=other").await.json(), json!({"certs": []}));
    let detailed = gateway.control("/tyk/certs?mode=detailed").await.json();
    let listed = detailed["certs"].as_array().expect("a list").iter().find(|entry| entry["id"] == id.as_str());
    let listed = listed.expect("it is in the list");
    assert_eq!((&listed["issuer_cn"], &listed["dns_names"]), (&json!("CA"), &json!(["a.example.com"])), "{detailed}");
    assert!(listed["not_after"].as_str().is_some_and(|time| time.ends_with('Z')));

    for _ in 0..2 {
        let removed = gateway.operate(Method::DELETE, &format!("/tyk/certs/{id}?org_id=default"), "").await;
        removed.is_reply(200, r#"{"status":"ok","message":"removed"}"#);
    }
    assert_eq!(gateway.control(&format!("/tyk/certs/{id}")).await.status, 404);
}

/// Source: gateway.md §2.9, §12.28: what is wrong is a 403.
#[tokio::test]
async fn what_cannot_be_stored_is_refused_in_the_documented_words() {
    let (gateway, authority) = (Conf::default().start().await, Authority::new("CA"));
    let (one, other) = (authority.server(&["a"]), authority.server(&["b"]));
    let public = pki::Authority::new("key").public_key();
    refused(&gateway, "", NO_PEM).await;
    refused(&gateway, "junk", NO_PEM).await;
    refused(&gateway, &authority.expired_client("old").certificate, "certificate is expired").await;
    refused(&gateway, &format!("{}{}", joined(&one), other.key), "Found multiple private keys").await;
    refused(&gateway, &format!("{}{public}", one.certificate), "Public keys can't be combined with certificates").await;
    refused(&gateway, &format!("{}{}", one.certificate, other.key), "tls: private key does not match public key").await;
    let binary = gateway.operate(Method::POST, "/tyk/certs", vec![0xff, 0xfe]).await;
    binary.is_refusal(403, NO_PEM);
    let key = add(&gateway, &public).await;
    let told = gateway.control(&format!("/tyk/certs/{key}")).await.json();
    assert_eq!(told["subject"]["CommonName"], format!("Public Key: {}", &key["default".len()..]));
    assert_eq!(gateway.control("/tyk/certs").await.json(), json!({"certs": [key]}), "nothing else was stored");
}

/// A gateway whose store in a file has these certificates, and their ids.
async fn with_stored(conf: Conf, pems: &[&str]) -> (Conf, Vec<String>) {
    let store = json!({"path": conf.folder().join("keys")});
    let first = Conf::default().set("storage", store.clone()).start().await;
    let mut ids = Vec::new();
    for pem in pems {
        ids.push(add(&first, pem).await);
    }
    assert_eq!(first.terminate().await.code(), Some(0));
    (conf.set("storage", store), ids)
}

/// They survive a restart, too.
#[tokio::test]
async fn a_server_shows_what_the_store_has_for_a_name() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let (first, own) = (authority.server(&["first.example.com"]), authority.server(&["api.example.org"]));
    let plain = Conf::default().server("use_ssl", true).set("enable_custom_domains", true);
    let (conf, ids) = with_stored(plain, &[&joined(&first), &joined(&own)]).await;
    let definition =
        api("mine", upstream.address).set("/domain", "api.example.org").set("/certificates", json!([ids[1]]));
    let gateway = conf.server("ssl_certificates", json!([ids[0]])).with(&definition).start().await;
    let caller = Caller::trusting(&authority);
    assert_eq!(caller.shown(&gateway, "first.example.com").await, first.der());
    assert_eq!(caller.shown(&gateway, "api.example.org").await, own.der());
}

#[tokio::test]
async fn a_certificate_that_is_not_in_the_store_is_told_and_taken_up_by_a_reload() {
    let (authority, upstream) = (Authority::new("CA"), Upstream::start());
    let (first, own) = (authority.server(&["first.example.com"]), authority.server(&["api.example.org"]));
    // What its id will be.
    let id = {
        let other = Conf::default().start().await;
        add(&other, &joined(&own)).await
    };
    let definition = api("mine", upstream.address).set("/domain", "api.example.org").set("/certificates", json!([id]));
    let gateway = conf(&[&first]).set("enable_custom_domains", true).with(&definition).start().await;
    let told = |line: &gateway_tests::log::Line| {
        let advice = "certificates[0]: `default";
        line.text.contains(advice) && line.text.contains("add it with `POST /tyk/certs` and reload")
    };
    gateway.log().wait("a warning", told).await;
    let caller = Caller::trusting(&authority);
    let mut client = caller.client(&gateway, "first.example.com").await;
    let post = gateway_tests::client::post("/tyk/certs?org_id=default", joined(&own)).header(SECRET_HEADER, SECRET);
    assert_eq!(id_of(&client.ask(post).await), id);
    assert!(caller.try_connect(&gateway, "api.example.org").await.is_err(), "not before a reload");
    let reload = get("/tyk/reload?block=true").header(SECRET_HEADER, SECRET);
    assert_eq!(client.ask(reload).await.status, 200);
    assert_eq!(caller.shown(&gateway, "api.example.org").await, own.der());
}

#[tokio::test]
async fn clients_and_operators_are_allowed_by_ids() {
    let (servers, clients, upstream) = (Authority::new("servers"), Authority::new("clients"), Upstream::start());
    let (leaf, everywhere, operator) =
        (clients.client("leaf"), Authority::new("x").client("everywhere"), Authority::new("y").client("operator"));
    let base = conf(&[&servers.server(&["gw.example.com"])]);
    let (conf, ids) = with_stored(base, &[&leaf.certificate, &everywhere.certificate, &operator.certificate]).await;
    let guarded =
        api("secure", upstream.address).set("/use_mutual_tls_auth", true).set("/client_certificates", json!([ids[0]]));
    let certificates = json!({"apis": [ids[1]], "control_api": [ids[2]]});
    let security = json!({"control_api_use_mutual_tls": true, "certificates": certificates});
    let open = api("open", upstream.address);
    let absent =
        api("absent", upstream.address).set("/use_mutual_tls_auth", true).set("/client_certificates", json!([ABSENT]));
    let gateway = conf.with(&guarded).with(&absent).with(&open).set("security", security).start().await;
    let told =
        |line: &gateway_tests::log::Line| line.text.contains("client_certificates[0]") && line.text.contains(ABSENT);
    assert_eq!(gateway.log().wait("a warning", told).await.field("level"), "WARN");
    let ask = async |who: &Made, path: &str| {
        let asked = get(path).header(SECRET_HEADER, SECRET);
        Caller::trusting(&servers).showing(who).ask(&gateway, "gw.example.com", asked).await.expect("an answer").status
    };
    for (who, api, control) in
        [(&leaf, 200, 403), (&everywhere, 200, 403), (&operator, 403, 200), (&clients.client("z"), 403, 403)]
    {
        assert_eq!(ask(who, "/secure/get").await, api);
        assert_eq!(ask(who, "/tyk/apis").await, control);
    }
    // Those whom every API lets in come in here too; of its own list nobody is there yet.
    assert_eq!((ask(&leaf, "/absent/get").await, ask(&everywhere, "/absent/get").await), (403, 200));
}

#[tokio::test]
async fn an_upstream_is_shown_what_the_store_has_and_pinned_by_it() {
    let (authority, clients) = (pki::Authority::new("ours"), pki::Authority::new("of clients"));
    let server = authority.issue(wish(&["localhost"]));
    let upstream = Secure::start(server.server().clients_of(&clients).config()).await;
    let alone = wish(&["elsewhere"]).alone();
    let pinned = Secure::start(alone.server().config()).await;
    let https = |id: &str, to: SocketAddr| -> Definition {
        api(id, to).set("/proxy/target_url", format!("https://localhost:{}/", to.port()))
    };
    let conf = Conf::default();
    let roots = conf.folder().join("roots.pem");
    std::fs::write(&roots, &authority.pem).expect("written");
    let gateway = conf.set("proxy_ssl_ca_file", roots.display().to_string()).start().await;
    let shown = clients.issue(wish(&["gateway"])).pem();
    let id = {
        let other = Conf::default().start().await;
        add(&other, &shown).await
    };
    gateway.write(&https("shown", upstream.address).set("/upstream_certificates", json!({"*": id})));
    gateway.reload().await;
    let told = |line: &gateway_tests::log::Line| {
        line.text.contains("upstream_certificates") && line.text.contains("no certificate in the store")
    };
    gateway.log().wait("a warning", told).await;
    assert_eq!(gateway.get("/shown/").await.status, 500, "it wants a certificate");
    add(&gateway, &shown).await;
    let (certificate, key) =
        (add(&gateway, &alone.certificate).await, add(&gateway, &alone.key.public_key_pem()).await);
    gateway.write(&https("by_certificate", pinned.address).set("/pinned_public_keys", json!({"*": certificate})));
    gateway.write(&https("by_key", pinned.address).set("/pinned_public_keys", json!({"*": key})));
    gateway.reload().await;
    for path in ["/shown/", "/by_certificate/", "/by_key/"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
}
