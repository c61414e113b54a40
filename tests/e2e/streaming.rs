//! Bodies pass through as they come, in both directions, whatever their size.

use bytes::Bytes;
use gateway_tests::feed::{feed, whole};
use gateway_tests::{Gateway, Upstream, api, ask, client, get, within_deadline};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

const MIB: usize = 1 << 20;

/// The next piece of a body.
pub(crate) async fn next(body: &mut Incoming) -> Bytes {
    let frame = within_deadline("a piece of a body", body.frame()).await.expect("there is more").expect("not broken");
    frame.into_data().expect("data")
}

#[tokio::test]
async fn the_client_gets_each_piece_while_the_upstream_still_sends() {
    let upstream = Upstream::start();
    let feed = upstream.stream("/stream");
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let mut client = gateway.connect().await;
    let response = client.open(get("/live/stream")).await.expect("a head before any piece of the body");
    let mut body = response.into_body();
    for piece in ["one", "two", "three"] {
        feed.data(piece);
        assert_eq!(next(&mut body).await, piece);
    }
    drop(feed);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn the_upstream_gets_each_piece_while_the_client_still_sends() {
    let upstream = Upstream::start();
    let receive = upstream.receive("/up");
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let (feed, body) = feed();
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move { client.ask(ask(Method::POST, "/live/up").body(body)).await });
    feed.data("one");
    let (mut body, done) = within_deadline("the request", receive).await.expect("the upstream is there");
    assert_eq!(next(&mut body).await, "one");
    for piece in ["two", "three"] {
        feed.data(piece);
        assert_eq!(next(&mut body).await, piece);
    }
    drop(feed);
    assert!(body.frame().await.is_none());
    done.send(()).expect("the upstream waits");
    assert_eq!(asking.await.expect("no panic").text(), "received");
}

fn sums() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))])
}

#[tokio::test]
async fn trailers_of_a_response_reach_the_client() {
    let upstream = Upstream::start();
    upstream.on("/sum", |_| async {
        let (feed, body) = feed();
        feed.data("counted");
        feed.trailers(sums());
        let mut response = Response::new(body);
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        Ok(response)
    });
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let answer = gateway.ask(get("/live/sum").header("te", "trailers")).await;
    assert_eq!(answer.text(), "counted");
    assert_eq!(answer.trailers, sums());
}

#[tokio::test]
async fn trailers_of_a_request_reach_the_upstream() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let (feed, body) = feed();
    feed.data("counted");
    feed.trailers(sums());
    gateway.ask(ask(Method::POST, "/live/echo").header("trailer", "x-sum").body(body)).await;
    let seen = upstream.last();
    assert_eq!(seen.message.text(), "counted");
    assert_eq!(seen.message.trailers, [("x-sum".to_owned(), "42".to_owned())]);
}

/// The most memory that a process has had so far, in bytes.
fn peak_memory(gateway: &Gateway) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

#[tokio::test]
async fn large_bodies_pass_without_being_held() {
    const LARGE: usize = 256;
    let upstream = Upstream::start();
    upstream.on("/large", |request| async {
        let mut body = request.into_body();
        let mut received = 0;
        while let Some(Ok(frame)) = body.frame().await {
            received += frame.data_ref().map_or(0, Bytes::len);
        }
        let (feed, body) = feed();
        let piece = Bytes::from(vec![b'x'; MIB]);
        (0..LARGE).for_each(|_| feed.data(piece.clone()));
        let mut response = Response::new(body);
        response.headers_mut().insert("x-received", HeaderValue::from(received));
        Ok(response)
    });
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let mut client = gateway.connect().await;
    client.ask(get("/live/get")).await;
    let before = peak_memory(&gateway);
    let (feed, body) = feed();
    let piece = Bytes::from(vec![b'x'; MIB]);
    (0..LARGE).for_each(|_| feed.data(piece.clone()));
    drop(feed);
    let response = client.open(ask(Method::POST, "/live/large").body(body)).await.expect("a response");
    assert_eq!(response.headers()["x-received"], (LARGE * MIB).to_string());
    let mut body = response.into_body();
    let mut received = 0;
    while let Some(frame) = within_deadline("the rest", body.frame()).await {
        received += frame.expect("not broken").data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(received, LARGE * MIB);
    let grown = peak_memory(&gateway).saturating_sub(before);
    assert!(grown < 32 * MIB, "it grew by {grown} bytes for {LARGE} MiB in each direction");
}

/// Who reads slowly is waited for: the gateway reads no more than it can pass on.
#[tokio::test]
async fn a_slow_client_does_not_fill_the_gateways_memory() {
    const LARGE: usize = 256;
    let upstream = Upstream::start();
    let feed = upstream.stream("/large");
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let mut client = gateway.connect().await;
    let response = client.open(get("/live/large")).await.expect("a head");
    let before = peak_memory(&gateway);
    let piece = Bytes::from(vec![b'x'; MIB]);
    (0..LARGE).for_each(|_| feed.data(piece.clone()));
    drop(feed);
    // Other requests pass meanwhile, in both directions.
    for _ in 0..20 {
        assert_eq!(gateway.ask(ask(Method::POST, "/live/echo").body(whole(piece.clone()))).await.status, 200);
    }
    let answer = client::read(response).await.expect("a whole body");
    assert_eq!(answer.body.len(), LARGE * MIB);
    let grown = peak_memory(&gateway).saturating_sub(before);
    assert!(grown < 64 * MIB, "it grew by {grown} bytes");
}
