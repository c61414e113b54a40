//! Client certificates: in the handshake where all APIs of a name ask for them, and for each API. Source: Tyk,
//! `gateway/mw_certificate_check.go`, `internal/crypto/helpers.go`.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get};
use serde_json::json;
use tokio_rustls::rustls::ALL_VERSIONS;

use super::reload;
use super::scene::{Authority, Caller, Made, conf};

struct Scene {
    servers: Authority,
    clients: Authority,
    upstream: Upstream,
}

impl Scene {
    fn new() -> Self {
        Self { servers: Authority::new("servers"), clients: Authority::new("clients"), upstream: Upstream::start() }
    }

    fn conf(&self) -> Conf {
        conf(&[&self.servers.server(&["secure.example.com", "open.example.com"])])
    }

    /// An API that asks for certificates of `clients`, or of those in `listed`.
    fn guarded(&self, conf: &Conf, listed: &[&Made]) -> Definition {
        let file = |(at, made): (usize, &&Made)| made.public(conf.folder(), &format!("allowed{at}"));
        let files: Vec<String> = listed.iter().enumerate().map(file).collect();
        let definition = api("secure", self.upstream.address).set("/use_mutual_tls_auth", true);
        definition.set("/client_certificates", json!(files))
    }

    fn caller(&self) -> Caller {
        Caller::trusting(&self.servers)
    }
}

/// What a caller is answered; `None` if it was not let in.
async fn told(gateway: &Gateway, caller: Caller) -> Option<(u16, String)> {
    let answer = caller.ask(gateway, "secure.example.com", get("/secure/get")).await?;
    let message = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    Some((answer.status, message))
}

#[tokio::test]
async fn where_every_api_asks_for_a_certificate_nobody_comes_in_without() {
    let scene = Scene::new();
    let conf = scene.conf();
    let expired = scene.clients.expired_client("old");
    let definition = scene.guarded(&conf, &[&scene.clients.made, &expired]);
    let gateway = conf.with(&definition).start().await;
    assert_eq!(told(&gateway, scene.caller()).await, None, "none");
    assert_eq!(told(&gateway, scene.caller().showing(&Authority::new("clients").client("x"))).await, None, "wrong CA");
    assert_eq!(told(&gateway, scene.caller().showing(&expired)).await, None, "expired");
    let right = scene.clients.client("right");
    for version in ALL_VERSIONS {
        assert_eq!(told(&gateway, scene.caller().by(version)).await, None, "none, by {version:?}");
        let right = scene.caller().by(version).showing(&right);
        assert_eq!(told(&gateway, right).await, Some((200, String::new())), "right, by {version:?}");
    }
    assert_eq!(scene.upstream.seen().len(), ALL_VERSIONS.len());
}

