//! WebSocket and other protocols: bytes through the gateway, once both sides have agreed.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Definition, Upstream, api, get, within_deadline};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::pki::wish;
use crate::raw::Raw;

const ASKS: &str = "GET /up/x HTTP/1.1\r\nHost: gateway\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chat/1\r\n\r\n";
const AGREES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\n";

fn upgrading(definition: &Definition) -> Conf {
    Conf::default().with(definition).server("enable_websockets", true)
}

/// Says everything again, in capitals.
async fn shout(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut socket = accept_async(stream).await.expect("a WebSocket handshake");
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            socket.send(Message::text(text.to_uppercase())).await.expect("the client is there");
        }
    }
}

async fn websocket(gateway: SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(gateway).await.expect("the gateway listens");
    let (socket, response) = client_async(format!("ws://{gateway}{path}"), stream).await.expect("a WebSocket");
    assert_eq!(response.status(), 101);
    socket
}

async fn hears(socket: &mut WebSocketStream<TcpStream>, said: &str, heard: &str) {
    socket.send(Message::text(said.to_owned())).await.expect("the gateway is there");
    let message = within_deadline("a message", socket.next()).await.expect("a message").expect("no error");
    assert_eq!(message.into_text().expect("text"), heard);
}

async fn shouting() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(shout(stream));
        }
    });
    address
}

#[tokio::test]
async fn a_websocket_speaks_through_the_gateway_until_one_side_ends_it() {
    let gateway = upgrading(&api("up", shouting().await)).start().await;
    let mut socket = websocket(gateway.address, "/up/chat").await;
    hears(&mut socket, "one", "ONE").await;
    let large = "x".repeat(300_000);
    hears(&mut socket, &large, &large.to_uppercase()).await;
    socket.close(None).await.expect("the gateway is there");
    assert!(matches!(within_deadline("the end", socket.next()).await, Some(Ok(Message::Close(_)))));
    assert!(within_deadline("the end", socket.next()).await.is_none());
}

#[tokio::test]
async fn a_websocket_speaks_with_an_upstream_by_tls() {
    let own = wish(&["localhost"]).alone();
    let acceptor = TlsAcceptor::from(own.server().alpn(&["h2", "http/1.1"]).config());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        shout(acceptor.accept(stream).await.expect("TLS")).await;
    });
    let definition = api("up", SocketAddr::from(([127, 0, 0, 1], port)))
        .set("/proxy/target_url", format!("wss://localhost:{port}/"))
        .set("/pinned_public_keys", json!({"localhost": own.pin()}));
    // HTTP/2 is offered, but not for this.
    let gateway = upgrading(&definition).set("proxy_enable_http2", true).start().await;
    let mut socket = websocket(gateway.address, "/up/").await;
    hears(&mut socket, "safe", "SAFE").await;
}

#[tokio::test]
async fn what_either_side_says_early_is_not_lost_and_one_may_end_before_the_other() {
    let raw = Raw::start().await;
    let gateway = upgrading(&api("up", raw.address).plugins("pre", &["AddFooBarHeader"])).start().await;
    let mut client = Wire::connect(gateway.address).await;
    // No head of HTTP: lines that end with LF alone are refused in those.
    client.write(format!("{ASKS}early\nbird\n")).await;
    let mut line = raw.accept().await;
    let head = line.head().await.to_ascii_lowercase();
    assert!(head.starts_with("get /x http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: chat/1\r\n"), "{head}");
    assert!(head.contains("\r\nfoo: bar\r\n"), "plugins see it as they see all: {head}");
    line.write(format!("{AGREES}hello\n")).await;
    assert_eq!(line.take(11).await, b"early\nbird\n");
    let agreed = client.response(false).await;
    assert_eq!(agreed.status(), 101);
    assert_eq!(agreed.header("upgrade"), "chat/1");
    assert_eq!(agreed.header("connection").to_ascii_lowercase(), "upgrade");
    assert_eq!(client.take(6).await, b"hello\n");
    client.write("the last word").await;
    client.close_writing().await;
    assert_eq!(line.take(13).await, b"the last word");
    line.ends().await;
    line.write("and an answer").await;
    line.close_writing().await;
    assert_eq!(client.take(13).await, b"and an answer");
    client.ends().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_agree_answers_as_always_and_the_client_goes_on() {
    let raw = Raw::start().await;
    let gateway = upgrading(&api("up", raw.address)).start().await;
    let mut client = Wire::connect(gateway.address).await;
    client.write(format!("{ASKS}GET /up/next HTTP/1.1\r\nHost: gateway\r\n\r\n")).await;
    let mut line = raw.accept().await;
    line.head().await;
    line.write("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno").await;
    let refused = client.response(false).await;
    assert_eq!((refused.status(), refused.text()), (426, "no".to_owned()));
    let mut next = raw.accept().await;
    assert!(next.head().await.starts_with("GET /next "));
    next.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.response(false).await.status(), 204);
}

#[tokio::test]
async fn nothing_is_upgraded_unless_it_is_switched_on_and_never_to_http2() {
    let upstream = Upstream::start();
    let off = Conf::default().with(&api("up", upstream.address)).start().await;
    let on = upgrading(&api("up", upstream.address)).start().await;
    let h2c = ASKS.replace("chat/1", "h2c");
    for (gateway, asks) in [(&off, ASKS), (&on, &h2c)] {
        let mut client = Wire::connect(gateway.address).await;
        client.write(asks).await;
        assert_eq!(client.response(false).await.status(), 200);
        let seen = upstream.last();
        assert_eq!(seen.first(), "GET /x HTTP/1.1");
        assert_eq!((seen.header("upgrade"), seen.header("connection")), ("", ""));
    }
}

#[tokio::test]
async fn an_upstream_cannot_change_the_protocol_unasked() {
    let address = Raw::start().await.always(AGREES.as_bytes(), false);
    let gateway = upgrading(&api("up", address)).start().await;
    gateway.get("/up/").await.is_error(500, "There was a problem proxying the request");
}

#[tokio::test]
async fn a_tunnel_is_a_running_request_to_a_gateway_that_ends() {
    let definition = api("up", shouting().await);
    let gateway = upgrading(&definition).set("graceful_shutdown_timeout_duration", 3).start().await;
    let mut socket = websocket(gateway.address, "/up/").await;
    hears(&mut socket, "before", "BEFORE").await;
    gateway.process.signal(Signal::TERM);
    within_deadline("the end of listening", async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hears(&mut socket, "while it drains", "WHILE IT DRAINS").await;
    let ended = tokio::time::timeout(Duration::from_secs(20), gateway.process.exit()).await;
    assert_eq!(ended.expect("the drain has a bound").code(), Some(0));
}

#[tokio::test]
async fn a_silent_tunnel_is_left_alone() {
    let definition = api("up", shouting().await);
    let gateway = upgrading(&definition).server("read_timeout", 1).server("write_timeout", 1).start().await;
    let mut socket = websocket(gateway.address, "/up/").await;
    let mut idle = gateway.connect().await;
    assert_eq!(idle.ask(get("/hello")).await.status, 200);
    // An idle client is hung up on after the same time.
    idle.closed().await;
    hears(&mut socket, "still here", "STILL HERE").await;
}
