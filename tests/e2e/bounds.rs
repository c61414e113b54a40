//! What is too long, too large or too many: each with its status, its line in the log and its number.

use gateway_tests::wire::{Message, Wire};
use gateway_tests::{Conf, Gateway, Upstream, api};

async fn serving(upstream: &Upstream, bounds: &[(&str, u64)]) -> Gateway {
    let conf = Conf::default().with(&api("b", upstream.address));
    bounds.iter().fold(conf, |conf, (key, value)| conf.server(key, *value)).start().await
}

/// The only response to these bytes.
async fn told(gateway: &Gateway, bytes: &str) -> Message {
    let mut wire = Wire::connect(gateway.address).await;
    wire.write(bytes).await;
    let mut told = wire.responses().await;
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

fn get(target: &str, fields: &str) -> String {
    format!("GET /b/{target} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{fields}\r\n")
}

#[tokio::test]
async fn heads_have_a_length_and_a_number_of_fields() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, &[]).await;
    let field = |length: usize| format!("X: {}\r\n", "x".repeat(length));
    for (bytes, status) in [
        (get("get", &field(63_000)), 200),
        (get("get", &field(66_000)), 431),
        (get("get", &field(600).repeat(110)), 431),
        (get("get", &"X: y\r\n".repeat(90)), 200),
        (get("get", &"X: y\r\n".repeat(99)), 431),
        (get(&"x".repeat(60_000), ""), 200),
        (get(&"x".repeat(66_000), ""), 414),
    ] {
        let before = upstream.seen().len();
        let answer = told(&gateway, &bytes).await;
        assert_eq!((answer.status(), answer.header("connection")), (status, "close"), "{} bytes", bytes.len());
        assert_eq!(upstream.seen().len() - before, usize::from(status == 200));
    }
    assert_eq!(gateway.refused("long_head").await, 4);
    let line = gateway.log().message("connection refused").await;
    assert_eq!(line.field("error"), "the head is longer than `max_request_header_size` allows");
}

#[tokio::test]
async fn the_length_of_heads_is_configured() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, &[("max_request_header_size", 1000)]).await;
    for (bytes, status) in [
        (get("get", &format!("X: {}\r\n", "x".repeat(900))), 200),
        (get("get", &format!("X: {}\r\n", "x".repeat(1000))), 431),
        (get(&"x".repeat(1000), ""), 414),
        // However it begins, it is not held.
        ("x".repeat(1001), 414),
    ] {
        assert_eq!(told(&gateway, &bytes).await.status(), status, "{bytes:?}");
    }
    let gateway = serving(&upstream, &[("max_request_header_size", 200_000)]).await;
    assert_eq!(told(&gateway, &get("get", &format!("X: {}\r\n", "x".repeat(190_000)))).await.status(), 200);
}

#[test]
fn a_length_of_heads_that_cannot_be_is_a_mistake() {
    let output = Conf::default().server("max_request_header_size", 1_000_000).command(&["check"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("http_server_options.max_request_header_size: more than 262144 bytes"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn bodies_have_a_length() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, &[("max_request_body_size", 10)]).await;
    let post = |fields: &str, body: &str| {
        format!("POST /b/post HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{fields}\r\n{body}")
    };
    let chunks = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    for (bytes, status) in [
        (post("Content-Length: 10\r\n", "0123456789"), 200),
        (post("Content-Length: 11\r\n", "0123456789A"), 413),
        // It is not waited for.
        (post("Content-Length: 1000000000000\r\n", ""), 413),
        (chunks("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"), 200),
        (chunks("5\r\n01234\r\n6\r\n56789A\r\n0\r\n\r\n"), 413),
        (chunks("B\r\n0123456789A\r\n"), 413),
    ] {
        let answer = told(&gateway, &bytes).await;
        assert_eq!((answer.status(), answer.header("connection")), (status, "close"), "{bytes:?}");
        if status == 413 {
            assert_eq!(answer.text(), "Request Entity Too Large\n");
        }
    }
    assert_eq!(upstream.seen().iter().filter(|seen| seen.whole).count(), 2);
    assert_eq!(gateway.refused("large_body").await, 4);
    assert_eq!(gateway.metric("gw_errors_total{fault=\"client\",status=\"413\"}").await, 4);
    let line = gateway.log().message_times("request refused", 4).await;
    assert_eq!((line.field("fault"), line.field("api_id")), ("client", "b"));
}

#[tokio::test]
async fn clients_beyond_the_bound_are_turned_away_and_come_back() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream, &[("max_connections", 4)]).await;
    let request = "GET /b/get HTTP/1.1\r\nHost: g\r\n\r\n";
    let mut inside = Vec::new();
    for _ in 0..4 {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(request).await;
        assert_eq!(wire.response(false).await.status(), 200);
        inside.push(wire);
    }
    for _ in 0..3 {
        let mut wire = Wire::connect(gateway.address).await;
        // It may be told before it has said anything.
        wire.try_write(request).await;
        let told = wire.responses().await;
        assert_eq!(told.iter().map(Message::status).collect::<Vec<_>>(), [503]);
        assert_eq!(told[0].header("connection"), "close");
    }
    let line = gateway.log().message("too many connections: clients are turned away").await;
    assert_eq!(line.json["max_connections"], 4, "{}", line.text);
    for wire in &mut inside {
        wire.write(request).await;
        assert_eq!(wire.response(false).await.status(), 200, "who is inside is served as before");
    }
    assert_eq!(upstream.seen().len(), 8);
    // The place of one who leaves is free, as soon as the gateway has seen it.
    drop(inside.pop());
    gateway_tests::within_deadline("a free place", async {
        loop {
            let mut wire = Wire::connect(gateway.address).await;
            wire.try_write("GET /b/get HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await;
            if wire.responses().await.iter().any(|response| response.status() == 200) {
                break;
            }
        }
    })
    .await;
    drop(inside);
    let refused = gateway_tests::within_deadline("a free place", async {
        while gateway.metric("gw_connections_open").await != 1 {}
        gateway.refused("too_many_connections").await
    });
    assert!(refused.await >= 3);
    assert!(gateway.metric("gw_connections_accepted_total").await >= 8);
}

#[tokio::test]
async fn the_numbers_are_told_to_those_who_know_the_secret() {
    let gateway = Conf::default().start().await;
    assert_eq!(gateway.get("/tyk/metrics").await.status, 403);
    let answer = gateway.control("/tyk/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for line in text.lines() {
        let is_sample =
            line.rsplit_once(' ').is_some_and(|(name, value)| name.starts_with("gw_") && value.parse::<u64>().is_ok());
        assert!(is_sample || line.starts_with("# HELP gw_") || line.starts_with("# TYPE gw_"), "{line:?}");
    }
    assert!(
        text.ends_with('\n') && text.contains("\n# TYPE gw_connections_open gauge\ngw_connections_open "),
        "{text}"
    );
}