#[tokio::test]
async fn where_some_do_each_api_looks_for_itself() {
    let scene = Scene::new();
    let conf = scene.conf();
    let (expired, leaf) = (scene.clients.expired_client("old"), Authority::new("nobody").client("leaf"));
    let definition = scene.guarded(&conf, &[&scene.clients.made, &expired, &leaf]);
    let gateway = conf.with(&definition).with(&api("open", scene.upstream.address)).start().await;
    let refused = |message: &str| Some((403, message.to_owned()));
    assert_eq!(told(&gateway, scene.caller()).await, refused("Client TLS certificate is required"));
    let wrong = Authority::new("clients").client("x");
    let (status, message) = told(&gateway, scene.caller().showing(&wrong)).await.expect("an answer");
    let digest = message.strip_prefix("Certificate with SHA256 ").and_then(|rest| rest.strip_suffix(" not allowed"));
    assert_eq!((status, digest.map(str::len)), (403, Some(64)), "{message}");
    assert_eq!(told(&gateway, scene.caller().showing(&expired)).await, refused("Certificate has expired"));
    let own_expired = scene.clients.expired_client("other");
    assert_eq!(told(&gateway, scene.caller().showing(&own_expired)).await.map(|told| told.0), Some(403));
    for right in [&scene.clients.client("right"), &leaf] {
        // The second time it is known.
        let mut client = scene.caller().showing(right).client(&gateway, "secure.example.com").await;
        for _ in 0..2 {
            assert_eq!(client.ask(get("/secure/get")).await.status, 200);
        }
    }
    let open = scene.caller().ask(&gateway, "secure.example.com", get("/open/get")).await;
    assert_eq!(open.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_name_in_the_handshake_and_another_in_the_request_open_nothing() {
    let scene = Scene::new();
    let conf = scene.conf().set("enable_custom_domains", true);
    let secure = scene.guarded(&conf, &[&scene.clients.made]).set("/domain", "secure.example.com");
    let open = api("open", scene.upstream.address).set("/domain", "open.example.com");
    let gateway = conf.with(&secure).with(&open).start().await;
    let at = |path: &str, host: &str| gateway_tests::Ask::to(host, path);
    // The handshake for the open name asks for nothing; the request is for the other.
    let mut client = scene.caller().client(&gateway, "open.example.com").await;
    assert_eq!(client.ask(at("/open/get", "open.example.com")).await.status, 200);
    client.ask(at("/secure/get", "secure.example.com")).await.is_error(403, "Client TLS certificate is required");
    client.ask(at("/secure/get", "SECURE.example.com.")).await.is_error(403, "Client TLS certificate is required");
    // Nor does one that was let in by its own name, and asked for by nobody.
    assert_eq!(told(&gateway, scene.caller()).await, None);
    assert_eq!(scene.upstream.seen().len(), 1);
    let right = scene.clients.client("right");
    let mut client = scene.caller().showing(&right).client(&gateway, "secure.example.com").await;
    assert_eq!(client.ask(at("/secure/get", "secure.example.com")).await.status, 200);
    assert_eq!(client.ask(at("/open/get", "open.example.com")).await.status, 200);
}

#[tokio::test]
async fn clients_of_the_whole_gateway_are_let_in_everywhere() {
    let scene = Scene::new();
    let conf = scene.conf();
    let ca = scene.clients.made.public(conf.folder(), "everywhere");
    let conf = conf.set("security", json!({"certificates": {"apis": [ca]}}));
    let definition = scene.guarded(&conf, &[]);
    let gateway = conf.with(&definition).start().await;
    let right = scene.clients.client("right");
    assert_eq!(told(&gateway, scene.caller().showing(&right)).await, Some((200, String::new())));
    assert_eq!(told(&gateway, scene.caller()).await, None);
}

#[tokio::test]
async fn without_tls_nobody_is_let_in_and_the_log_says_why() {
    let scene = Scene::new();
    let conf = Conf::default();
    let definition = scene.guarded(&conf, &[&scene.clients.made]);
    let gateway = conf.with(&definition).start().await;
    gateway.get("/secure/get").await.is_error(403, "TLS not enabled");
    let finding = gateway.log().message("API definition").await;
    assert!(
        finding
            .field("finding")
            .contains("use_mutual_tls_auth: asks for client certificates, and the gateway has no TLS")
    );
    assert!(scene.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_list_that_cannot_be_read_closes_the_api_and_one_that_breaks_later_stays() {
    let scene = Scene::new();
    let conf = scene.conf();
    let missing = scene.guarded(&conf, &[]).set("/client_certificates", json!(["/nowhere/list.pem"]));
    let gateway = conf.with(&missing).with(&api("open", scene.upstream.address)).start().await;
    let right = scene.clients.client("right");
    assert_eq!(told(&gateway, scene.caller().showing(&right)).await.map(|told| told.0), Some(500));
    let finding = gateway.log().message("API definition").await;
    assert!(
        finding.field("finding").contains("client_certificates[0]: /nowhere/list.pem: No such file"),
        "{}",
        finding.text
    );

    let file = scene.clients.made.public(gateway.folder(), "list");
    gateway.write(&missing.clone().set("/client_certificates", json!([file])));
    reload(&gateway, 1).await;
    assert_eq!(told(&gateway, scene.caller().showing(&right)).await, Some((200, String::new())));
    std::fs::write(&file, "nothing").expect("written");
    reload(&gateway, 2).await;
    assert_eq!(told(&gateway, scene.caller().showing(&right)).await, Some((200, String::new())), "the old list");
    // Another list in the same file, under a definition that has not changed; for connections that are there too.
    let mut client = scene.caller().showing(&right).client(&gateway, "secure.example.com").await;
    assert_eq!(client.ask(get("/secure/get")).await.status, 200);
    std::fs::write(&file, &Authority::new("clients").made.certificate).expect("written");
    reload(&gateway, 3).await;
    assert_eq!(client.ask(get("/secure/get")).await.status, 403);
    assert_eq!(told(&gateway, scene.caller().showing(&right)).await.map(|told| told.0), Some(403));
}
