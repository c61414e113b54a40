//! In which order plugins run, who sees what they do, and where it ends.

use gateway_tests::upstream::Nobody;
use gateway_tests::{Conf, Gateway, Upstream, api, ask, get};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn plugins_of_one_hook_run_in_the_order_of_the_definition() {
    let upstream = Upstream::start();
    let gateway =
        Gateway::serving(&api("order", upstream.address).plugins("pre", &["OrderC", "OrderA", "OrderB"])).await;
    let answer = gateway.get("/order/get").await;
    assert_eq!(upstream.last().all("x-order"), ["c", "a", "b"]);
    assert_eq!(answer.all("x-order"), ["c", "a", "b"]);
}

#[tokio::test]
async fn hooks_run_in_the_order_pre_auth_check_post_key_auth_endpoint_post() {
    let upstream = Upstream::start();
    let definition = api("order", upstream.address)
        .plugins("post", &["OrderC"])
        .endpoint("GET", "/get", "OrderB")
        .plugins("post_key_auth", &["ShowSession", "OrderA"])
        .auth("SetSession")
        .config("SetSession", json!({"alias": "known"}))
        .plugins("pre", &["OrderB", "ShowSession"]);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/order/get").await;
    assert_eq!(answer.all("x-order"), ["b", "a", "b", "c"]);
    assert_eq!(answer.all("x-session"), ["none", "known"]);
}

#[tokio::test]
async fn the_first_answer_stops_what_comes_after_it() {
    let upstream = Upstream::start();
    let definition = api("order", upstream.address)
        .plugins("pre", &["OrderA", "Answer", "OrderB"])
        .config("Answer", json!({"status": 200, "body": "here"}))
        .plugins("post", &["OrderC"])
        .plugins("response", &["ResponseA"]);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/order/get").await;
    assert_eq!((answer.status, &*answer.text()), (200, "here"));
    assert_eq!(answer.all("x-order"), ["a"], "neither request nor response plugins run after an answer");
    assert_eq!(answer.header("x-ratelimit-limit"), "");
    assert_eq!(upstream.seen().len(), 0);
}

/// Source: plugin-system.md §10.2, gateway/mw_go_plugin_test.go:22.
#[tokio::test]
async fn disabled_and_nameless_entries_are_left_out() {
    let upstream = Upstream::start();
    let definition = api("order", upstream.address).plugins("pre", &["OrderA", "OrderB", "", "OrderC"]);
    let gateway = Gateway::serving(&definition.set("/custom_middleware/pre/1/disabled", true)).await;
    assert_eq!(gateway.get("/order/get").await.all("x-order"), ["a", "c"]);
}

#[tokio::test]
async fn headers_that_a_request_plugin_sets_are_in_the_proxied_response() {
    let upstream = Upstream::start();
    upstream.answer("/get", 200, &[("x-set", "by the upstream")], "");
    let gateway = Gateway::serving(&api("set", upstream.address).plugins("post", &["SetResponseHeader"])).await;
    let answer = gateway.get("/set/get").await;
    assert_eq!(answer.all("x-set"), ["by the upstream", "by a plugin"], "added, as Tyk's writer does");
}

#[tokio::test]
async fn and_in_what_a_later_plugin_answers() {
    let upstream = Upstream::start();
    let definition = api("set", upstream.address)
        .plugins("pre", &["SetResponseHeader", "Answer"])
        .config("Answer", json!({"status": 418}));
    let answer = Gateway::serving(&definition).await.get("/set/get").await;
    assert_eq!((answer.status, answer.header("x-set")), (418, "by a plugin"));
}

#[tokio::test]
async fn and_in_the_gateways_own_errors() {
    let nobody = Nobody::default();
    let gateway = Gateway::serving(&api("set", nobody.address).plugins("pre", &["SetResponseHeader"])).await;
    let answer = gateway.get("/set/get").await;
    answer.is_error(500, "There was a problem proxying the request");
    assert_eq!(answer.header("x-set"), "by a plugin");
    assert_eq!(answer.header("x-ratelimit-limit"), "", "no rate headers on errors of the gateway");
}

