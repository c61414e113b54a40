//! TLS toward upstreams: who is believed, what is shown, and what the log says when nobody is.

use std::net::SocketAddr;

use gateway_tests::{Answer, Client, Conf, Definition, Gateway, api, get};
use serde_json::{Value, json};
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::pki::{Authority, Certified, wish};
use crate::secure::Secure;

const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
const FAILED: &str = "There was a problem proxying the request";

fn https(id: &str, upstream: SocketAddr) -> Definition {
    api(id, upstream).set("/proxy/target_url", format!("https://localhost:{}/", upstream.port()))
}

/// A gateway that knows an authority.
fn knowing(authority: &Authority) -> Conf {
    let conf = Conf::default();
    let file = conf.folder().join("roots.pem");
    std::fs::write(&file, &authority.pem).expect("a file in a folder of ours");
    conf.set("proxy_ssl_ca_file", file.to_str().expect("a path"))
}

fn written(conf: &Conf, name: &str, text: &str) -> String {
    let file = conf.folder().join(name);
    std::fs::write(&file, text).expect("a file in a folder of ours");
    file.to_str().expect("a path").to_owned()
}

async fn is_refused(gateway: &Gateway, path: &str, reason: &str) {
    gateway.get(path).await.is_error(500, FAILED);
    let told = |line: &gateway_tests::log::Line| line.field("error").contains(reason);
    let line = gateway.log().wait(reason, told).await;
    assert!(line.field("error").contains("localhost:"), "the log names the host: {}", line.text);
}

fn facts(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn an_upstream_is_believed_whose_issuer_is_known() {
    let authority = Authority::new("ours");
    let upstream = Secure::start(authority.issue(wish(&["localhost"])).server().config()).await;
    let gateway = knowing(&authority).with(&https("safe", upstream.address)).start().await;
    let mut client = gateway.connect().await;
    let seen = facts(&client.ask(get("/safe/x?y=1")).await);
    assert_eq!(seen["version"], "HTTP/1.1");
    assert_eq!(seen["tls"], "TLSv1_3");
    assert_eq!(seen["sni"], "localhost");
    assert_eq!(seen["uri"], "/x?y=1");
    assert_eq!(seen["headers"]["host"], format!("localhost:{}", upstream.address.port()));
    assert_eq!(facts(&client.ask(get("/safe/")).await)["connection"], seen["connection"], "connections are kept");
}

#[tokio::test]
async fn who_is_not_believed_is_told_in_the_log() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let cases: [(&str, Certified, &str); 3] = [
        ("stranger", unknown.issue(wish(&["localhost"])), "nobody known has issued its certificate"),
        ("old", known.issue(wish(&["localhost"]).expired()), "its certificate has expired"),
        ("other", known.issue(wish(&["elsewhere"])), "its certificate is for another name"),
    ];
    let mut conf = knowing(&known);
    for (id, certified, _) in &cases {
        let upstream = Secure::start(certified.server().config()).await;
        conf = conf.with(&https(id, upstream.address));
    }
    let gateway = conf.start().await;
    for (id, _, reason) in &cases {
        is_refused(&gateway, &format!("/{id}/"), reason).await;
    }
}

#[tokio::test]
async fn any_certificate_will_do_where_the_definition_says_so_and_the_log_warns() {
    let upstream = Secure::start(wish(&["elsewhere"]).expired().alone().server().config()).await;
    let lax = https("lax", upstream.address).set("/proxy/transport", json!({"ssl_insecure_skip_verify": true}));
    let gateway = Conf::default().with(&lax).with(&https("strict", upstream.address)).start().await;
    facts(&gateway.get("/lax/").await);
    // The connection that is there is not for those who ask for more.
    is_refused(&gateway, "/strict/", "certificate").await;
    let warned = |line: &gateway_tests::log::Line| line.text.contains("proxy.transport.ssl_insecure_skip_verify");
    gateway.log().wait("a warning", warned).await;
}

#[tokio::test]
async fn a_pinned_key_is_believed_and_no_other_is() {
    let own = wish(&["elsewhere"]).alone();
    let upstream = Secure::start(own.server().config()).await;
    let pinned =
        |id: &str, key: &str| https(id, upstream.address).set("/pinned_public_keys", json!({"localhost": key}));
    let conf = Conf::default();
    let file = written(&conf, "key.pem", &own.key.public_key_pem());
    let wrong = "0".repeat(64);
    let gateway = conf
        .with(&pinned("digest", &format!("{wrong},{}", own.pin())))
        .with(&pinned("id", &format!("{}{}", "5".repeat(24), own.pin())))
        .with(&pinned("file", &file))
        .with(&pinned("wrong", &wrong))
        .with(&pinned("off", &wrong).set("/certificate_pinning_disabled", true))
        .start()
        .await;
    for id in ["digest", "id", "file"] {
        facts(&gateway.get(&format!("/{id}/")).await);
    }
    is_refused(&gateway, "/wrong/", &format!("the key it has is {}", own.pin())).await;
    is_refused(&gateway, "/off/", "certificate").await;
}

