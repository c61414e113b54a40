//! What steps do is told to StatsD, by UDP. Source: plugin-system.md §8.1; gateway.md §8.7.

use std::collections::HashSet;

use gateway_tests::{Conf, Definition, Upstream, api, get, within_deadline};
use serde_json::json;
use tokio::net::UdpSocket;

fn definition(upstream: &Upstream) -> Definition {
    api("told", upstream.address)
        .plugins("pre", &["OrderA@./plugins/order"])
        .plugins("response", &["ResponseA"])
        .endpoint("GET", "/end", "OrderB")
        .set("/blacklisted_ips", json!(["10.0.0.1"]))
}

/// Reads lines until all of `wanted` have come; gives all that came.
async fn hear(server: &UdpSocket, wanted: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut packet = vec![0; 65536];
    let wait = async {
        while !wanted.iter().all(|name| lines.iter().any(|line| line.starts_with(name))) {
            let length = server.recv(&mut packet).await.expect("a packet");
            assert!(length <= 1440, "{length} bytes");
            let text = std::str::from_utf8(&packet[..length]).expect("UTF-8");
            lines.extend(text.lines().map(str::to_owned));
        }
    };
    within_deadline("the lines of StatsD", wait).await;
    lines
}

#[tokio::test]
async fn each_call_of_a_step_is_an_event_and_a_time_twice() {
    let upstream = Upstream::start();
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("an address").port();
    let conf = Conf::default()
        .set("statsd_connection_string", format!("localhost:{port}"))
        .set("statsd_prefix", "gw")
        .variable("TYK_INSTRUMENTATION", "1");
    let gateway = conf.with(&definition(&upstream)).start().await;
    assert_eq!(gateway.get("/told/end").await.status, 200);
    let step = "GoPluginMiddleware$$.$plugins$order.so$OrderA.executed";
    let own = ["", "MiddlewareCall."].map(|job| [format!("gw.{job}{step}:1|c"), format!("gw.{job}{step}.exec_time:")]);
    let own = own.concat();
    let mut wanted = vec!["gw.executed:1|c", "gw.exec_time:", "gw.MiddlewareCall.executed:1|c"];
    wanted.extend(own.iter().map(String::as_str));
    wanted.extend(["gw.IPBlackListMiddleware.executed:1|c", "gw.GoPluginMiddleware$$$.executed:1|c"]);
    let lines = hear(&server, &wanted).await;
    let kinds: HashSet<&str> = lines.iter().filter_map(|line| line.rsplit_once('|')).map(|(_, kind)| kind).collect();
    assert_eq!(kinds, HashSet::from(["c", "ms"]));
    assert!(!lines.iter().any(|line| line.contains("ResponseA")), "response plugins tell nothing: {lines:?}");
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_told_and_harms_nothing() {
    let upstream = Upstream::start();
    let conf =
        Conf::default().set("statsd_connection_string", "statsd.invalid:8125").variable("TYK_INSTRUMENTATION", "1");
    let gateway = conf.with(&definition(&upstream)).start().await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(get("/told/")).await.status, 200);
    }
    let line = gateway.log().message("StatsD cannot be told: see `statsd_connection_string`").await;
    assert_eq!(line.field("host"), "statsd.invalid");
    assert_eq!(gateway.ask(get("/told/")).await.status, 200);
}

#[tokio::test]
async fn instrumentation_without_a_server_is_an_error_in_the_log() {
    let upstream = Upstream::start();
    let gateway = Conf::default().variable("TYK_INSTRUMENTATION", "1").with(&definition(&upstream)).start().await;
    gateway.log().message("Instrumentation is enabled, but no connectionstring set for statsd").await;
}
