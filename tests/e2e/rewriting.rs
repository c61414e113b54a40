//! URLs and methods are rewritten on single paths. Source: gateway.md §3.4, §5.6.

use gateway_tests::client::Ask;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, ask, get, post};
use http::Method;
use serde_json::{Value, json};

const ENTRIES: &str = "/version_data/versions/Default/extended_paths";

/// An API on `/some/` with one rewrite, which is for every path unless it says so.
fn rewriting(upstream: &Upstream, entry: Value) -> Definition {
    let mut whole = json!({"path": "/", "method": "GET"});
    for (key, value) in entry.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    api("some", upstream.address).set(ENTRIES, json!({"url_rewrites": [whole]}))
}

/// What the upstream is asked for, without the version.
async fn asked(gateway: &Gateway, upstream: &Upstream, request: Ask) -> String {
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    upstream.last().first().trim_end_matches(" HTTP/1.1").to_owned()
}

/// Source: gateway.md §12.14.
#[tokio::test]
async fn the_pattern_sees_the_listen_path_and_the_query() {
    let upstream = Upstream::start();
    for (pattern, to, path, expected) in [
        (r"^/some/old/(\w+)\?a=(.*)$", "/new/$1?b=$2", "/some/old/x?a=1&c=2", "GET /new/x?b=1&c=2"),
        (r"old/(.*)", "/some/new/$1", "/some/old/x?a=1", "GET /new/x?a=1"),
        (r"^/old", "/new", "/some/old/x?a=1", "GET /old/x?a=1"),
        (r"(\w+)/(\w+)$", "$2-$1/$0/$3$10", "/some/old/x", "GET /x-old/old/x/"),
        (r"old", "", "/some/old", "GET /"),
        (r"old", "?a=b#c", "/some/old", "GET /?a=b"),
        (r"old", "/a b/é", "/some/old", "GET /a%20b/%C3%A9"),
        // What does not match goes as it came, byte for byte.
        (r"none", "/new", "/some/a%2Fb/?x=%20y&&z=", "GET /a%2Fb/?x=%20y&&z="),
        // What matches without its escapes alone is rewritten too.
        (r"^/some/a b/(.*)", "/new/$1", "/some/a%20b/c", "GET /new/c"),
        // A text that is no URL rewrites nothing.
        (r"old", "/a%zz", "/some/old/x", "GET /old/x"),
    ] {
        let entry = json!({"match_pattern": pattern, "rewrite_to": to});
        let gateway = Gateway::serving(&rewriting(&upstream, entry)).await;
        assert_eq!(asked(&gateway, &upstream, get(path)).await, expected, "{pattern} {to} {path}");
    }
}

/// Source: gateway.md §12.14, §5.3.
#[tokio::test]
async fn every_plugin_sees_the_url_that_the_client_sent() {
    let upstream = Upstream::start();
    let entry = json!({"match_pattern": "old", "rewrite_to": "/new"});
    let definition = rewriting(&upstream, entry).plugins("pre", &["ShowUri"]).plugins("post", &["ShowUri"]);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(asked(&gateway, &upstream, get("/some/old?a=1")).await, "GET /new");
    assert_eq!(upstream.last().all("x-uri"), ["/some/old?a=1", "/some/old?a=1"]);
}

#[tokio::test]
async fn an_entry_is_for_its_path_and_its_method() {
    let upstream = Upstream::start();
    let entry = json!({"path": "/old", "match_pattern": ".*", "rewrite_to": "/new"});
    let gateway = Gateway::serving(&rewriting(&upstream, entry.clone())).await;
    assert_eq!(asked(&gateway, &upstream, get("/some/old")).await, "GET /new");
    assert_eq!(asked(&gateway, &upstream, get("/some/other")).await, "GET /other");
    assert_eq!(asked(&gateway, &upstream, post("/some/old", "")).await, "POST /old");
    let mut disabled = entry;
    disabled["disabled"] = json!(true);
    let gateway = Gateway::serving(&rewriting(&upstream, disabled)).await;
    assert_eq!(asked(&gateway, &upstream, get("/some/old")).await, "GET /old");
}

