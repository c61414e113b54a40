//! The gateway's own paths. Source: Tyk, `gateway/server.go`, `gateway/api.go`, `gateway/health_check.go`.

mod apis;
mod bad_input;
mod bodies;
mod document;
mod oas;
mod policies;
mod port;
mod versions;

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Conf, Gateway, Upstream, api, ask, binary, get};
use http::Method;
use serde_json::json;

/// Source: gateway.md §12.1: 403 before 404.
#[tokio::test]
async fn the_secret_is_asked_for_before_anything_else() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let refusal =
        "{\"status\":\"error\",\"message\":\"Attempted administrative access with invalid or missing key!\"}\n";
    for path in ["/tyk/apis", "/tyk/apis/", "/tyk/plugins", "/tyk/reload", "/tyk/unknown", "/tyk/", "/tyk"] {
        for secret in ["", "wrong", "a secret of the test", "a secret of the testx", "A secret of the tests"] {
            let answer = gateway.ask(get(path).header(SECRET_HEADER, secret)).await;
            assert_eq!((answer.status, &*answer.text()), (403, refusal), "{path}");
            assert_eq!(answer.header("content-type"), "application/json");
        }
        assert_eq!(gateway.get(path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_and_trailing_slashes_are_not_seen() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    for path in ["/tyk/unknown", "/tyk/apis/mine/more", "/tyk", "/tyk/"] {
        let answer = gateway.control(path).await;
        assert_eq!((answer.status, &*answer.text()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    let wrong = gateway.ask(ask(Method::PATCH, "/tyk/apis").header(SECRET_HEADER, SECRET)).await;
    let expected = "{\"status\":\"error\",\"message\":\"Method not supported\"}\n";
    assert_eq!((wrong.status, &*wrong.text()), (405, expected));
    for path in ["/tyk/apis/", "/tyk/apis//", "/tyk/apis/mine/", "/tyk/plugins/", "/tyk/reload/"] {
        assert_eq!(gateway.control(path).await.status, 200, "{path}");
    }
}

/// Source: gateway.md §12.1.
#[tokio::test]
async fn control_paths_outrank_every_api() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("all", upstream.address).set("/proxy/listen_path", "/")).await;
    assert_eq!(gateway.get("/tyk/apis").await.status, 403);
    assert_eq!(gateway.get("/hello").await.json()["status"], "pass");
    assert_eq!(gateway.get("/ready").await.json()["status"], "pass");
    assert_eq!(upstream.seen().len(), 0);
    for path in ["/tykes", "/hello-world", "/readyx"] {
        assert_eq!(gateway.get(path).await.json()["Path"], path, "only its own");
    }
}

#[tokio::test]
async fn hello_and_ready_have_configurable_names_and_answer_get_alone() {
    let conf = Conf::default().set("health_check_endpoint_name", "live").set("readiness_check_endpoint_name", "up");
    let gateway = conf.start().await;
    for path in ["/live", "/up", "/live/"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("pass")), "{path}");
        assert_eq!(answer.json()["version"], concat!("v", env!("CARGO_PKG_VERSION")));
        let post = gateway.ask(ask(Method::POST, path)).await;
        assert_eq!((post.status, &post.json()["message"]), (405, &json!("Method Not Allowed")), "{path}");
    }
    for path in ["/hello", "/ready"] {
        assert_eq!(gateway.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn apis_are_listed_as_they_were_written() {
    let upstream = Upstream::start();
    let (one, two) =
        (api("one", upstream.address).set("/x_own_field", json!({"kept": [1, null]})), api("two", upstream.address));
    let gateway = Conf::default().with(&two).with(&one).start().await;
    assert_eq!(gateway.control("/tyk/apis").await.json(), json!([one.0, two.0]));
    let listed = gateway.control("/tyk/apis/one").await;
    assert_eq!((listed.status, listed.json()), (200, one.0));
    assert!(listed.text().ends_with("\n"));
    let unknown = gateway.control("/tyk/apis/three").await;
    assert_eq!((unknown.status, &*unknown.text()), (404, "{\"status\":\"error\",\"message\":\"API not found\"}\n"));
}

#[tokio::test]
async fn reload_answers_at_once_or_after_the_cycle() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("one", upstream.address)).await;
    for (cycle, path) in ["/tyk/reload", "/tyk/reload/group", "/tyk/reload?block=true"].into_iter().enumerate() {
        let answer = gateway.control(path).await;
        assert_eq!((answer.status, &*answer.text()), (200, "{\"status\":\"ok\",\"message\":\"\"}\n"), "{path}");
        gateway.log().message_times("reloaded", cycle + 1).await;
    }
    gateway.write(&api("two", upstream.address));
    gateway.reload().await;
    assert_eq!(gateway.get("/two/get").await.status, 200, "the cycle is over when `block=true` answers");
}

/// Source: gateway.md §2.9.
#[tokio::test]
async fn stored_responses_of_an_api_are_dropped_whether_there_are_any_or_not() {
    let gateway = Conf::default().start().await;
    for path in ["/tyk/cache/one", "/tyk/cache/..%2F*%00"] {
        let dropped = gateway.operate(Method::DELETE, path, "").await;
        dropped.is_reply(200, r#"{"status":"ok","message":"cache invalidated"}"#);
    }
}

#[tokio::test]
async fn plugins_are_listed_with_their_hooks_versions_and_users() {
    let upstream = Upstream::start();
    let definition =
        api("mine", upstream.address).plugins("pre", &["SendCurrentTime"]).endpoint("GET", "/get", "SendCurrentTime");
    let gateway = Conf::of(binary::examples()).with(&definition).start().await;
    let listed = gateway.control("/tyk/plugins").await.json();
    assert_eq!(listed["unresolved"], json!([]));
    let plugins = listed["plugins"].as_array().expect("a list");
    let named = |name: &str| plugins.iter().find(|plugin| plugin["name"] == name).expect("it is linked");
    let used = named("SendCurrentTime");
    assert_eq!((&used["crate"], &used["version"]), (&json!("send-current-time"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(used["hooks"], json!(["pre", "post_key_auth", "post", "endpoint"]));
    assert_eq!(used["apis"], json!([{"api_id": "mine", "hook": "pre"}, {"api_id": "mine", "hook": "endpoint"}]));
    assert_eq!(named("MyPluginAuthCheck")["apis"], json!([]));
    let mut crates: Vec<_> = plugins.iter().map(|plugin| &plugin["crate"]).collect();
    crates.dedup();
    assert_eq!(crates.len(), binary::EXAMPLES.len(), "those of the binary and no others");
}
