//! HTTP as strangers write it: odd forms, several at once, lengths that contradict each other.

use std::net::SocketAddr;

use gateway_tests::wire::Wire;
use gateway_tests::{Gateway, Upstream, api, get, post, within_deadline};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

async fn serving(upstream: &Upstream) -> (Gateway, Wire) {
    let gateway = Gateway::serving(&api("odd", upstream.address)).await;
    let wire = Wire::connect(gateway.address).await;
    (gateway, wire)
}

#[tokio::test]
async fn a_request_with_two_framings_reaches_the_upstream_with_one_or_not_at_all() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("odd", upstream.address)).await;
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Transfer-Encoding: chunked, identity",
    ] {
        let before = upstream.seen().len();
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(format!("POST /odd/post HTTP/1.1\r\nHost: gateway\r\n{framing}\r\n\r\n0\r\n\r\n")).await;
        let status = wire.response(false).await.status();
        match upstream.seen().get(before) {
            None => assert_eq!(status, 400, "{framing}"),
            Some(seen) => {
                let told = [seen.all("content-length").len(), seen.all("transfer-encoding").len()];
                assert!(told.iter().sum::<usize>() <= 1, "{framing}: {:?}", seen.message);
                assert_eq!(seen.message.text(), "", "{framing}");
            }
        }
        assert!(upstream.seen().len() <= before + 1, "{framing}: one request became two");
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_one_after_another() {
    let upstream = Upstream::start();
    let (_gateway, mut wire) = serving(&upstream).await;
    let request = |path: &str| format!("GET /odd/{path} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    wire.write([request("a"), request("b"), request("c")].concat()).await;
    for path in ["/a", "/b", "/c"] {
        let echo: serde_json::Value = serde_json::from_slice(&wire.response(false).await.body).expect("the echo");
        assert_eq!(echo["Path"], path);
    }
}

#[tokio::test]
async fn an_absolute_uri_is_routed_by_its_path() {
    let upstream = Upstream::start();
    let (_gateway, mut wire) = serving(&upstream).await;
    wire.write("GET http://elsewhere/odd/get?x=1 HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
    assert_eq!(wire.response(false).await.status(), 200);
    let seen = upstream.last();
    assert_eq!(seen.first(), "GET /get?x=1 HTTP/1.1");
    assert_eq!(seen.all("host"), [upstream.address.to_string()]);
}

#[tokio::test]
async fn forms_that_name_no_path_are_not_routed() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("odd", upstream.address).set("/proxy/listen_path", "/")).await;
    for (request, status) in [
        ("OPTIONS * HTTP/1.1\r\nHost: gateway\r\n\r\n", 200),
        ("CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n", 405),
    ] {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(request).await;
        assert_eq!(wire.response(false).await.status(), status, "{request}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_http_1_0_client_gets_no_chunks() {
    let upstream = Upstream::start();
    let feed = upstream.stream("/stream");
    let (_gateway, mut wire) = serving(&upstream).await;
    wire.write("GET /odd/stream HTTP/1.0\r\n\r\n").await;
    feed.data("one ");
    feed.data("two");
    drop(feed);
    let response = wire.response(false).await;
    assert_eq!((response.status(), response.header("transfer-encoding"), &*response.text()), (200, "", "one two"));
    assert!(wire.is_closed().await);
    assert_eq!(upstream.last().first(), "GET /stream HTTP/1.1", "the gateway's own request is HTTP/1.1");
}

#[tokio::test]
async fn head_is_answered_with_the_length_and_without_the_body() {
    let upstream = Upstream::start();
    upstream.answer("/fixed", 200, &[], "one two three");
    let (_gateway, mut wire) = serving(&upstream).await;
    for _ in 0..2 {
        wire.write("HEAD /odd/fixed HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
        let response = wire.response(true).await;
        assert_eq!((response.status(), response.header("content-length")), (200, "13"));
    }
    assert_eq!(upstream.last().first(), "HEAD /fixed HTTP/1.1");
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_nobody_else_notices() {
    let upstream = Upstream::start();
    let (gateway, mut wire) = serving(&upstream).await;
    wire.write("\u{16}\u{3}\u{1} this is not HTTP\r\n\r\n").await;
    assert_eq!(wire.response(false).await.status(), 400);
    assert!(wire.is_closed().await);
    assert_eq!(gateway.get("/odd/get").await.status, 200);
}

/// An upstream that answers the first request of each connection, and closes when it has read the second; it gives the
/// first line of each. A server that tires of an idle connection just now looks like this.
async fn tiring_upstream() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    let (told, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                told.send(first_line(&mut stream).await).expect("the test listens");
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await.expect("the gateway reads");
                // Nobody may listen any more: the gateway closes its connections when the test is over.
                let _ = told.send(first_line(&mut stream).await);
            });
        }
    });
    (address, heard)
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
    String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()
}

/// Source: Go, `net/http/transport.go`, by which Tyk forwards: on a connection that was used before, a request without a
/// body and with a safe method is sent again.
#[tokio::test]
async fn an_upstream_that_tires_of_a_connection_costs_no_safe_request() {
    let (address, mut heard) = tiring_upstream().await;
    let gateway = Gateway::serving(&api("odd", address)).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(get("/odd/first")).await.text(), "good");
    let second = client.ask(get("/odd/second")).await;
    assert_eq!((second.status, &*second.text()), (200, "good"));
    for expected in ["GET /first HTTP/1.1", "GET /second HTTP/1.1", "GET /second HTTP/1.1"] {
        assert_eq!(heard.recv().await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_request_that_may_have_had_an_effect_is_not_sent_again() {
    let (address, mut heard) = tiring_upstream().await;
    let gateway = Gateway::serving(&api("odd", address)).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(get("/odd/first")).await.text(), "good");
    client.ask(post("/odd/second", "")).await.is_error(500, "There was a problem proxying the request");
    assert_eq!(client.ask(get("/odd/third")).await.text(), "good");
    for expected in ["GET /first HTTP/1.1", "POST /second HTTP/1.1", "GET /third HTTP/1.1"] {
        assert_eq!(heard.recv().await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let upstream = Upstream::start();
    let receive = upstream.receive("/up");
    let (gateway, mut wire) = serving(&upstream).await;
    wire.write("POST /odd/up HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\nsome").await;
    let (mut body, done) = within_deadline("the request", receive).await.expect("the upstream is there");
    assert_eq!(crate::streaming::next(&mut body).await, "some");
    drop(wire);
    let end = within_deadline("the end of the request", http_body_util::BodyExt::frame(&mut body)).await;
    assert!(end.is_some_and(|frame| frame.is_err()), "the upstream is told that it is not the end");
    drop(done);
    assert_eq!(gateway.ask(post("/odd/next", "whole")).await.status, 200);
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_not_waited_for_forever() {
    let upstream = Upstream::start();
    let conf = gateway_tests::Conf::default().server("read_timeout", 1).with(&api("odd", upstream.address));
    let gateway = conf.start().await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("GET /odd/get HTTP/1.1\r\nHost: gate").await;
    wire.ends().await;
    assert_eq!(upstream.seen().len(), 0);
}
