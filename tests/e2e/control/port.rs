//! A port for the control API alone. Source: gateway.md §1.2, `control_api_port`.

use std::net::TcpListener;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Client, Conf, Gateway, Upstream, api, get};

/// A port that was free a moment ago.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound").port()
}

async fn at(gateway: &Gateway, port: u16) -> Client {
    let mut address = gateway.address;
    address.set_port(port);
    Client::connect(address).await
}

#[tokio::test]
async fn the_gateways_own_paths_are_on_their_port_alone() {
    let upstream = Upstream::start();
    let port = free();
    let conf = Conf::default().with(&api("all", upstream.address).set("/proxy/listen_path", "/"));
    let gateway = conf.set("control_api_port", port).start().await;
    for path in ["/tyk/apis", "/tyk/reload", "/hello", "/ready"] {
        assert_eq!(gateway.control(path).await.json()["Path"], path, "an API's, as any other path");
    }
    let seen = upstream.seen().len();
    let mut control = at(&gateway, port).await;
    assert_eq!(control.ask(get("/hello")).await.json()["status"], "pass");
    assert_eq!(control.ask(get("/ready")).await.status, 200);
    assert_eq!(control.ask(get("/tyk/apis")).await.status, 403);
    let listed = control.ask(get("/tyk/apis").header(SECRET_HEADER, SECRET)).await;
    assert_eq!((listed.status, &listed.json()[0]["api_id"]), (200, &"all".into()));
    for path in ["/get", "/apis", "/", "/hellos"] {
        let answer = control.ask(get(path).header(SECRET_HEADER, SECRET)).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    assert_eq!(upstream.seen().len(), seen, "no API is served there");
    let reloaded = control.ask(get("/tyk/reload?block=true").header(SECRET_HEADER, SECRET)).await;
    reloaded.is_reply(200, r#"{"status":"ok","message":""}"#);
    gateway.log().message("reloaded").await;
}

#[tokio::test]
async fn the_health_command_asks_where_the_answer_is() {
    let port = free();
    let conf = Conf::default().set("control_api_port", port);
    let command = conf.command(&["health"]);
    assert!(!command.status.success(), "nobody is there");
    let process = conf.spawn(&["--port", "0"]);
    process.log.message("listening").await;
    assert!(conf.command(&["health"]).status.success());
}

#[tokio::test]
async fn a_port_that_is_taken_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it is bound").port();
    let process = Conf::default().set("control_api_port", port).spawn(&["--port", "0"]);
    assert!(!process.exit().await.success());
    let line = process.log.message("the gateway does not start").await;
    let error = line.field("error");
    assert!(error.contains("for the control API: ") && error.contains("choose another `control_api_port`"), "{error}");
}
