//! What is decided on single paths: mocks, ignored paths, black and white lists, internal paths. Source: gateway.md §3.4,
//! §5.2 to §5.4, §12.3, §12.11.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, ask, get, post};
use http::Method;
use serde_json::{Value, json};

const FORBIDDEN: &str = "Requested endpoint is forbidden";

/// An API with these members of `extended_paths`.
fn with(upstream: &Upstream, paths: Value) -> Definition {
    api("some", upstream.address).set("/version_data/versions/Default/extended_paths", paths)
}

/// The same, which asks for a token.
fn keyed(upstream: &Upstream, paths: Value) -> Definition {
    with(upstream, paths).set("/use_keyless", false)
}

/// What is sent, and what comes of it.
async fn check(gateway: &Gateway, cases: &[(Method, &str, u16)]) {
    for (method, path, expected) in cases {
        let answer = gateway.ask(ask(method.clone(), &format!("/some{path}"))).await;
        assert_eq!(answer.status, *expected, "{method} {path}: {}", answer.text());
        if *expected == 403 {
            answer.is_error(403, FORBIDDEN);
        }
    }
}

#[tokio::test]
async fn a_black_list_refuses_what_is_listed_and_nothing_else() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&with(
        &upstream,
        json!({"black_list": [
            {"path": "/secret"},
            {"path": "/users/{id}$", "method": "DELETE"},
            {"path": "/off", "disabled": true},
            {"path": "/Case", "ignore_case": true},
        ]}),
    ))
    .await;
    let cases = [
        (Method::GET, "/secret", 403),
        (Method::POST, "/a/secrets", 403),
        (Method::GET, "/%73ecret", 403),
        (Method::GET, "/a%2Fsecret", 403),
        (Method::GET, "/SECRET", 200),
        (Method::DELETE, "/users/7", 403),
        (Method::DELETE, "/users/7/x", 200),
        (Method::GET, "/users/7", 200),
        (Method::GET, "/off", 200),
        (Method::GET, "/cAsE", 403),
    ];
    check(&gateway, &cases).await;
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn a_white_list_refuses_what_is_not_listed() {
    let upstream = Upstream::start();
    let listed = json!([{"path": "/open", "method": "GET"}, {"path": "/any"}]);
    let gateway = Gateway::serving(&with(&upstream, json!({"white_list": listed}))).await;
    let cases = [
        (Method::GET, "/open", 200),
        (Method::POST, "/open", 403),
        (Method::PUT, "/any/x", 200),
        (Method::GET, "/", 403),
        (Method::GET, "/other", 403),
    ];
    check(&gateway, &cases).await;
    // What is left out is no list.
    let off = json!({"white_list": [{"path": "/open", "disabled": true}]});
    check(&Gateway::serving(&with(&upstream, off)).await, &[(Method::GET, "/other", 200)]).await;
}

/// Source: gateway.md §5.4: a mock beats ignored, ignored beats the black list, and that beats the white list.
#[tokio::test]
async fn of_several_lists_the_first_in_their_order_counts() {
    let upstream = Upstream::start();
    let path = |path: &str| json!([{"path": path}]);
    let lists = json!({
        "white_list": path("/"),
        "black_list": [{"path": "/b"}, {"path": "/i"}, {"path": "/m"}],
        "ignored": [{"path": "/i"}, {"path": "/m"}],
        "mock_response": [{"path": "/m", "method": "GET", "code": 418, "body": "mock"}],
    });
    let gateway = Gateway::serving(&keyed(&upstream, lists)).await;
    let cases = [
        (Method::GET, "/m", 418),
        (Method::GET, "/i", 200),
        (Method::GET, "/b", 403),
        (Method::GET, "/w", 401),
        // The mock is for `GET` alone, and the path is ignored.
        (Method::POST, "/m", 200),
    ];
    check(&gateway, &cases).await;
    assert_eq!(upstream.seen().len(), 2);
}

/// Source: gateway.md §12.11: classic mocks come before authentication.
#[tokio::test]
async fn a_mock_is_answered_before_anybody_is_asked_who_they_are() {
    let upstream = Upstream::start();
    let mocks = json!([
        {"path": "/mock", "method": "GET", "code": 201, "body": "{\"a\":1}",
         "headers": {"Content-Type": "application/json", "x-mock": "yes"}},
        {"path": "/plain", "method": "GET", "code": 200, "body": "text"},
        {"path": "/empty", "method": "POST", "code": 204},
    ]);
    let definition = keyed(&upstream, json!({"mock_response": mocks}));
    let gateway = Gateway::serving(&definition.plugins("pre", &["MyPluginPre"])).await;
    let answer = gateway.get("/some/mock").await;
    assert_eq!((answer.status, answer.text().as_str()), (201, "{\"a\":1}"));
    assert_eq!((answer.header("content-type"), answer.header("x-mock")), ("application/json", "yes"));
    // Pre plugins come after the lists.
    assert_eq!(answer.all("x-initial-uri").len(), 0);
    let answer = gateway.get("/some/plain").await;
    assert_eq!((answer.header("content-type"), answer.header("content-length")), ("text/plain; charset=utf-8", "4"));
    assert_eq!(gateway.ask(post("/some/empty", "")).await.status, 204);
    gateway.get("/some/other").await.is_error(401, "Authorization field missing");
    assert_eq!(upstream.seen().len(), 0);
}

