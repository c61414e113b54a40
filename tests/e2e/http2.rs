//! HTTP/2 from clients: cleartext by prior knowledge, and by TLS. Source: RFC 9113.

mod frames;
mod mistakes;

use std::net::SocketAddr;

use bytes::Bytes;
use gateway_tests::feed::{Payload, feed, whole};
use gateway_tests::{Client, Conf, Gateway, Upstream, api, get, within_deadline};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls::scene::{Authority, Caller, conf};

type Sender = SendRequest<Payload>;

async fn over<I>(stream: I) -> Sender
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        within_deadline("a handshake", http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
            .await
            .expect("HTTP/2");
    // Its errors are those of the requests on it.
    tokio::spawn(async move { drop(connection.await) });
    sender
}

async fn connect(to: SocketAddr) -> Sender {
    over(TcpStream::connect(to).await.expect("a connection")).await
}

fn request(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://gateway{path}"))
}

async fn open(sender: &mut Sender, request: Request<Payload>) -> Result<Response<Incoming>, hyper::Error> {
    within_deadline("a response", async {
        sender.ready().await?;
        sender.send_request(request).await
    })
    .await
}

async fn ask(sender: &mut Sender, path: &str) -> gateway_tests::Answer {
    let response = open(sender, request(path).body(whole("")).expect("a request")).await.expect("a response");
    gateway_tests::read(response).await.expect("all of it")
}

#[tokio::test]
async fn a_client_that_knows_beforehand_is_served_beside_those_of_http_1() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let mut sender = connect(gateway.address).await;
    let asked = request("/mine/get?x=1").header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers");
    let response = open(&mut sender, asked.body(whole("")).expect("a request")).await.expect("a response");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    let seen = upstream.last();
    assert_eq!(seen.first(), "GET /get?x=1 HTTP/1.1");
    assert_eq!((seen.all("cookie"), seen.all("te")), (vec!["a=1; b=2"], vec!["trailers"]));
    assert_eq!((seen.header("x-forwarded-for"), seen.header("host")), ("127.0.0.1", &*upstream.address.to_string()));
    assert_eq!(gateway.get("/mine/get").await.status, 200);
    assert_eq!(ask(&mut sender, "/nowhere").await.status, 404);
}

#[tokio::test]
async fn the_authority_is_the_host_by_which_apis_are_found() {
    let upstream = Upstream::start();
    let definition =
        api("mine", upstream.address).set("/domain", "a.example.com").set("/proxy/preserve_host_header", true);
    let gateway = Conf::default().set("enable_custom_domains", true).with(&definition).start().await;
    let mut sender = connect(gateway.address).await;
    let asked = Request::builder().uri("http://a.example.com:8080/mine/get").body(whole("")).expect("a request");
    assert_eq!(open(&mut sender, asked).await.expect("a response").status(), 200);
    assert_eq!(upstream.last().header("host"), "a.example.com:8080");
    assert_eq!(ask(&mut sender, "/mine/get").await.status, 404);
}

#[tokio::test]
async fn tunnels_and_contradictions_are_refused() {
    let gateway = Conf::default().start().await;
    let mut sender = connect(gateway.address).await;
    let tunnel = Request::builder().method(Method::CONNECT).uri("upstream:80").body(whole("")).expect("a request");
    assert_eq!(open(&mut sender, tunnel).await.expect("a response").status(), 405);
    let two = request("/hello").header("host", "another").body(whole("")).expect("a request");
    assert_eq!(open(&mut sender, two).await.expect("a response").status(), 400);
    assert_eq!(ask(&mut sender, "/hello").await.status, 200);
}

#[tokio::test]
async fn nothing_of_a_connection_is_said_in_an_answer() {
    let upstream = Upstream::start();
    upstream.answer(
        "/odd",
        200,
        &[("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "1"), ("x-kept", "1")],
        "body",
    );
    let conf = Conf::default().set("close_connections", true).with(&api("mine", upstream.address));
    let gateway = conf.start().await;
    let answer = ask(&mut connect(gateway.address).await, "/mine/odd").await;
    for name in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!((answer.header("x-kept"), &*answer.text()), ("1", "body"));
}

#[tokio::test]
async fn a_hundred_requests_are_answered_at_once() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let sender = connect(gateway.address).await;
    let asking: Vec<_> = (0..100)
        .map(|n| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let asked = request("/mine/held").method(Method::POST).body(whole(n.to_string())).expect("a request");
                let response = open(&mut sender, asked).await.expect("a response");
                gateway_tests::read(response).await.expect("all of it").text()
            })
        })
        .collect();
    hold.arrived(100).await;
    hold.release(100);
    for (n, asking) in asking.into_iter().enumerate() {
        assert_eq!(asking.await.expect("no panic"), n.to_string());
    }
}