#[tokio::test]
async fn a_pinned_issuer_must_have_issued_and_is_not_only_shown() {
    let pinned = Authority::new("pinned");
    let issued = Certified { chain: pinned.pem.clone(), ..pinned.issue(wish(&["localhost"])) };
    let shown = Certified { chain: pinned.pem.clone(), ..wish(&["localhost"]).alone() };
    let elsewhere = Certified { chain: pinned.pem.clone(), ..pinned.issue(wish(&["elsewhere"])) };
    let mut conf = Conf::default();
    let key = written(&conf, "issuer.pem", &pinned.public_key());
    for (id, certified) in [("issued", &issued), ("shown", &shown), ("elsewhere", &elsewhere)] {
        let upstream = Secure::start(certified.server().config()).await;
        conf = conf.with(&https(id, upstream.address).set("/pinned_public_keys", json!({"*": key})));
    }
    let gateway = conf.start().await;
    facts(&gateway.get("/issued/").await);
    is_refused(&gateway, "/shown/", "certificate").await;
    is_refused(&gateway, "/elsewhere/", "another name").await;
}

#[tokio::test]
async fn the_common_name_decides_where_it_is_asked_for() {
    let authority = Authority::new("ours");
    let named = Secure::start(authority.issue(wish(&["elsewhere"]).common_name("localhost")).server().config()).await;
    let other = Secure::start(authority.issue(wish(&["localhost"]).common_name("elsewhere")).server().config()).await;
    let asked =
        |id: &str, upstream| https(id, upstream).set("/proxy/transport", json!({"ssl_force_common_name_check": true}));
    let gateway =
        knowing(&authority).with(&asked("named", named.address)).with(&asked("other", other.address)).start().await;
    facts(&gateway.get("/named/").await);
    is_refused(&gateway, "/other/", "common name is `elsewhere`, and `localhost` was asked for").await;
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_to_whom_it_is_for() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("of clients"));
    let server = authority.issue(wish(&["localhost"]));
    let upstream = Secure::start(server.server().clients_of(&clients).config()).await;
    let conf = knowing(&authority);
    let file = written(&conf, "client.pem", &clients.issue(wish(&["gateway"])).pem());
    let certified =
        |id: &str, name: &str| https(id, upstream.address).set("/upstream_certificates", json!({name: file}));
    let gateway = conf
        .with(&certified("all", "*"))
        .with(&certified("port", &format!("localhost:{}", upstream.address.port())))
        .with(&certified("other", "*.example.com"))
        .with(&certified("off", "*").set("/upstream_certificates_disabled", true))
        .with(&https("none", upstream.address))
        .start()
        .await;
    let mut client = gateway.connect().await;
    for id in ["all", "port"] {
        assert_eq!(facts(&client.ask(get(&format!("/{id}/"))).await)["client"], 1);
    }
    assert_eq!(upstream.connections(), 1, "the same settings share connections");
    for id in ["other", "off", "none"] {
        is_refused(&gateway, &format!("/{id}/"), "it wants a certificate of the gateway").await;
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_after_a_reload() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("of clients"));
    let server = authority.issue(wish(&["localhost"]));
    let upstream = Secure::start(server.server().clients_of(&clients).config()).await;
    let conf = knowing(&authority);
    let stranger = Authority::new("stranger").issue(wish(&["gateway"]));
    let file = written(&conf, "client.pem", &stranger.pem());
    let renewed = clients.issue(wish(&["gateway", "and.another.name"])).pem();
    let gateway =
        conf.with(&https("renewed", upstream.address).set("/upstream_certificates", json!({"*": file}))).start().await;
    is_refused(&gateway, "/renewed/", "it ended the connection").await;
    std::fs::write(&file, renewed).expect("a file in a folder of ours");
    gateway.reload().await;
    facts(&gateway.get("/renewed/").await);
}

