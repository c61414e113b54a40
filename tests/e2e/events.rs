//! Event streams: one event after another, and a word when there will be no more.

use gateway_tests::feed::feed;
use gateway_tests::{Gateway, Upstream, api, get, within_deadline};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;

use crate::raw::Raw;
use crate::streaming::next;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn each_event_comes_when_it_happens_and_the_upstreams_end_is_told() {
    let upstream = Upstream::start();
    let (events, body) = feed();
    let body = std::sync::Mutex::new(Some(body));
    upstream.on("/events", move |_| {
        let mut response = Response::new(body.lock().expect("nobody panics").take().expect("one request"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        async move { Ok(response) }
    });
    let gateway = Gateway::serving(&api("live", upstream.address)).await;
    let mut client = gateway.connect().await;
    let mut body = client.open(get("/live/events")).await.expect("a head before any event").into_body();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        events.data(event);
        assert_eq!(next(&mut body).await, event);
    }
    events.break_off();
    assert_eq!(next(&mut body).await, "event: error\ndata: upstream connection terminated unexpectedly\n\n");
    assert!(within_deadline("the end", body.frame()).await.is_none(), "the stream itself ends well");
    assert!(client.is_open(), "the client may go on");
}

#[tokio::test]
async fn an_upstream_that_ends_its_events_well_is_not_talked_about() {
    let raw = Raw::start().await;
    let gateway = Gateway::serving(&api("live", raw.address)).await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move { client.ask(get("/live/")).await });
    let mut line = raw.accept().await;
    line.head().await;
    line.write(format!("{HEAD}9\r\ndata: 1\n\n\r\n0\r\n\r\n")).await;
    assert_eq!(asking.await.expect("no panic").text(), "data: 1\n\n");
}

#[tokio::test]
async fn the_upstream_learns_that_nobody_listens() {
    let raw = Raw::start().await;
    let gateway = Gateway::serving(&api("live", raw.address)).await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move {
        let mut body = client.open(get("/live/")).await.expect("a head").into_body();
        assert_eq!(next(&mut body).await, "data: 1\n\n");
        drop((body, client));
    });
    let mut line = raw.accept().await;
    line.head().await;
    line.write(format!("{HEAD}9\r\ndata: 1\n\n\r\n")).await;
    asking.await.expect("no panic");
    line.ends().await;
}