#[tokio::test]
async fn a_whole_url_is_another_upstream_with_the_targets_query() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let to = format!("http://{}/else/$1?b=2", other.address);
    let entry = json!({"match_pattern": "old/(.*)", "rewrite_to": to});
    let target = format!("http://{}/base/?a=1", upstream.address);
    let definition = rewriting(&upstream, entry).set("/proxy/target_url", target);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(asked(&gateway, &other, get("/some/old/x")).await, "GET /else/x?a=1&b=2");
    assert_eq!(other.last().header("host"), other.address.to_string());
    assert_eq!(asked(&gateway, &upstream, get("/some/new?c=3")).await, "GET /base/new?a=1&c=3");
}

/// One trigger, and the paths that requests lead to: `/hit` where it fires, with what it matched, `/miss` otherwise.
async fn triggered(trigger: Value, requests: Vec<(Ask, &str)>) {
    let upstream = Upstream::start();
    let entry = |method: &str| {
        json!({
            "path": "/", "method": method, "match_pattern": ".*", "rewrite_to": "/miss", "triggers": [trigger],
        })
    };
    let definition =
        rewriting(&upstream, json!({})).set(ENTRIES, json!({"url_rewrites": [entry("GET"), entry("POST")]}));
    let session = json!({"meta_data": {"tier": "gold", "n": 7}});
    let gateway = Gateway::serving(&definition.auth("SetSession").config("SetSession", session)).await;
    for (number, (request, expected)) in requests.into_iter().enumerate() {
        let came = asked(&gateway, &upstream, request).await;
        let (_, path) = came.split_once(' ').expect("a method and a path");
        assert_eq!(path, expected, "request {number} of {trigger}");
    }
}

#[tokio::test]
async fn triggers_look_at_headers() {
    let matches = json!({"x-user": {"match_rx": "^u-(\\d+)$"}});
    let to = "/hit?$tyk_context.trigger-0-X-User-0,$tyk_context.trigger-0-X-User-0-0";
    for on in ["any", "all"] {
        let trigger = json!({"on": on, "options": {"header_matches": matches}, "rewrite_to": to});
        triggered(
            trigger,
            vec![
                (get("/some/").header("x-user", "u-7"), "/hit?u-7,7"),
                (get("/some/").header("x-user", "7"), "/miss"),
                (get("/some/"), "/miss"),
            ],
        )
        .await;
    }
    // What is not there does not match, even in reverse.
    let reversed = json!({"x-user": {"match_rx": "^u-", "reverse": true}});
    triggered(
        json!({"on": "any", "options": {"header_matches": reversed}, "rewrite_to": "/hit"}),
        vec![
            (get("/some/").header("x-user", "u-7"), "/miss"),
            (get("/some/").header("x-user", "7"), "/hit"),
            (get("/some/"), "/miss"),
        ],
    )
    .await;
}

#[tokio::test]
async fn triggers_look_at_queries_and_paths() {
    let query = json!({"q": {"match_rx": "a(.)"}, "r": {"match_rx": "b"}});
    let to = "/hit?$tyk_context.trigger-0-q-1-0";
    let trigger = |on: &str| json!({"on": on, "options": {"query_val_matches": query}, "rewrite_to": to});
    triggered(
        trigger("all"),
        vec![
            (get("/some/?q=ax&q=ay&r=b"), "/hit?y"),
            (get("/some/?q=ax"), "/miss"),
            // The number of matches counts, whichever entries they are of.
            (get("/some/?q=ax&q=ay"), "/hit?y"),
        ],
    )
    .await;
    triggered(trigger("any"), vec![(get("/some/?r=b"), "/hit"), (get("/some/?q=x"), "/miss")]).await;
    let parts = json!({"label": {"match_rx": "^v(\\d)$"}});
    let to = "/hit?$tyk_context.trigger-0-label-0,$tyk_context.trigger-0-label-1-0";
    triggered(
        json!({"on": "all", "options": {"path_part_matches": parts}, "rewrite_to": to}),
        vec![(get("/some/v1/x/v2"), "/hit?v1,2"), (get("/some/x"), "/miss")],
    )
    .await;
}

