//! A proxy between the gateway and an upstream: `proxy.transport.proxy_url`.

use gateway_tests::{Conf, Upstream, api, get};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pki::wish;
use crate::raw::Raw;
use crate::secure::Secure;

#[tokio::test]
async fn a_plain_request_goes_to_the_proxy_with_its_whole_url() {
    let proxy = Raw::start().await;
    let nobody = Upstream::start();
    let url = format!("http://user:pass%21@{}", proxy.address);
    let definition = api("far", nobody.address)
        .set("/proxy/target_url", "http://upstream.example:81/base")
        .set("/proxy/transport", json!({"proxy_url": url}));
    let gateway = Conf::default().with(&definition).start().await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move { client.ask(get("/far/x?y=1")).await });
    let mut line = proxy.accept().await;
    let head = line.head().await.to_ascii_lowercase();
    assert!(head.starts_with("get http://upstream.example:81/base/x?y=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: upstream.example:81\r\n"), "{head}");
    // `user:pass!`
    assert!(head.contains(&"\r\nproxy-authorization: Basic dXNlcjpwYXNzIQ==\r\n".to_ascii_lowercase()), "{head}");
    line.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(asking.await.expect("no panic").text(), "ok");
}

#[tokio::test]
async fn a_safe_request_goes_through_the_proxy_unseen() {
    let own = wish(&["localhost"]).alone();
    let upstream = Secure::start(own.server().config()).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    let target = upstream.address;
    let asked = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("the gateway");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a head"));
        }
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("the gateway reads");
        let mut server = TcpStream::connect(target).await.expect("the upstream listens");
        tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut client, &mut server).await) });
        String::from_utf8(head).expect("text")
    });
    let definition = api("far", target)
        .set("/proxy/target_url", format!("https://localhost:{}/", target.port()))
        .set("/pinned_public_keys", json!({"*": own.pin()}))
        .set("/proxy/transport", json!({"proxy_url": format!("http://{address}")}));
    let gateway = Conf::default().with(&definition).start().await;
    let seen = gateway.get("/far/x").await.json();
    assert_eq!((&seen["uri"], &seen["sni"]), (&json!("/x"), &json!("localhost")));
    let head = asked.await.expect("no panic");
    assert!(head.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", target.port())), "{head}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_in_the_log() {
    let proxy = Raw::start().await.always(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", true);
    let definition = api("far", proxy)
        .set("/proxy/target_url", "https://localhost/")
        .set("/proxy/transport", json!({"proxy_url": format!("http://{proxy}")}));
    let gateway = Conf::default().with(&definition).start().await;
    gateway.get("/far/x").await.is_error(500, "There was a problem proxying the request");
    let told = |line: &gateway_tests::log::Line| line.field("error").contains("answered 403 Forbidden to CONNECT");
    gateway.log().wait("why", told).await;
}