#[tokio::test]
async fn what_cannot_be_read_closes_the_api_and_says_why() {
    let upstream = SocketAddr::from(([127, 0, 0, 1], 1));
    let id = "a".repeat(64);
    let cases = [
        ("stored", "/upstream_certificates", json!({"*": id}), "no certificate in the store has that id"),
        (
            "absent",
            "/upstream_certificates",
            json!({"*": "/nowhere.pem"}),
            "/nowhere.pem: No such file or directory (os error 2); name a PEM file",
        ),
        (
            "keyless",
            "/pinned_public_keys",
            json!({"a.b": "/nowhere.pem"}),
            "/nowhere.pem: No such file or directory (os error 2); name a PEM file",
        ),
        ("version", "/proxy/transport", json!({"ssl_min_version": 1}), "is no version of TLS"),
        ("suite", "/proxy/transport", json!({"ssl_ciphers": ["RC4"]}), "no cipher suite is named `RC4`"),
        ("proxy", "/proxy/transport", json!({"proxy_url": "socks5://x"}), "`socks5` proxies are not served"),
        ("tcp", "/protocol", json!("tcp"), "`tcp` is not served: this gateway forwards HTTP"),
    ];
    let mut conf = Conf::default();
    for (id, pointer, value, _) in &cases {
        conf = conf.with(&https(id, upstream).set(pointer, value.clone()));
    }
    let gateway = conf.start().await;
    for (id, pointer, _, reason) in cases {
        gateway.get(&format!("/{id}/")).await.is_error(500, "Internal Server Error");
        let field = pointer.rsplit('/').next().unwrap_or_default();
        let told = |line: &gateway_tests::log::Line| line.text.contains(field) && line.text.contains(reason);
        gateway.log().wait(reason, told).await;
    }
}

/// Whatever `ssl_max_version` says, it means TLS 1.2. Source: gateway.md §3.2, §12.26.
#[tokio::test]
async fn versions_and_suites_are_those_of_the_definition() {
    let authority = Authority::new("ours");
    let certified = authority.issue(wish(&["localhost"]));
    let both = Secure::start(certified.server().config()).await;
    let old = Secure::start(certified.server().versions(ONLY_12).config()).await;
    let new = Secure::start(certified.server().versions(ONLY_13).config()).await;
    let suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305";
    let with =
        |id: &str, upstream: &Secure, transport: Value| https(id, upstream.address).set("/proxy/transport", transport);
    let gateway = knowing(&authority)
        .with(&with("max", &both, json!({"ssl_max_version": 772, "ssl_ciphers": [suite]})))
        .with(&with("min", &old, json!({"ssl_min_version": 772})))
        .with(&with("low", &new, json!({"ssl_max_version": 771})))
        .start()
        .await;
    let seen = facts(&gateway.get("/max/").await);
    assert_eq!(seen["tls"], "TLSv1_2");
    assert_eq!(seen["suite"], "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    for id in ["min", "low"] {
        is_refused(&gateway, &format!("/{id}/"), "the alert ProtocolVersion").await;
    }
}

#[tokio::test]
async fn certificates_and_pins_of_the_gateway_are_for_every_api_and_a_definitions_win() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("of clients"));
    let server = authority.issue(wish(&["localhost"]));
    let upstream = Secure::start(server.server().clients_of(&clients).config()).await;
    let conf = Conf::default();
    let file = written(&conf, "client.pem", &clients.issue(wish(&["gateway"])).pem());
    let wrong = "0".repeat(64);
    let gateway = conf
        .set("security", json!({"certificates": {"upstream": {"*": file}}, "pinned_public_keys": {"*": server.pin()}}))
        .with(&https("global", upstream.address))
        .with(&https("own", upstream.address).set("/pinned_public_keys", json!({"localhost": wrong})))
        .start()
        .await;
    assert_eq!(facts(&gateway.get("/global/").await)["client"], 1);
    is_refused(&gateway, "/own/", "its public key is not one of those").await;
}

#[tokio::test]
async fn the_systems_list_of_authorities_takes_the_place_of_ours() {
    let authority = Authority::new("ours");
    let upstream = Secure::start(authority.issue(wish(&["localhost"])).server().config()).await;
    let conf = Conf::default().with(&https("safe", upstream.address));
    let file = written(&conf, "roots.pem", &authority.pem);
    let process = conf.spawn_by(&["--port", "0"], |command| {
        let mut changed = std::process::Command::new(command.get_program());
        changed
            .env_clear()
            .args(command.get_args())
            .current_dir(command.get_current_dir().expect("it has one"))
            .env("SSL_CERT_FILE", &file);
        changed
    });
    let line = process.log.message("listening").await;
    let mut client = Client::connect(line.field("address").parse().expect("an address")).await;
    facts(&client.ask(get("/safe/")).await);
}
