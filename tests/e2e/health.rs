//! `gateway health`, as an image without a shell runs it.

use std::net::TcpListener;

use gateway_tests::upstream::Nobody;
use gateway_tests::{Conf, Upstream};

/// The exit code, stdout and stderr of `gateway health`.
fn health(conf: &Conf, port: u16) -> (Option<i32>, String, String) {
    let output = conf.command(&["health", "--port", &port.to_string()]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn is_unhealthy(conf: &Conf, port: u16, reason: &str) {
    let expected = format!("not healthy: http://127.0.0.1:{port}/hello: {reason}\n");
    assert_eq!(health(conf, port), (Some(1), String::new(), expected));
}

#[tokio::test]
async fn a_gateway_that_serves_is_healthy_by_its_configured_name() {
    let conf = || Conf::default().set("health_check_endpoint_name", "live");
    let gateway = conf().start().await;
    let port = gateway.address.port();
    let expected = format!("healthy: http://127.0.0.1:{port}/live\n");
    assert_eq!(health(&conf(), port), (Some(0), expected.clone(), String::new()));
    is_unhealthy(&Conf::default(), port, "the answer is 404 Not Found");
    // The configuration tells the port, too; and all addresses are also this machine's.
    for address in ["", "0.0.0.0", "::"] {
        let conf = conf().set("listen_port", port).set("listen_address", address);
        let output = conf.command(&["health"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_not_healthy() {
    let nobody = Nobody::default();
    let reason = format!("no connection to {}: Connection refused (os error 111)", nobody.address);
    is_unhealthy(&Conf::default(), nobody.address.port(), &reason);
}

#[tokio::test]
async fn another_server_is_not_a_healthy_gateway() {
    let upstream = Upstream::start();
    for (status, body, reason) in [
        (200, "welcome", "the answer is not a gateway's; is this the port of another server?"),
        (200, r#"{"status":"fail"}"#, "the answer is not a gateway's; is this the port of another server?"),
        (503, r#"{"status":"pass"}"#, "the answer is 503 Service Unavailable"),
    ] {
        upstream.answer("/hello", status, &[], body);
        is_unhealthy(&Conf::default(), upstream.address.port(), reason);
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_not_waited_for() {
    let upstream = Upstream::start();
    upstream.ignore("/hello");
    is_unhealthy(&Conf::default(), upstream.address.port(), "no answer within 2s");
    let _endless = upstream.stream("/hello");
    is_unhealthy(&Conf::default(), upstream.address.port(), "no answer within 2s");
}

#[tokio::test]
async fn a_port_that_the_system_chose_must_be_named() {
    let expected =
        "not healthy: port 0 does not tell where the gateway listens; name its port with `--port`\n".to_owned();
    assert_eq!(health(&Conf::default(), 0), (Some(1), String::new(), expected));
}

#[test]
fn a_configuration_that_is_wrong_is_the_reason() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of the system's choice");
    let port = listener.local_addr().expect("it is bound").port();
    let (code, out, err) = health(&Conf::default().set("listen_address", "somewhere"), port);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.starts_with("not healthy: ") && err.contains("`somewhere` is not an IP address"), "{err}");
}