#[tokio::test]
async fn response_plugins_run_in_order_and_see_any_status_of_the_upstream() {
    let upstream = Upstream::start();
    upstream.answer("/gone", 410, &[], "gone");
    let gateway =
        Gateway::serving(&api("back", upstream.address).plugins("response", &["ResponseB", "ResponseA"])).await;
    assert_eq!(gateway.get("/back/get").await.all("x-order"), ["b", "a"]);
    let gone = gateway.get("/back/gone").await;
    assert_eq!((gone.status, gone.all("x-order"), &*gone.text()), (410, vec!["b", "a"], "gone"));
}

#[tokio::test]
async fn response_plugins_do_not_run_for_errors_of_the_gateway() {
    let nobody = Nobody::default();
    let gateway = Gateway::serving(&api("back", nobody.address).plugins("response", &["ResponseA"])).await;
    let answer = gateway.get("/back/get").await;
    assert_eq!((answer.status, answer.header("x-order")), (500, ""));
}

#[tokio::test]
async fn plugins_see_the_path_with_the_listen_path_and_the_query() {
    let upstream = Upstream::start();
    let definition = api("seen", upstream.address).plugins("pre", &["ShowUri"]).plugins("post", &["ShowUri"]);
    let gateway = Gateway::serving(&definition).await;
    gateway.get("/seen/a%20b?x=1&y").await;
    let seen = upstream.last();
    assert_eq!(seen.all("x-uri"), ["/seen/a%20b?x=1&y", "/seen/a%20b?x=1&y"]);
    assert_eq!(seen.first(), "GET /a%20b?x=1&y HTTP/1.1");
}

#[tokio::test]
async fn method_and_uri_that_a_plugin_sets_reach_the_upstream() {
    let upstream = Upstream::start();
    let definition = api("new", upstream.address)
        .plugins("post", &["Rewrite"])
        .config("Rewrite", json!({"method": "PUT", "uri": "/new/other?b=2"}));
    let gateway = Gateway::serving(&definition).await;
    gateway.get("/new/get?a=1").await;
    assert_eq!(upstream.last().first(), "PUT /other?b=2 HTTP/1.1");
}

#[tokio::test]
async fn a_uri_that_pre_sets_is_what_later_hooks_match() {
    let upstream = Upstream::start();
    let definition = api("new", upstream.address)
        .plugins("pre", &["Rewrite"])
        .config("Rewrite", json!({"uri": "/new/other"}))
        .endpoint("GET", "/other", "OrderA")
        .endpoint("GET", "/get", "OrderB");
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/new/get").await.all("x-order"), ["a"]);
}

#[tokio::test]
async fn a_host_that_a_plugin_sets_needs_preserve_host_header() {
    let upstream = Upstream::start();
    let definition =
        api("host", upstream.address).plugins("post", &["Rewrite"]).config("Rewrite", json!({"host": "other"}));
    let gateway = Conf::default()
        .with(&definition)
        .with(
            &definition
                .clone()
                .set("/api_id", "kept")
                .set("/proxy/listen_path", "/kept/")
                .set("/proxy/preserve_host_header", true),
        )
        .start()
        .await;
    gateway.get("/host/get").await;
    assert_eq!(upstream.last().all("host"), [upstream.address.to_string()]);
    gateway.get("/kept/get").await;
    assert_eq!(upstream.last().all("host"), ["other"]);
}

#[tokio::test]
async fn a_plugin_may_choose_another_upstream() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let definition = api("new", upstream.address)
        .plugins("pre", &["Rewrite"])
        .config("Rewrite", json!({"upstream": format!("http://{}/base", other.address)}));
    let gateway = Gateway::serving(&definition).await;
    gateway.get("/new/get?a=1").await;
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(other.last().first(), "GET /base/get?a=1 HTTP/1.1");
    assert_eq!(other.last().header("host"), other.address.to_string());
}

