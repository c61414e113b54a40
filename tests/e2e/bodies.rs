//! Bodies that plugins read and replace: whoever comes after them gets all of it, with its right length.

use bytes::Bytes;
use gateway_tests::wire::Wire;
use gateway_tests::{Ask, Gateway, Upstream, api, ask, get, post};
use http::Method;
use http_body_util::BodyExt;
use serde_json::json;

/// `POST` in chunks: the length is not told.
fn chunked(path: &str, chunks: &[&'static str]) -> Ask {
    let (feed, body) = gateway_tests::feed::feed();
    chunks.iter().for_each(|chunk| feed.data(*chunk));
    ask(Method::POST, path).body(body)
}

/// An API whose plugins all read up to `limit` bytes.
async fn reading(upstream: &Upstream, limit: usize) -> Gateway {
    let definition = api("read", upstream.address)
        .plugins("pre", &["ReadBody", "ReadBody"])
        .endpoint("POST", "/post", "ReadBody")
        .plugins("post", &["ReadBody"])
        .config("ReadBody", json!({"limit": limit}));
    Gateway::serving(&definition).await
}

#[tokio::test]
async fn several_plugins_read_a_body_and_it_is_forwarded_whole() {
    let upstream = Upstream::start();
    let gateway = reading(&upstream, 100).await;
    for ask in [post("/read/post", "one two three"), chunked("/read/post", &["one ", "two ", "three"])] {
        assert_eq!(gateway.ask(ask).await.json()["Body"], "one two three");
        let seen = upstream.last();
        assert_eq!(seen.all("x-read"), ["13"; 4]);
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), ("13", ""));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_of_its_readers_is_forwarded_whole() {
    let upstream = Upstream::start();
    let gateway = reading(&upstream, 5).await;
    for ask in [post("/read/post", "one two three"), chunked("/read/post", &["one ", "two ", "three"])] {
        assert_eq!(gateway.ask(ask).await.json()["Body"], "one two three");
        assert_eq!(upstream.last().all("x-read"), ["too large"; 4]);
    }
}

#[tokio::test]
async fn an_empty_body_is_read_as_such() {
    let upstream = Upstream::start();
    let gateway = reading(&upstream, 5).await;
    assert_eq!(gateway.ask(post("/read/post", "")).await.status, 200);
    assert_eq!(upstream.last().all("x-read"), ["0"; 4]);
}

#[tokio::test]
async fn a_body_that_a_plugin_has_begun_to_read_is_forwarded_whole() {
    let upstream = Upstream::start();
    let definition = api("read", upstream.address).plugins("pre", &["StartReadingBody"]);
    let gateway = Gateway::serving(&definition).await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("POST /read/post HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none \r\n").await;
    upstream.count(1).await;
    wire.write("5\r\n two \r\n5\r\nthree\r\n0\r\n\r\n").await;
    let answer: serde_json::Value = serde_json::from_slice(&wire.response(false).await.body).expect("the echo");
    assert_eq!(answer["Body"], "one  two three");
    assert_eq!(upstream.last().all("x-read"), ["begun"]);
}

#[tokio::test]
async fn a_replaced_body_has_its_right_length_at_the_upstream() {
    let upstream = Upstream::start();
    for body in ["much longer than what the client has sent", "short", ""] {
        let definition =
            api("new", upstream.address).plugins("pre", &["ReplaceBody"]).config("ReplaceBody", json!({"body": body}));
        let gateway = Gateway::serving(&definition).await;
        let asks = [
            post("/new/post", "one two three"),
            chunked("/new/post", &["one ", "two ", "three"]),
            post("/new/post", ""),
        ];
        for ask in asks {
            assert_eq!(gateway.ask(ask).await.json()["Body"], body);
            let seen = upstream.last();
            assert_eq!(seen.all("content-length"), [body.len().to_string()]);
            assert_eq!(seen.header("transfer-encoding"), "");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_replaced_and_then_read_is_the_new_one() {
    let upstream = Upstream::start();
    let definition = api("new", upstream.address)
        .plugins("pre", &["ReadBody", "ReplaceBody", "ReadBody"])
        .config("ReadBody", json!({"limit": 100}))
        .config("ReplaceBody", json!({"body": "four"}));
    Gateway::serving(&definition).await.ask(post("/new/post", "one two three")).await;
    assert_eq!(upstream.last().all("x-read"), ["13", "4"]);
}

async fn replacing(upstream: &Upstream, body: &str) -> Gateway {
    let definition = api("back", upstream.address)
        .plugins("response", &["ReplaceResponse"])
        .config("ReplaceResponse", json!({"body": body}));
    Gateway::serving(&definition).await
}

#[tokio::test]
async fn a_replaced_response_body_has_its_right_length() {
    let upstream = Upstream::start();
    upstream.answer("/fixed", 200, &[("content-encoding", "gzip"), ("x-kept", "1")], "one two three");
    for body in ["much longer than what the upstream has sent", "short", ""] {
        let gateway = replacing(&upstream, body).await;
        let mut client = gateway.connect().await;
        upstream.stream("/stream").data("one");
        for path in ["/back/fixed", "/back/stream", "/back/echo"] {
            let answer = client.ask(get(path)).await;
            assert_eq!((answer.status, &*answer.text()), (200, body), "{path}");
            assert_eq!(answer.all("content-length"), [body.len().to_string()], "{path}");
            assert_eq!((answer.header("transfer-encoding"), answer.header("content-encoding")), ("", ""), "{path}");
        }
        assert_eq!(client.ask(get("/back/fixed")).await.header("x-kept"), "1");
    }
}

#[tokio::test]
async fn a_replaced_body_is_not_sent_to_head_nor_with_204_and_304() {
    let upstream = Upstream::start();
    upstream.answer("/empty", 204, &[], "");
    upstream.answer("/same", 304, &[("etag", "\"1\"")], "");
    let gateway = replacing(&upstream, "eight by").await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("HEAD /back/get HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
    let head = wire.response(true).await;
    assert_eq!((head.status(), head.header("content-length")), (200, "8"));
    wire.write("GET /back/empty HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
    let empty = wire.response(false).await;
    assert_eq!((empty.status(), empty.header("content-length")), (204, ""), "RFC 9110 §8.6");
    wire.write("GET /back/same HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
    assert_eq!(wire.response(false).await.status(), 304);
    wire.write("GET /back/get HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
    assert_eq!(wire.response(false).await.text(), "eight by", "the connection is still in step");
}

#[tokio::test]
async fn a_response_that_a_plugin_reads_is_sent_whole() {
    let upstream = Upstream::start();
    upstream.answer("/fixed", 200, &[], "one two three");
    for (limit, read) in [(100, "13"), (5, "too large")] {
        let definition = api("back", upstream.address)
            .plugins("response", &["ReadResponse", "ReadResponse"])
            .config("ReadResponse", json!({"limit": limit}));
        let gateway = Gateway::serving(&definition).await;
        let feed = upstream.stream("/stream");
        ["one ", "two ", "three"].iter().for_each(|chunk| feed.data(*chunk));
        drop(feed);
        for path in ["/back/fixed", "/back/stream"] {
            let answer = gateway.get(path).await;
            assert_eq!((&*answer.text(), answer.all("x-read")), ("one two three", vec![read; 2]), "{path}");
        }
    }
}

#[tokio::test]
async fn half_a_request_body_is_never_taken_for_a_whole_one() {
    let upstream = Upstream::start();
    let gateway = reading(&upstream, 100).await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("POST /read/post HTTP/1.1\r\nHost: gateway\r\nContent-Length: 13\r\n\r\none").await;
    wire.close_writing().await;
    let answer = wire.response(false).await;
    assert_eq!(answer.status(), 400, "{answer:?}");
    assert!(upstream.seen().iter().all(|seen| seen.message.body != b"one"), "{:?}", upstream.seen());
}

#[tokio::test]
async fn nobody_buffers_a_body_that_no_plugin_asks_for() {
    let upstream = Upstream::start();
    let receive = upstream.receive("/post");
    let gateway = Gateway::serving(&api("order", upstream.address).plugins("pre", &["OrderA"])).await;
    let (feed, body) = gateway_tests::feed::feed();
    feed.data("first");
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move { client.ask(ask(Method::POST, "/order/post").body(body)).await });
    let (mut body, done) = gateway_tests::within_deadline("the request", receive).await.expect("the upstream is there");
    let first = body.frame().await.expect("a frame").expect("not broken").into_data().expect("data");
    assert_eq!(first, Bytes::from("first"), "while the client still sends");
    drop(feed);
    assert!(body.frame().await.is_none());
    done.send(()).expect("the upstream waits");
    assert_eq!(asking.await.expect("no panic").text(), "received");
}
