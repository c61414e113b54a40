//! What is sent a second time, and what never is. Source: RFC 9110 §9.2.2, RFC 9112 §9.3.1.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_tests::feed::feed;
use gateway_tests::{Client, Gateway, api, ask, get, post};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an upstream does with a request.
#[derive(Clone, Copy)]
enum Act {
    Answer,
    /// Closes the connection without a word.
    Close,
    /// Begins an answer, and closes the connection.
    Begin,
}

/// An upstream that does what a script says of the connection and of the request on it, both counted from 0.
struct Scripted {
    address: SocketAddr,
    /// The connection that each request came on.
    requests: Arc<Mutex<Vec<usize>>>,
}

impl Scripted {
    async fn start(script: fn(usize, usize) -> Act) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        let requests: Arc<Mutex<Vec<usize>>> = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    for request in 0.. {
                        if !received(&mut stream).await {
                            return;
                        }
                        seen.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                        let (answer, goes_on): (&[u8], _) = match script(connection, request) {
                            Act::Answer => (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
                            Act::Begin => (b"HTTP/1.1 200 OK\r\nContent-", false),
                            Act::Close => (b"", false),
                        };
                        if stream.write_all(answer).await.is_err() || !goes_on {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<usize> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a request to its end; `false` at the end of the connection.
async fn received(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return false;
        }
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let is_chunked = head.contains("transfer-encoding: chunked");
        if is_chunked && body.ends_with("0\r\n\r\n") || !is_chunked && body.len() >= length.unwrap_or(0) {
            return true;
        }
    }
}

/// The second request on the first connection meets its end; whatever comes later is answered.
fn closes_when_used_again(connection: usize, request: usize) -> Act {
    if (connection, request) == (0, 1) { Act::Close } else { Act::Answer }
}

/// A client whose core has a connection to the upstream that was used once.
async fn warm(gateway: &Gateway) -> Client {
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(get("/again/first")).await.text(), "ok");
    client
}

const FAILED: &str = "There was a problem proxying the request";

#[tokio::test]
async fn what_means_the_same_twice_is_sent_again_on_a_new_connection() {
    for request in [|| get("/again/x"), || ask(Method::DELETE, "/again/x"), || ask(Method::PUT, "/again/x")] {
        let upstream = Scripted::start(closes_when_used_again).await;
        let gateway = Gateway::serving(&api("again", upstream.address)).await;
        assert_eq!(warm(&gateway).await.ask(request()).await.text(), "ok");
        assert_eq!(upstream.requests(), [0, 0, 1]);
    }
}

#[tokio::test]
async fn what_may_mean_something_else_twice_is_not() {
    let upstream = Scripted::start(closes_when_used_again).await;
    let gateway = Gateway::serving(&api("again", upstream.address)).await;
    let mut client = warm(&gateway).await;
    client.ask(post("/again/x", "")).await.is_error(500, FAILED);
    assert_eq!(upstream.requests(), [0, 0], "it may have had its effect");
    assert_eq!(client.ask(post("/again/x", "")).await.text(), "ok", "that connection is not used any more");
}

#[tokio::test]
async fn a_body_that_was_streamed_is_not_sent_again() {
    let upstream = Scripted::start(closes_when_used_again).await;
    let gateway = Gateway::serving(&api("again", upstream.address)).await;
    let mut client = warm(&gateway).await;
    let (feed, body) = feed();
    feed.data("gone by now");
    drop(feed);
    client.ask(ask(Method::PUT, "/again/x").body(body)).await.is_error(500, FAILED);
    assert_eq!(upstream.requests(), [0, 0]);
}

#[tokio::test]
async fn nothing_is_sent_again_after_the_first_byte_of_an_answer() {
    let begins = |connection, request| if (connection, request) == (0, 1) { Act::Begin } else { Act::Answer };
    let upstream = Scripted::start(begins).await;
    let gateway = Gateway::serving(&api("again", upstream.address)).await;
    warm(&gateway).await.ask(get("/again/x")).await.is_error(500, FAILED);
    assert_eq!(upstream.requests(), [0, 0]);
}

#[tokio::test]
async fn a_new_connection_that_fails_is_the_last() {
    let closes = |connection, request| if (connection, request) == (0, 0) { Act::Answer } else { Act::Close };
    let upstream = Scripted::start(closes).await;
    let gateway = Gateway::serving(&api("again", upstream.address)).await;
    let mut client = warm(&gateway).await;
    client.ask(get("/again/x")).await.is_error(500, FAILED);
    assert_eq!(upstream.requests(), [0, 0, 1], "once more, and no more");
    client.ask(get("/again/x")).await.is_error(500, FAILED);
    assert_eq!(upstream.requests(), [0, 0, 1, 2], "a connection that was never used is no reason to try again");
}
