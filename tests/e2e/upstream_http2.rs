//! HTTP/2 to upstreams: by their choice or known beforehand, on connections that requests share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gateway_tests::feed::feed;
use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Definition, Gateway, api, ask, get, within_deadline};
use h2::Reason;
use h2::server::{self, Connection, SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::pki::{Authority, wish};
use crate::secure::Secure;

fn h2c(id: &str, upstream: SocketAddr) -> Definition {
    api(id, upstream).set("/proxy/target_url", format!("h2c://{upstream}/"))
}

#[tokio::test]
async fn a_plain_upstream_is_spoken_to_by_http2_where_the_definition_says_so() {
    let upstream = Secure::h2c().await;
    let gateway = Conf::default()
        .with(&h2c("scheme", upstream.address))
        .with(&api("protocol", upstream.address).set("/protocol", "h2c"))
        .start()
        .await;
    let mut client = gateway.connect().await;
    for id in ["scheme", "protocol"] {
        let (feed, body) = feed();
        feed.data("a body");
        feed.trailers(HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))]));
        let asked = ask(Method::POST, &format!("/{id}/x?y=1")).header("te", "trailers").header("connection", "x-gone");
        let answer = client.ask(asked.header("x-gone", "1").header("trailer", "x-sum").body(body)).await;
        let seen = answer.json();
        assert_eq!(seen["version"], "HTTP/2.0", "{}", answer.text());
        assert_eq!(seen["uri"], format!("http://{}/x?y=1", upstream.address), "the authority is the target's");
        assert_eq!(seen["body"], "a body");
        assert_eq!(seen["trailers"]["x-sum"], "42");
        assert_eq!(seen["headers"]["te"], "trailers");
        for gone in ["host", "connection", "x-gone", "transfer-encoding"] {
            assert!(seen["headers"][gone].is_null(), "{gone}: {}", answer.text());
        }
    }
    assert_eq!(upstream.connections(), 1, "the same server is one origin, however it is said");
}

#[tokio::test]
async fn a_tls_upstream_chooses() {
    let authority = Authority::new("ours");
    let certified = authority.issue(wish(&["localhost"]));
    let new = Secure::start(certified.server().alpn(&["h2", "http/1.1"]).config()).await;
    let old = Secure::start(certified.server().config()).await;
    let https = |id: &str, upstream: &Secure| {
        api(id, upstream.address).set("/proxy/target_url", format!("https://localhost:{}/", upstream.address.port()))
    };
    let conf = Conf::default();
    let file = conf.folder().join("roots.pem");
    std::fs::write(&file, &authority.pem).expect("a file in a folder of ours");
    let gateway = conf
        .set("proxy_ssl_ca_file", file.to_str().expect("a path"))
        .set("proxy_enable_http2", true)
        .with(&https("new", &new))
        .with(&https("old", &old))
        .start()
        .await;
    let mut client = gateway.connect().await;
    for (id, version) in [("new", "HTTP/2.0"), ("old", "HTTP/1.1")] {
        for _ in 0..2 {
            let seen = client.ask(get(&format!("/{id}/"))).await.json();
            assert_eq!((&seen["version"], &seen["connection"]), (&json!(version), &json!(1)), "{id}");
        }
    }
}

/// A server of HTTP/2 whose streams the test answers.
struct Played {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    streams: mpsc::UnboundedReceiver<Stream>,
}

struct Stream {
    connection: usize,
    request: Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    /// Makes its connection go away.
    go_away: mpsc::UnboundedSender<()>,
}

impl Played {
    async fn start(most: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let (told, streams) = mpsc::unbounded_channel();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(play(stream, most, number, told.clone()));
            }
        });
        Self { address, connections, streams }
    }

    async fn next(&mut self) -> Stream {
        within_deadline("a stream", self.streams.recv()).await.expect("the server lives")
    }
}

async fn play(stream: TcpStream, most: u32, connection: usize, told: mpsc::UnboundedSender<Stream>) {
    let mut server: Connection<_, Bytes> =
        server::Builder::new().max_concurrent_streams(most).handshake(stream).await.expect("HTTP/2");
    let (go_away, mut asked) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            biased;
            Some(()) = asked.recv() => server.graceful_shutdown(),
            accepted = server.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let go_away = go_away.clone();
                    drop(told.send(Stream { connection, request, respond, go_away }));
                }
                _ => return,
            },
        }
    }
}

impl Stream {
    fn answer(mut self, text: &'static str) {
        let mut body = self.respond.send_response(Response::new(()), false).expect("the stream is open");
        body.send_data(Bytes::from_static(text.as_bytes()), true).expect("the stream is open");
    }

    async fn body(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(data) = within_deadline("a body", self.request.body_mut().data()).await {
            let data = data.expect("a body");
            drop(self.request.body_mut().flow_control().release_capacity(data.len()));
            read.extend_from_slice(&data);
        }
        read
    }
}