/// Source: gateway.md §5.3: on an ignored path nobody is asked who they are; all else is as on other paths.
#[tokio::test]
async fn on_an_ignored_path_all_but_what_is_for_callers_goes_on() {
    let upstream = Upstream::start();
    let ignored = json!({"ignored": [{"path": "/open"}]});
    let definition = keyed(&upstream, ignored.clone()).plugins("pre", &["OrderA"]).plugins("post", &["OrderB"]);
    let gateway = Gateway::serving(&definition).await;
    let answer = gateway.get("/some/open").await;
    assert_eq!((answer.status, answer.all("x-order")), (200, vec!["a", "b"]));
    gateway.get("/some/other").await.is_error(401, "Authorization field missing");
    // A credential that is not known is not looked at.
    assert_eq!(gateway.ask(get("/some/open").header("authorization", "nobody")).await.status, 200);
    // The address is asked for, and the rate of the API counts.
    let denied = definition.clone().set("/blacklisted_ips", json!(["127.0.0.1"]));
    let gateway = Gateway::serving(&denied).await;
    gateway.get("/some/open").await.is_error(403, "access from this IP has been disallowed");
    let limited = definition.set("/global_rate_limit", json!({"rate": 1, "per": 60}));
    let gateway = Gateway::serving(&limited).await;
    assert_eq!(gateway.get("/some/open").await.status, 200);
    gateway.get("/some/open").await.is_error(429, "API Rate Limit Exceeded");
    // Nor does a plugin that authenticates.
    let custom = with(&upstream, ignored).auth("MyPluginAuthCheck");
    let gateway = Gateway::serving(&custom).await;
    assert_eq!(gateway.get("/some/open").await.status, 200);
    assert_ne!(gateway.get("/some/other").await.status, 200);
}

/// Source: gateway.md §3.4: the older form of mocks.
#[tokio::test]
async fn actions_say_what_is_done_for_a_method() {
    let upstream = Upstream::start();
    let lists = json!({
        "ignored": [{"path": "/i", "method_actions": {
            "GET": {"action": "reply", "code": 202, "data": "i", "headers": {"x-a": "1"}},
            "PUT": {"action": "no_action"},
            "POST": {"action": "dance"},
        }}],
        "white_list": [{"path": "/w", "method_actions": {"GET": {"action": "no_action", "code": 200}}}],
    });
    let gateway = Gateway::serving(&keyed(&upstream, lists)).await;
    let answer = gateway.get("/some/i").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-a")), (202, "i", "1"));
    let cases = [
        (Method::PUT, "/i", 200),
        (Method::POST, "/i", 403),
        (Method::DELETE, "/i", 403),
        (Method::GET, "/w", 401),
        (Method::POST, "/w", 403),
    ];
    check(&gateway, &cases).await;
}

/// Source: gateway.md §5.4: only looping reaches an internal path.
#[tokio::test]
async fn an_internal_path_is_for_nobody_from_outside() {
    let upstream = Upstream::start();
    let lists = json!({
        "internal": [{"path": "/inner", "method": "GET"}],
        "ignored": [{"path": "/inner"}],
        "mock_response": [{"path": "/inner", "method": "GET", "code": 200}],
    });
    let gateway = Gateway::serving(&keyed(&upstream, lists)).await;
    check(&gateway, &[(Method::GET, "/inner", 403), (Method::POST, "/inner", 200)]).await;
}

/// Source: gateway.md §3.3, §3.4: without `use_extended_paths` the lists are `paths`.
#[tokio::test]
async fn the_older_lists_count_without_extended_paths() {
    let upstream = Upstream::start();
    let older = json!({"ignored": ["/open"], "black_list": ["/users/{id}/secret"], "white_list": ["/users"]});
    let definition = keyed(&upstream, json!({"black_list": [{"path": "/open"}]}))
        .set("/version_data/versions/Default/use_extended_paths", false)
        .set("/version_data/versions/Default/paths", older);
    let gateway = Gateway::serving(&definition).await;
    let cases = [(Method::GET, "/open", 200), (Method::POST, "/users/7/secret", 403), (Method::GET, "/other", 403)];
    check(&gateway, &cases).await;
    gateway.get("/some/users").await.is_error(401, "Authorization field missing");
}

/// Source: gateway.md §5.2, §12.3: a pattern is searched in the path below the listen path and in all of it.
#[tokio::test]
async fn a_pattern_is_searched_below_the_listen_path_and_in_all_of_the_path() {
    let upstream = Upstream::start();
    let listed = json!({"black_list": [{"path": "^/a$"}, {"path": "/some/b"}, {"path": "^/some/c"}]});
    let gateway = Gateway::serving(&with(&upstream, listed.clone())).await;
    let cases = [
        (Method::GET, "/a", 403),
        (Method::GET, "/x/a", 200),
        (Method::GET, "/b", 403),
        (Method::GET, "/c/d", 403),
        (Method::GET, "/x/c", 200),
    ];
    check(&gateway, &cases).await;
    let anchored = Conf::default()
        .server("enable_path_prefix_matching", true)
        .with(&with(&upstream, json!({"black_list": [{"path": "/a"}, {"path": "/some/b"}]})));
    let cases = [(Method::GET, "/a/x", 403), (Method::GET, "/x/a", 200), (Method::GET, "/b", 403)];
    check(&anchored.start().await, &cases).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_sent_is_told_with_its_place() {
    let upstream = Upstream::start();
    let mocks = json!([{"path": "/m", "method": "GET", "code": 99}]);
    let gateway = Gateway::serving(&with(&upstream, json!({"mock_response": mocks}))).await;
    let line = gateway.log().message("API definition").await;
    let finding = line.field("finding");
    let told = "extended_paths.mock_response[0].code: `99` is not a status that an answer can have";
    assert!(finding.contains(told), "{finding}");
    gateway.get("/some/m").await.is_error(500, "Internal Server Error");
}
