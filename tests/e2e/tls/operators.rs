//! Client certificates for the control API. Source: gateway.md §2.1, Tyk, `gateway/cert.go`.

use std::net::TcpListener;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Answer, Ask, Gateway, Upstream, api, get};
use serde_json::json;

use super::scene::{Authority, Caller, Made, conf};

const NAME: &str = "gw.example.com";

fn asked() -> Ask {
    get("/tyk/apis").header(SECRET_HEADER, SECRET)
}

async fn ask(gateway: &Gateway, caller: &Caller, ask: Ask) -> Answer {
    caller.ask(gateway, NAME, ask).await.expect("an answer")
}

/// Who may come in where operators do, and who not.
async fn check(gateway: &Gateway, servers: &Authority, operator: &Made) {
    let stranger = || Caller::trusting(servers);
    ask(gateway, &stranger(), asked()).await.is_refusal(403, "Client TLS certificate is required");
    let unknown = ask(gateway, &stranger(), get("/tyk/apis")).await;
    unknown.is_refusal(403, "Attempted administrative access with invalid or missing key!");
    let other = ask(gateway, &stranger().showing(&Authority::new("operators").client("x")), asked()).await;
    let message = other.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(other.status == 403 && message.starts_with("Certificate with SHA256 "), "{message}");
    let operator = stranger().showing(operator);
    assert_eq!(ask(gateway, &operator, asked()).await.status, 200);
    let without_secret = ask(gateway, &operator, get("/tyk/apis")).await;
    assert_eq!(without_secret.status, 403, "a certificate is no secret");
    assert_eq!(ask(gateway, &stranger(), get("/hello")).await.status, 200, "anybody may ask how it is");
}

#[tokio::test]
async fn operators_show_a_certificate_and_clients_of_apis_need_none() {
    let (servers, operators, upstream) = (Authority::new("servers"), Authority::new("operators"), Upstream::start());
    let conf = conf(&[&servers.server(&[NAME])]).with(&api("one", upstream.address));
    let listed = operators.made.public(conf.folder(), "operators");
    let security = json!({"control_api_use_mutual_tls": true, "certificates": {"control_api": [listed]}});
    let gateway = conf.set("security", security).start().await;
    check(&gateway, &servers, &operators.client("ops")).await;
    assert_eq!(ask(&gateway, &Caller::trusting(&servers), get("/one/get")).await.status, 200);
}

#[tokio::test]
async fn where_every_api_asks_for_certificates_operators_come_in_too() {
    let (servers, operators, upstream) = (Authority::new("servers"), Authority::new("operators"), Upstream::start());
    let clients = Authority::new("clients");
    let conf = conf(&[&servers.server(&[NAME])]);
    let [operators_file, clients_file] =
        [(&operators, "operators"), (&clients, "clients")].map(|(who, name)| who.made.public(conf.folder(), name));
    let guarded = api("one", upstream.address).set("/use_mutual_tls_auth", true);
    let security = json!({"control_api_use_mutual_tls": true, "certificates": {"control_api": [operators_file]}});
    let conf = conf.with(&guarded.set("/client_certificates", json!([clients_file]))).set("security", security);
    let gateway = conf.start().await;
    let operator = Caller::trusting(&servers).showing(&operators.client("ops"));
    let client = Caller::trusting(&servers).showing(&clients.client("c"));
    assert_eq!(ask(&gateway, &operator, asked()).await.status, 200);
    assert_eq!(ask(&gateway, &operator, get("/one/get")).await.status, 403, "an operator is no client");
    assert_eq!(ask(&gateway, &client, asked()).await.status, 403, "a client is no operator");
    assert_eq!(ask(&gateway, &client, get("/one/get")).await.status, 200);
}

#[tokio::test]
async fn on_a_port_of_its_own_the_control_api_asks_for_certificates_alone() {
    let (servers, operators, upstream) = (Authority::new("servers"), Authority::new("operators"), Upstream::start());
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound").port();
    let conf = conf(&[&servers.server(&[NAME])]).with(&api("one", upstream.address)).set("control_api_port", free);
    let listed = operators.made.public(conf.folder(), "operators");
    let security = json!({"control_api_use_mutual_tls": true, "certificates": {"control_api": [listed]}});
    let mut gateway = conf.set("security", security).start().await;
    assert_eq!(ask(&gateway, &Caller::trusting(&servers), get("/one/get")).await.status, 200);
    gateway.address.set_port(free);
    check(&gateway, &servers, &operators.client("ops")).await;
}