fn sums() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))])
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let upstream = Upstream::start();
    upstream.on("/sum", |request| async move {
        let sent = request.into_body().collect().await.expect("all of it");
        assert_eq!(sent.trailers(), Some(&sums()));
        let (feed, body) = feed();
        feed.data("body");
        feed.trailers(sums());
        let mut response = Response::new(body);
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        Ok(response)
    });
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let (feed, body) = feed();
    feed.data("sent");
    feed.trailers(sums());
    let asked = request("/mine/sum").method(Method::POST).header("te", "trailers").header("trailer", "x-sum");
    let response = open(&mut connect(gateway.address).await, asked.body(body).expect("a request")).await;
    let answer = gateway_tests::read(response.expect("a response")).await.expect("all of it");
    assert_eq!((&*answer.text(), answer.trailers), ("body", sums()));
}

#[tokio::test]
async fn large_bodies_flow_both_ways_and_one_that_is_not_read_holds_up_no_other() {
    const SIZE: usize = 16 << 20;
    let upstream = Upstream::start();
    upstream.on("/echo", |request| async move {
        let sent = request.into_body().collect().await.expect("all of it").to_bytes();
        Ok(Response::new(whole(sent)))
    });
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let mut sender = connect(gateway.address).await;
    let body: Bytes = (0..SIZE).map(|n| u8::try_from(n % 251).expect("small")).collect();
    let asked = || request("/mine/echo").method(Method::POST).body(whole(body.clone())).expect("a request");
    let unread = open(&mut sender, asked()).await.expect("a response");
    let read = open(&mut connect(gateway.address).await, asked()).await.expect("a response");
    assert!(gateway_tests::read(read).await.expect("all of it").body == body);
    assert_eq!(ask(&mut sender, "/mine/get").await.status, 200, "beside one that nobody reads");
    assert!(gateway_tests::read(unread).await.expect("all of it").body == body);
}

#[tokio::test]
async fn a_drain_fails_no_request_and_lets_nobody_begin() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let (mut idle, busy) = (connect(gateway.address).await, connect(gateway.address).await);
    assert_eq!(ask(&mut idle, "/mine/get").await.status, 200);
    let mut clone = busy.clone();
    let held = tokio::spawn(async move { ask(&mut clone, "/mine/held").await });
    hold.arrived(1).await;
    gateway.process.signal(Signal::TERM);
    within_deadline("the end of listening", async {
        while Client::try_connect(gateway.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within_deadline("the end of an idle connection", async {
        while idle.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hold.release(1);
    assert_eq!(held.await.expect("no panic").status, 200);
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    let late = gateway.log().all(|line| line.message() == "requests were still running at the end of the drain");
    assert!(late.is_empty(), "{late:?}");
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_at_the_upstream_too() {
    let upstream = Upstream::start();
    let receive = upstream.receive("/up");
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let mut sender = connect(gateway.address).await;
    let (feed, body) = feed();
    let asked = request("/mine/up").method(Method::POST).body(body).expect("a request");
    sender.ready().await.expect("it is there");
    let asking = tokio::spawn(sender.send_request(asked));
    feed.data("one");
    let (mut body, _done) = within_deadline("the request", receive).await.expect("the upstream is there");
    assert_eq!(crate::streaming::next(&mut body).await, "one");
    asking.abort();
    drop(feed);
    let end = within_deadline("the end of the body", body.frame()).await;
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
    assert_eq!(ask(&mut connect(gateway.address).await, "/mine/get").await.status, 200);
}

#[tokio::test]
async fn by_tls_it_is_the_same_and_certificates_count_for_every_request() {
    let (servers, clients, upstream) = (Authority::new("servers"), Authority::new("clients"), Upstream::start());
    let conf = conf(&[&servers.server(&["a.example.com"])]).server("enable_http2", true);
    let ca = clients.made.public(conf.folder(), "ca");
    let secure =
        api("secure", upstream.address).set("/use_mutual_tls_auth", true).set("/client_certificates", json!([ca]));
    let gateway = conf.with(&secure).with(&api("open", upstream.address)).start().await;
    let caller = || Caller::trusting(&servers).offering(&["h2"]);
    let mut without = over(caller().connect(&gateway, "a.example.com").await).await;
    assert_eq!(ask(&mut without, "/open/get").await.status, 200);
    ask(&mut without, "/secure/get").await.is_error(403, "Client TLS certificate is required");
    let mut with = over(caller().showing(&clients.client("x")).connect(&gateway, "a.example.com").await).await;
    assert_eq!(ask(&mut with, "/secure/get").await.status, 200);
    let mut plain = Caller::trusting(&servers).client(&gateway, "a.example.com").await;
    assert_eq!(plain.ask(get("/open/get")).await.status, 200);
    drop((without, with, plain));
    assert_eq!(gateway.terminate().await.code(), Some(0));
}
