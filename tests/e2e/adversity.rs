//! Unlucky peers and hostile clients: what happens to one must not happen to another, nor lead around a guard.

use std::net::SocketAddr;
use std::process::Command;

use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, post};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn guarded(upstream: &Upstream, id: &str, listen: &str) -> Definition {
    api(id, upstream.address).set("/use_keyless", false).set("/proxy/listen_path", listen)
}

#[tokio::test]
async fn a_chunked_response_gives_its_connection_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("chunks", upstream.address)).await;
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        let feed = upstream.stream("/feed");
        feed.data("a piece");
        drop(feed);
        assert_eq!(client.ask(get("/chunks/feed")).await.text(), "a piece");
    }
    let peers: Vec<_> = upstream.seen().iter().map(|seen| seen.peer).collect();
    assert_eq!(peers, [peers[0]; 3]);
}

/// An upstream that answers as soon as it has read a head, and leaves the connection open.
async fn hasty_upstream() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                let mut answered = 0;
                while stream.read_buf(&mut read).await.is_ok_and(|bytes| bytes > 0) {
                    let heads = read.windows(4).filter(|end| end == b"\r\n\r\n").count();
                    while answered < heads {
                        answered += 1;
                        // Nobody may listen any more: the gateway closes what it does not want to keep.
                        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn an_early_answer_does_not_hold_up_the_next_client() {
    let definition = api("early", hasty_upstream().await);
    let gateway = Conf::default().set("proxy_default_timeout", 2).with(&definition).start().await;
    let mut uploads = Vec::new();
    // Enough for every core to have had one.
    for _ in 0..8 {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write("POST /early/post HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\nabc").await;
        assert_eq!(wire.response(false).await.status(), 401);
        uploads.push(wire);
    }
    for _ in 0..8 {
        assert_eq!(gateway.get("/early/get").await.status, 401);
    }
}

#[tokio::test]
async fn a_chunked_body_of_a_get_is_forwarded() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("body", upstream.address)).await;
    let mut wire = Wire::connect(gateway.address).await;
    let head = "GET /body/get HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n";
    wire.write(format!("{head}5\r\nhello\r\n0\r\n\r\n")).await;
    assert_eq!(wire.response(false).await.status(), 200);
    assert_eq!(upstream.last().message.text(), "hello");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_told_and_the_upstream_is_not_blamed() {
    let upstream = Upstream::start();
    let conf = Conf::default().server("read_timeout", 1).set("proxy_default_timeout", 0.2);
    let gateway = conf.with(&api("stall", upstream.address)).start().await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("POST /stall/post HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\nabc").await;
    assert_eq!(wire.response(false).await.status(), 408);
    let line = gateway.log().message("request refused").await;
    assert_eq!(line.field("fault"), "client");
}

#[tokio::test]
async fn a_request_without_one_host_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("host", upstream.address)).await;
    for (hosts, version, expected) in [
        ("Host: a\r\nHost: b\r\n", "1.1", 400),
        ("Host: a\r\nHost: a\r\n", "1.1", 400),
        ("", "1.1", 400),
        ("Host: a\r\n", "1.1", 200),
        ("", "1.0", 200),
    ] {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(format!("GET /host/get HTTP/{version}\r\n{hosts}\r\n")).await;
        assert_eq!(wire.response(false).await.status(), expected, "{hosts:?} {version}");
    }
}

#[tokio::test]
async fn a_client_cannot_remove_what_a_plugin_adds() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("kept", upstream.address).plugins("post", &["AddFooBarHeader"])).await;
    gateway.ask(get("/kept/get").header("connection", "Foo").header("foo", "the client's")).await;
    assert_eq!(upstream.last().all("foo"), ["Bar"]);
}

#[tokio::test]
async fn an_escape_does_not_lead_around_a_guarded_listen_path() {
    let upstream = Upstream::start();
    let root = api("root", upstream.address).set("/proxy/listen_path", "/");
    let conf = Conf::default().server("skip_url_cleaning", true).with(&root);
    let gateway = conf
        .with(&guarded(&upstream, "admin", "/admin/"))
        .with(&guarded(&upstream, "at", "/@adm/"))
        .with(&guarded(&upstream, "umlaut", "/gehälter/"))
        .start()
        .await;
    for path in ["/admin/x", "/%61dmin/x", "/admin%2Fx", "/%40adm/x", "/geh%C3%A4lter/x"] {
        assert_eq!(gateway.get(path).await.status, 401, "{path}");
    }
    assert_eq!(gateway.get("/other").await.status, 200);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn dots_behind_escapes_are_cleaned_like_others() {
    let upstream = Upstream::start();
    let root = api("root", upstream.address).set("/proxy/listen_path", "/");
    let gateway = Gateway::serving(&root).await;
    for path in ["/public/..%2Fadmin/x", "/public/%2e%2e/admin/x", "/public%2F..%2Fadmin/x"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (301, "/admin/x"), "{path}");
    }
}