#[tokio::test]
async fn triggers_look_at_sessions_variables_and_bodies() {
    let meta = |name: &str| json!({name: {"match_rx": "g(.*)"}});
    let to = "/hit?$tyk_context.trigger-0-tier-0,$tyk_meta.tier,$tyk_meta.n,$tyk_meta.none";
    let trigger = |name| json!({"on": "all", "options": {"session_meta_matches": meta(name)}, "rewrite_to": to});
    triggered(trigger("tier"), vec![(get("/some/"), "/hit?old,gold,7,")]).await;
    // A value that is no text matches nothing.
    triggered(trigger("n"), vec![(get("/some/"), "/miss")]).await;
    let payload = json!({"match_rx": "id=(\\d)"});
    let to = "/hit?$tyk_context.trigger-0-payload,$tyk_context.trigger-0-payload-1-0";
    triggered(
        json!({"on": "any", "options": {"payload_matches": payload}, "rewrite_to": to}),
        vec![
            (post("/some/", "id=1,id=2"), "/hit?id%3D1,2"),
            (post("/some/", "none"), "/miss"),
            (post("/some/", "id=1".to_owned() + &" ".repeat(2_000_000)), "/miss"),
            (get("/some/"), "/miss"),
        ],
    )
    .await;
    let all = json!({
        "header_matches": {"x-a": {"match_rx": "1"}},
        "payload_matches": {"match_rx": "none", "reverse": true},
    });
    triggered(
        json!({"on": "all", "options": all, "rewrite_to": "/hit"}),
        vec![
            (post("/some/", "x").header("x-a", "1"), "/hit"),
            (post("/some/", "none").header("x-a", "1"), "/miss"),
            (post("/some/", "x"), "/miss"),
        ],
    )
    .await;
}

/// A body that a trigger has looked into goes on whole.
#[tokio::test]
async fn the_first_trigger_that_fires_counts_if_the_pattern_matches_too() {
    let upstream = Upstream::start();
    let trigger =
        |to: &str, rx: &str| json!({"on": "any", "options": {"payload_matches": {"match_rx": rx}}, "rewrite_to": to});
    let entry = json!({
        "method": "POST", "match_pattern": "old", "rewrite_to": "/none",
        "triggers": [trigger("/first", "a"), trigger("/second", "b"), trigger("/third", "b")],
    });
    let gateway = Gateway::serving(&rewriting(&upstream, entry)).await;
    for (path, body, expected) in [
        ("/some/old", "ab", "POST /first"),
        ("/some/old", "b", "POST /second"),
        ("/some/old", "c", "POST /none"),
        ("/some/new", "a", "POST /new"),
    ] {
        assert_eq!(asked(&gateway, &upstream, post(path, body)).await, expected);
        assert_eq!(upstream.last().message.body, body.as_bytes());
    }
}

#[tokio::test]
async fn an_expression_that_is_wrong_is_told_with_its_place() {
    let upstream = Upstream::start();
    let entry = json!({
        "match_pattern": "(", "rewrite_to": "/",
        "triggers": [{"on": "any", "options": {"header_matches": {"x-a": {"match_rx": "(?=a)"}}}}],
    });
    let conf = Conf::default().with(&rewriting(&upstream, entry));
    let checked = conf.command(&["check", "--apis", "apps"]);
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{told}");
    let place = "version_data.versions.Default.extended_paths.url_rewrites[0]";
    for expected in [
        format!("{place}.match_pattern: not a regular expression: unclosed group"),
        format!("{place}.triggers[0].options.header_matches.x-a.match_rx: not a regular expression: look-around"),
    ] {
        let line = told.lines().find(|line| line.contains(&expected)).unwrap_or_else(|| panic!("{expected}: {told}"));
        assert!(line.starts_with("error: apps/some.json:"), "{line}");
    }
    conf.start().await.get("/some/").await.is_error(500, "Internal Server Error");
}

#[tokio::test]
async fn a_method_is_changed_at_the_end() {
    let upstream = Upstream::start();
    let entry = |method: &str, to: &str| json!({"path": "/x", "method": method, "to_method": to});
    let entries = [entry("GET", "post"), entry("POST", "PATCH"), entry("PUT", "TRACE"), entry("DELETE", "")];
    let definition = api("some", upstream.address).set(ENTRIES, json!({"method_transforms": entries}));
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(asked(&gateway, &upstream, get("/some/x?a=b")).await, "POST /x?a=b");
    assert_eq!(asked(&gateway, &upstream, post("/some/x", "body")).await, "PATCH /x");
    assert_eq!(upstream.last().message.body, b"body");
    assert_eq!(asked(&gateway, &upstream, get("/some/y")).await, "GET /y");
    for method in [Method::PUT, Method::DELETE] {
        gateway.ask(ask(method, "/some/x")).await.is_error(405, "Method not allowed");
    }
    assert_eq!(upstream.seen().len(), 3);
    let told = |field: &str| field.contains("method_transforms[2].to_method: `TRACE` is no method");
    gateway.log().wait("the warning", |line| told(line.field("finding"))).await;
}
