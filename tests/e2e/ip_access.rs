//! Clients are let in, or refused, by their address. Source: gateway.md §3.6, §5.10, §12.5.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get};
use serde_json::json;

const TOLD: &str = "access from this IP has been disallowed";

type Header = (&'static str, &'static str);

fn listing(upstream: &Upstream, list: &str, entries: &[&str]) -> Definition {
    api("some", upstream.address).set(&format!("/{list}"), json!(entries))
}

/// A list that is not empty counts without its switch; the switch is needed where `ip_access_control_disabled` is set.
#[tokio::test]
async fn a_list_counts_without_its_switch() {
    let upstream = Upstream::start();
    let allows = listing(&upstream, "allowed_ips", &["10.0.0.0/8", "2001:db8::/32"]);
    let denies = listing(&upstream, "blacklisted_ips", &["127.0.0.1"]);
    let off = |definition: &Definition| definition.clone().set("/ip_access_control_disabled", true);
    for (definition, expected) in [
        (allows.clone(), 403),
        (denies.clone(), 403),
        (off(&allows), 200),
        (off(&denies), 200),
        (off(&allows).set("/enable_ip_whitelisting", true), 403),
        (off(&denies).set("/enable_ip_blacklisting", true), 403),
        (allows.set("/allowed_ips", json!(["10.0.0.1", "127.0.0.0/8"])), 200),
        (denies.set("/blacklisted_ips", json!(["127.0.0.2"])), 200),
    ] {
        let gateway = Gateway::serving(&definition).await;
        let answer = gateway.get("/some/get").await;
        assert_eq!(answer.status, expected, "{definition}");
        if expected == 403 {
            answer.is_error(403, TOLD);
        }
    }
}

/// The address is that of `X-Real-IP`, else the entry of `X-Forwarded-For` at `xff_depth`, else the connection's.
#[tokio::test]
async fn the_address_is_the_one_that_whoever_forwarded_tells() {
    let upstream = Upstream::start();
    let definition = listing(&upstream, "allowed_ips", &["10.0.0.7"]);
    let cases: [(i64, &[Header], u16); 11] = [
        (0, &[], 403),
        (0, &[("x-real-ip", "10.0.0.7")], 200),
        (0, &[("x-real-ip", "10.0.0.8"), ("x-forwarded-for", "10.0.0.7")], 403),
        (0, &[("x-real-ip", "nobody"), ("x-forwarded-for", "10.0.0.7, 10.0.0.9")], 200),
        (0, &[("x-forwarded-for", "10.0.0.9, 10.0.0.7")], 403),
        (1, &[("x-forwarded-for", "10.0.0.9, 10.0.0.7")], 200),
        (2, &[("x-forwarded-for", "10.0.0.7, 10.0.0.9")], 200),
        (3, &[("x-forwarded-for", "10.0.0.7, 10.0.0.9")], 403),
        (-1, &[("x-forwarded-for", "10.0.0.7")], 403),
        (0, &[("x-forwarded-for", "::ffff:10.0.0.7")], 200),
        (0, &[("x-forwarded-for", "unknown")], 403),
    ];
    for (depth, headers, expected) in cases {
        let conf = Conf::default().set("http_server_options", json!({"xff_depth": depth}));
        let gateway = conf.with(&definition).start().await;
        let request = headers.iter().fold(get("/some/get"), |request, (name, value)| request.header(name, value));
        assert_eq!(gateway.ask(request).await.status, expected, "{depth} {headers:?}");
    }
}

/// Pre plugins run before the lists, and what they add stays. Source: gateway.md §5.3.
#[tokio::test]
async fn pre_plugins_come_first_and_authentication_later() {
    let upstream = Upstream::start();
    let definition = listing(&upstream, "allowed_ips", &["10.0.0.7"]).set("/use_keyless", false);
    let gateway = Gateway::serving(&definition.plugins("pre", &["MyPluginPre"])).await;
    let answer = gateway.get("/some/get").await;
    answer.is_error(403, TOLD);
    assert_eq!(answer.header("x-initial-uri"), "/some/get");
}

#[tokio::test]
async fn an_entry_that_is_no_address_is_told_with_its_place() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&listing(&upstream, "blacklisted_ips", &["10.0.0.1", "10.0.0/8"])).await;
    let line = gateway.log().message("API definition").await;
    let finding = line.field("finding");
    assert!(finding.contains("blacklisted_ips[1]: `10.0.0/8` is neither an address nor a network"), "{finding}");
    gateway.get("/some/get").await.is_error(500, "Internal Server Error");
}