#[tokio::test]
async fn a_stream_that_was_refused_unseen_is_sent_again_body_and_all() {
    let mut upstream = Played::start(100).await;
    let gateway = Gateway::serving(&h2c("a", upstream.address)).await;
    let mut client = gateway.connect().await;
    let (feed, body) = feed();
    let asking = tokio::spawn(async move { client.ask(ask(Method::POST, "/a/").body(body)).await });
    feed.data("first ");
    let mut refused = upstream.next().await;
    let data = within_deadline("a piece", refused.request.body_mut().data()).await.expect("a piece").expect("a piece");
    assert_eq!(data, "first ");
    refused.respond.send_reset(Reason::REFUSED_STREAM);
    let mut again = upstream.next().await;
    feed.data("second");
    drop(feed);
    assert_eq!(again.body().await, b"first second");
    again.answer("done");
    assert_eq!(asking.await.expect("no panic").text(), "done");
}

#[tokio::test]
async fn a_stream_that_failed_otherwise_is_not_sent_again() {
    let mut upstream = Played::start(100).await;
    let gateway = Gateway::serving(&h2c("a", upstream.address)).await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move { client.ask(get("/a/")).await });
    upstream.next().await.respond.send_reset(Reason::INTERNAL_ERROR);
    asking.await.expect("no panic").is_error(500, "There was a problem proxying the request");
    assert!(upstream.streams.try_recv().is_err());
}

#[tokio::test]
async fn interim_responses_end_here_and_the_answer_comes_whole() {
    let mut upstream = Played::start(100).await;
    let gateway = Gateway::serving(&h2c("a", upstream.address)).await;
    let mut client = Wire::connect(gateway.address).await;
    client.write("GET /a/ HTTP/1.1\r\nHost: g\r\n\r\n").await;
    let mut stream = upstream.next().await;
    for status in [102, 103, 103] {
        let hint = Response::builder().status(status).header("link", "</a>").body(()).expect("a response");
        stream.respond.send_informational(hint).expect("the stream is open");
    }
    stream.answer("done");
    let answer = client.response(false).await;
    assert_eq!((answer.status(), &*answer.text(), answer.header("link")), (200, "done", ""));
}

#[tokio::test]
async fn a_server_that_goes_away_answers_what_it_has_and_the_next_request_is_for_another_connection() {
    let mut upstream = Played::start(100).await;
    let gateway = Gateway::serving(&h2c("a", upstream.address)).await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move {
        let first = client.ask(get("/a/")).await.text();
        (first, client.ask(get("/a/")).await.text())
    });
    let first = upstream.next().await;
    first.go_away.send(()).expect("the server lives");
    first.answer("last");
    let second = upstream.next().await;
    assert_eq!(second.connection, 2);
    second.answer("first");
    assert_eq!(asking.await.expect("no panic"), ("last".to_owned(), "first".to_owned()));
}

#[tokio::test]
async fn requests_share_a_connection_as_far_as_the_server_allows() {
    let mut upstream = Played::start(1).await;
    let gateway = Gateway::serving(&h2c("a", upstream.address)).await;
    // The first answer brings what the server allows.
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move {
        assert_eq!(client.ask(get("/a/")).await.text(), "known");
        client
    });
    upstream.next().await.answer("known");
    let mut client = asking.await.expect("no panic");
    let held = tokio::spawn(async move { client.ask(get("/a/held")).await.text() });
    let holding = upstream.next().await;
    for _ in 0..4 {
        let mut client = gateway.connect().await;
        let other = tokio::spawn(async move { client.ask(get("/a/other")).await.text() });
        // While the first is held, whatever core this is on.
        let stream = upstream.next().await;
        assert_eq!(stream.request.uri().path(), "/other");
        stream.answer("other");
        assert_eq!(other.await.expect("no panic"), "other");
    }
    holding.answer("held");
    assert_eq!(held.await.expect("no panic"), "held");
    assert!(upstream.connections.load(Ordering::SeqCst) <= 4, "two for each core");
}

#[tokio::test]
async fn a_client_that_leaves_resets_its_stream_and_no_other() {
    let mut upstream = Played::start(100).await;
    let gateway = Gateway::serving(&h2c("a", upstream.address)).await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move { client.try_ask(get("/a/")).await.map(|answer| answer.status) });
    let mut left = upstream.next().await;
    asking.abort();
    let reason = std::future::poll_fn(|cx| left.respond.poll_reset(cx));
    assert_eq!(within_deadline("a reset", reason).await.expect("a reset"), Reason::CANCEL);
}

#[tokio::test]
async fn a_connection_is_used_for_as_long_as_it_may_be_and_then_replaced() {
    let (old, new) = (Secure::start_plain().await, Secure::h2c().await);
    let gateway = Conf::default()
        .set("max_conn_time", 1)
        .with(&api("old", old.address))
        .with(&h2c("new", new.address))
        .start()
        .await;
    let mut client = gateway.connect().await;
    for (id, upstream) in [("old", &old), ("new", &new)] {
        within_deadline("another connection", async {
            while upstream.connections() < 2 {
                assert_eq!(client.ask(get(&format!("/{id}/"))).await.status, 200);
            }
        })
        .await;
    }
}
