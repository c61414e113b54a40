//! Which API a request is for by its host. Source: Tyk, `gateway/api_loader.go`; gorilla/mux, `regexp.go`.

use gateway_tests::{Ask, Conf, Definition, Gateway, Upstream, api};

async fn order(gateway: &Gateway, host: &str, path: &str) -> (u16, String) {
    let answer = gateway.ask(Ask::to(host, path)).await;
    (answer.status, answer.header("x-order").to_owned())
}

fn on(upstream: &Upstream, id: &str, domain: &str, path: &str, plugin: &str) -> Definition {
    let definition = api(id, upstream.address).set("/proxy/listen_path", path).plugins("pre", &[plugin]);
    if domain.is_empty() { definition } else { definition.set("/domain", domain) }
}

#[tokio::test]
async fn a_domain_is_asked_before_the_apis_without_one() {
    let upstream = Upstream::start();
    let gateway = Conf::default()
        .set("enable_custom_domains", true)
        .with(&on(&upstream, "any", "", "/app/deep/", "OrderA"))
        .with(&on(&upstream, "name", "a.example.com", "/app/", "OrderB"))
        .with(&on(&upstream, "pattern", "{tenant:[a-z]+}.example.org", "/app/", "OrderC"))
        .start()
        .await;
    for (host, path, status, expected) in [
        ("a.example.com", "/app/deep/x", 200, "b"),
        ("A.example.com:8080", "/app/x", 200, "b"),
        ("b.example.com", "/app/deep/x", 200, "a"),
        ("b.example.com", "/app/x", 404, ""),
        ("acme.example.org", "/app/x", 200, "c"),
        ("acme1.example.org", "/app/x", 404, ""),
        ("x.acme.example.org", "/app/x", 404, ""),
        ("a.example.com", "/name/x", 200, "b"),
        ("b.example.com", "/name/x", 404, ""),
    ] {
        assert_eq!(order(&gateway, host, path).await, (status, expected.to_owned()), "{host}{path}");
    }
    // The target's own host is the one that counts.
    let mut wire = gateway_tests::wire::Wire::connect(gateway.address).await;
    wire.write("GET http://a.example.com/app/x HTTP/1.1\r\nHost: b.example.com\r\n\r\n").await;
    assert_eq!(wire.response(false).await.header("x-order"), "b");
}

#[tokio::test]
async fn the_same_listen_path_may_be_on_every_host_and_the_check_agrees() {
    let upstream = Upstream::start();
    let conf = Conf::default()
        .set("enable_custom_domains", true)
        .with(&on(&upstream, "a", "a.com", "/same/", "OrderA"))
        .with(&on(&upstream, "b", "b.com", "/same/", "OrderB"));
    let output = conf.command(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let gateway = conf.start().await;
    assert_eq!(order(&gateway, "a.com", "/same/x").await.1, "a");
    assert_eq!(order(&gateway, "b.com", "/same/x").await.1, "b");
    assert_eq!(order(&gateway, "c.com", "/same/x").await.0, 404);
}

#[tokio::test]
async fn the_gateways_hostname_is_that_of_apis_without_a_domain() {
    let upstream = Upstream::start();
    let gateway = Conf::default()
        .set("hostname", "gw.example.com")
        .set("enable_custom_domains", true)
        .with(&on(&upstream, "any", "", "/", "OrderA"))
        .with(&on(&upstream, "off", "x.com", "/off/", "OrderB").set("/domain_disabled", true))
        .start()
        .await;
    assert_eq!(order(&gateway, "gw.example.com:1", "/x").await, (200, "a".to_owned()));
    assert_eq!(order(&gateway, "gw.example.com", "/off/").await, (200, "b".to_owned()));
    assert_eq!(order(&gateway, "x.com", "/off/").await.0, 404);
    assert_eq!(gateway.ask(Ask::to("anything", "/hello")).await.status, 200, "the gateway's own paths are on any");
}

#[tokio::test]
async fn without_custom_domains_a_domain_has_no_effect_and_that_is_said() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&on(&upstream, "a", "a.com", "/a/", "OrderA")).await;
    assert_eq!(order(&gateway, "elsewhere", "/a/x").await, (200, "a".to_owned()));
    let finding = gateway.log().message("API definition").await;
    assert!(finding.field("finding").contains("domain: has no effect"), "{}", finding.text);
}

#[tokio::test]
async fn a_definition_that_is_wrong_closes_its_own_domain_only() {
    let upstream = Upstream::start();
    let wrong = on(&upstream, "wrong", "a.com", "/x/", "OrderA").set("/expiration", "never");
    let gateway = Conf::default()
        .set("enable_custom_domains", true)
        .with(&on(&upstream, "any", "", "/", "OrderB"))
        .with(&wrong)
        .start()
        .await;
    assert_eq!(order(&gateway, "a.com", "/x/y").await.0, 500);
    assert_eq!(order(&gateway, "b.com", "/x/y").await, (200, "b".to_owned()));
}