#[tokio::test]
async fn a_definition_with_errors_keeps_its_listen_path_closed() {
    let upstream = Upstream::start();
    let root = api("root", upstream.address).set("/proxy/listen_path", "/");
    let wrong = guarded(&upstream, "wrong", "/wrong/").set("/use_keyless", "no");
    let twin = guarded(&upstream, "root", "/twin/");
    let gateway =
        Conf::default().with(&root).file("wrong.json", &wrong.to_string()).file("twin.json", &twin.to_string());
    let gateway = gateway.start().await;
    gateway.get("/wrong/x").await.is_error(500, "Internal Server Error");
    gateway.get("/twin/x").await.is_error(500, "Internal Server Error");
    assert_eq!(gateway.get("/x").await.status, 200);
}

#[tokio::test]
async fn a_newcomer_takes_nothing_from_an_api_that_is_running() {
    let upstream = Upstream::start();
    let running = api("m", upstream.address).set("/proxy/listen_path", "/x/").set("/name", "running");
    let gateway = Gateway::serving(&running).await;
    let same_path = guarded(&upstream, "a", "/x/");
    let same_id = guarded(&upstream, "m", "/y/");
    gateway.write_file("a.json", &same_path.to_string());
    gateway.write_file("0.json", &same_id.to_string());
    gateway.reload().await;
    assert_eq!(gateway.get("/x/get").await.status, 200);
    gateway.get("/y/get").await.is_error(500, "Internal Server Error");
    assert_eq!(gateway.get("/x/-a/get").await.status, 401);
}

#[tokio::test]
async fn a_plugin_that_panics_when_it_is_dropped_ends_nothing_else() {
    let upstream = Upstream::start();
    let bomb = api("bomb", upstream.address).plugins("post", &["PanicsOnDrop"]);
    let gateway = Gateway::serving(&bomb).await;
    assert_eq!(gateway.get("/bomb/get").await.status, 200);
    gateway.write(&bomb.set("/name", "another"));
    gateway.reload().await;
    gateway.log().message("a plugin's `shutdown` failed").await;
    assert_eq!(gateway.get("/bomb/get").await.status, 200);
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn a_plugin_that_panics_on_its_configuration_is_a_finding() {
    let upstream = Upstream::start();
    let trap = api("trap", upstream.address).plugins("post", &["PanicsOnConfig"]);
    let gateway = Conf::default().with(&trap).with(&api("other", upstream.address)).start().await;
    gateway.get("/trap/get").await.is_error(500, "Internal Server Error");
    assert_eq!(gateway.get("/other/get").await.status, 200);
    let told = "plugin `PanicsOnConfig` panicked while it read its configuration: a plugin read its configuration";
    gateway.log().wait(told, |line| line.field("finding").contains(told)).await;
}

#[tokio::test]
async fn a_pipe_among_the_definitions_is_a_finding() {
    let upstream = Upstream::start();
    let conf = Conf::default().with(&api("file", upstream.address));
    let pipe = conf.apps().join("pipe.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/file/get").await.status, 200);
    let told = "pipe.json:1:1: not a regular file";
    gateway.log().wait(told, |line| line.field("finding").ends_with(told)).await;
}

#[tokio::test]
async fn a_granted_path_is_the_only_one() {
    let upstream = Upstream::start();
    let session =
        json!({ "access_rights": { "granted": { "allowed_urls": [{ "url": "/only", "methods": ["GET"] }] } } });
    let definition = api("granted", upstream.address).auth("SetSession").config("SetSession", session);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/granted/only").await.status, 200);
    gateway.get("/granted/other").await.is_error(403, "Access to this resource has been disallowed");
    gateway.ask(post("/granted/only", "")).await.is_error(403, "Access to this resource has been disallowed");
    let head = gateway_tests::ask(Method::HEAD, "/granted/only");
    assert_eq!(gateway.ask(head).await.status, 403);
}

#[tokio::test]
async fn an_upstream_that_sends_too_much_for_a_plugin_is_not_the_clients_fault() {
    let upstream = Upstream::start();
    upstream.answer("/large", 200, &[], "x".repeat(500));
    let definition = api("large", upstream.address).plugins("response", &["NeedResponse"]);
    let gateway = Gateway::serving(&definition.config("NeedResponse", json!({ "limit": 64 }))).await;
    gateway.get("/large/large").await.is_error(500, "Response body too large");
}

/// Source: RFC 9110 §2.5.
#[tokio::test]
async fn each_side_of_the_gateway_speaks_its_own_version() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the gateway connects");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold").await.expect("the gateway reads");
    });
    let gateway = Gateway::serving(&api("old", address)).await;
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("GET /old/get HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
    let response = wire.response(false).await;
    assert_eq!((&*response.first, &*response.text()), ("HTTP/1.1 200 OK", "old"));
}

#[tokio::test]
async fn a_refusal_with_a_status_that_cannot_carry_it_is_still_http() {
    let upstream = Upstream::start();
    let refusing =
        |status: u16| api("odd", upstream.address).plugins("pre", &["Refuse"]).config("Refuse", said(status));
    let gateway = Gateway::serving(&refusing(204)).await;
    let empty = gateway.get("/odd/get").await;
    assert_eq!((empty.status, empty.header("content-length"), &*empty.text()), (204, "", ""));
    gateway.write(&refusing(100));
    gateway.reload().await;
    gateway.get("/odd/get").await.is_error(500, "Internal Server Error");
}

fn said(status: u16) -> serde_json::Value {
    json!({ "status": status, "body": "a reason" })
}