/// Source: Tyk, `gateway/model_urlspec.go`: unanchored patterns, the exact method, the first entry; gateway.md §12.3.
#[tokio::test]
async fn per_path_plugins_match_unanchored_by_exact_method_and_the_first_entry_wins() {
    let upstream = Upstream::start();
    let definition = api("paths", upstream.address)
        .endpoint("GET", "/foo", "OrderA")
        .endpoint("GET", "/foo/bar", "OrderB")
        .endpoint("get", "/lower", "OrderB")
        .endpoint("GET", "/users/{id}/orders", "OrderC")
        .endpoint("GET", "^/start$", "OrderC");
    let gateway = Gateway::serving(&definition).await;
    let mut client = gateway.connect().await;
    for (method, path, expected) in [
        (Method::GET, "/foo", "a"),
        (Method::GET, "/foo/bar", "a"),
        (Method::GET, "/deep/foobar", "a"),
        (Method::POST, "/foo", ""),
        (Method::GET, "/FOO", ""),
        (Method::GET, "/lower", ""),
        (Method::GET, "/users/7/orders", "c"),
        (Method::GET, "/users/7/8/orders", ""),
        (Method::GET, "/start", "c"),
        (Method::GET, "/started", ""),
    ] {
        let answer = client.ask(ask(method.clone(), &format!("/paths{path}"))).await;
        assert_eq!((answer.status, answer.header("x-order")), (200, expected), "{method} {path}");
    }
}

/// Source: gateway.md §12.3.
#[tokio::test]
async fn per_path_plugins_match_below_the_listen_path_even_if_it_is_not_stripped() {
    let upstream = Upstream::start();
    let definition =
        api("paths", upstream.address).endpoint("GET", "^/foo", "OrderA").set("/proxy/strip_listen_path", false);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/paths/foo").await.header("x-order"), "a");
    assert_eq!(upstream.last().first(), "GET /paths/foo HTTP/1.1");
}

#[tokio::test]
async fn per_path_plugins_may_be_anchored_by_the_configuration() {
    let upstream = Upstream::start();
    let definition = api("paths", upstream.address).endpoint("GET", "/foo", "OrderA");
    let conf = Conf::default()
        .server("enable_path_prefix_matching", true)
        .server("enable_path_suffix_matching", true)
        .set("ignore_endpoint_case", true);
    let gateway = conf.with(&definition).start().await;
    for (path, expected) in [("/foo", "a"), ("/FOO", "a"), ("/foobar", ""), ("/x/foo", "")] {
        assert_eq!(gateway.get(&format!("/paths{path}")).await.header("x-order"), expected, "{path}");
    }
}

#[tokio::test]
async fn per_path_plugins_need_extended_paths_to_be_in_use() {
    let upstream = Upstream::start();
    let definition = api("paths", upstream.address)
        .endpoint("GET", "/foo", "OrderA")
        .set("/version_data/versions/Default/use_extended_paths", false);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.ask(get("/paths/foo")).await.header("x-order"), "");
}

#[tokio::test]
async fn an_answer_whose_status_cannot_be_final_is_a_500() {
    let upstream = Upstream::start();
    for status in [100, 103] {
        let definition =
            api("early", upstream.address).plugins("pre", &["Answer"]).config("Answer", json!({"status": status}));
        Gateway::serving(&definition).await.get("/early/get").await.is_error(500, "Internal Server Error");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_answer_has_the_length_of_its_body_or_none() {
    let upstream = Upstream::start();
    for (status, body, length) in [(200, "four", "4"), (404, "", "0"), (204, "not sent", ""), (304, "", "")] {
        let config = json!({"status": status, "body": body});
        let definition = api("own", upstream.address).plugins("pre", &["Answer"]).config("Answer", config);
        let gateway = Gateway::serving(&definition).await;
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            let answer = client.ask(get("/own/get")).await;
            let sent = if length.is_empty() { "" } else { body };
            assert_eq!((answer.status, &*answer.text(), answer.header("content-length")), (status, sent, length));
        }
    }
}
