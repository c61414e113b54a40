//! Bodies of requests to the control API: bounded, and read only from who may be here. Source: gateway.md §2.1.

use gateway_tests::feed::feed;
use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::wire::Wire;
use gateway_tests::{Gateway, Upstream, api, ask};
use http::Method;

const LARGE: usize = 100 * 1024 * 1024;
/// The most that a body may have.
const MOST: usize = 16 * 1024 * 1024;
const TOO_LARGE: &str = "Request Entity Too Large: the control API takes up to 16777216 bytes";

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    for (secret, status) in [(SECRET, 413), ("wrong", 403)] {
        let mut wire = Wire::connect(gateway.address).await;
        let head = format!(
            "POST /tyk/apis HTTP/1.1\r\nHost: a\r\n{SECRET_HEADER}: {secret}\r\nContent-Length: {LARGE}\r\nExpect: 100-continue\r\n\r\n"
        );
        wire.write(head).await;
        let answer = wire.response(false).await;
        assert_eq!(answer.status(), status, "{answer:?}");
        if status == 413 {
            assert_eq!(answer.text(), format!("{{\"status\":\"error\",\"message\":\"{TOO_LARGE}\"}}\n"));
        }
    }
}

#[tokio::test]
async fn a_body_that_becomes_too_large_is_not_read_to_its_end() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    let (sender, body) = feed();
    // No more than is read: a client that still writes when it is refused may not get to see why.
    for _ in 0..MOST / (1 << 20) {
        sender.data(vec![b' '; 1 << 20]);
    }
    sender.data(vec![b' ']);
    let mut client = gateway.connect().await;
    let asked = ask(Method::POST, "/tyk/apis").header(SECRET_HEADER, SECRET).body(body);
    client.ask(asked).await.is_refusal(413, TOO_LARGE);
    drop(sender);
    assert_eq!(gateway.get("/one/get").await.status, 200);
}
