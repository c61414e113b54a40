//! Names that nothing in the binary has: what needs them fails closed, and everybody is told.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, ask, binary, get};
use http::Method;
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the log and `/tyk/plugins` say of `AddFooBarHeadr` in the hook `post`.
fn told() -> String {
    format!(
        "no plugin `AddFooBarHeadr` for hook `post` in this binary; nearest: `AddFooBarHeader` (add-foo-bar-header \
         {VERSION}); add it with `cargo xtask build --plugins add-foo-bar-header,hit-counter,per-path,response-rewrite,\
         send-current-time,token-auth,<crate>`, or see what is linked: `gateway plugins list`"
    )
}

/// An API whose hook names a plugin that is not there.
fn unresolved(hook: &str, upstream: &Upstream) -> Definition {
    let definition = api("lost", upstream.address);
    match hook {
        "auth_check" => definition.auth("NotThere"),
        "post_key_auth" => definition.auth("MyPluginAuthCheck@token-auth").plugins(hook, &["NotThere"]),
        _ => definition.plugins(hook, &["NotThere"]),
    }
}

/// Source: plugin-system.md §10.2, goplugin/file_loader_test.go:10, gateway/mw_go_plugin_test.go:13,
/// gateway/res_handler_go_plugin_test.go.
#[tokio::test]
async fn an_api_with_an_unresolved_plugin_answers_500_and_its_upstream_sees_nothing() {
    for hook in ["pre", "auth_check", "post_key_auth", "post", "response"] {
        let upstream = Upstream::start();
        let gateway = Gateway::serving(&unresolved(hook, &upstream)).await;
        for path in ["/lost/get", "/lost/"] {
            let answer = gateway.ask(get(path).header("authorization", "abc")).await;
            answer.is_error(500, "Internal Server Error");
        }
        let seen = upstream.seen();
        assert!(seen.is_empty(), "{hook}: the upstream has seen {}", seen[0].first());
    }
}

#[tokio::test]
async fn one_unresolved_among_several_fails_closed_too() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("lost", upstream.address).plugins("pre", &["OrderA", "NotThere"])).await;
    gateway.get("/lost/get").await.is_error(500, "Internal Server Error");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn other_apis_are_served() {
    let upstream = Upstream::start();
    let conf = Conf::default().with(&unresolved("post", &upstream)).with(&api("whole", upstream.address));
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/whole/get").await.status, 200);
}

#[tokio::test]
async fn an_unresolved_endpoint_fails_on_its_path_and_method_alone() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("some", upstream.address).endpoint("GET", "/lost", "NotThere")).await;
    gateway.get("/some/lost").await.is_error(500, "Internal Server Error");
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(gateway.ask(ask(Method::POST, "/some/lost")).await.status, 200);
    assert_eq!(gateway.get("/some/other").await.status, 200);
}

#[tokio::test]
async fn log_and_control_api_say_name_nearest_and_command() {
    let upstream = Upstream::start();
    let definition = api("lost", upstream.address).plugins("post", &["AddFooBarHeadr"]);
    let gateway = Conf::of(binary::examples()).with(&definition).start().await;

    let errors = gateway.log().exactly(1, "ERROR", |line| line.field("level") == "ERROR").await;
    let finding = errors[0].field("finding");
    assert!(finding.ends_with(&format!("custom_middleware.post[0].name: {}", told())), "{finding}");
    assert!(finding.starts_with(&format!("{}:", gateway.apps().join("lost.json").display())), "{finding}");

    let answer = gateway.control("/tyk/plugins").await.json();
    let expected = json!([{
        "api_id": "lost",
        "file": gateway.apps().join("lost.json"),
        "hook": "post",
        "name": "AddFooBarHeadr",
        "reason": told(),
    }]);
    assert_eq!(answer["unresolved"], expected);
    let used: Vec<&Value> =
        answer["plugins"].as_array().expect("a list").iter().map(|plugin| &plugin["apis"]).collect();
    assert!(used.iter().all(|apis| **apis == json!([])), "nobody uses a plugin: {used:?}");
}

#[tokio::test]
async fn a_plugin_under_a_hook_that_it_does_not_serve_is_unresolved() {
    let upstream = Upstream::start();
    let definition = api("lost", upstream.address).plugins("post", &["MyPluginAuthCheck"]);
    let gateway = Conf::of(binary::examples()).with(&definition).start().await;
    gateway.get("/lost/get").await.is_error(500, "Internal Server Error");
    let reason = &gateway.control("/tyk/plugins").await.json()["unresolved"][0]["reason"];
    let expected = "plugin `MyPluginAuthCheck` of crate `token-auth` serves `auth_check`, not `post`; add `post` to the \
                    `hook` key of its `#[gw_plugin]`, or name it under a hook it serves";
    assert_eq!(reason, expected);
}

#[tokio::test]
async fn a_name_in_several_crates_is_ambiguous_until_path_or_prefix_chooses() {
    let upstream = Upstream::start();
    let choosing = [
        ("by-file", "MyPluginAuthCheck@/opt/tyk/goplugins"),
        ("by-folder", "MyPluginAuthCheck@/opt/goplugins/token_auth_v5.3.0_linux_amd64"),
        ("by-prefix", "token-auth::MyPluginAuthCheck"),
        ("by-neither", "MyPluginAuthCheck"),
    ];
    let mut conf = Conf::default();
    for (id, name) in choosing {
        conf = conf.with(&api(id, upstream.address).auth(name));
    }
    let gateway = conf.start().await;
    let refused = async |id: &str| gateway.get(&format!("/{id}/get")).await;
    let by_file = refused("by-file").await;
    assert_eq!((by_file.status, &*by_file.text(), by_file.header("x-auth-result")), (403, "auth failed", "failed"));
    for id in ["by-folder", "by-prefix"] {
        let answer = refused(id).await;
        assert_eq!((answer.status, &*answer.text()), (403, ""), "{id}");
    }
    refused("by-neither").await.is_error(500, "Internal Server Error");
    let reason = &gateway.control("/tyk/plugins").await.json()["unresolved"][0]["reason"];
    let expected = "plugin `MyPluginAuthCheck` is in several crates: goplugins, token-auth; name one, such as \
                    `goplugins::MyPluginAuthCheck`, or let `path` end in its crate's name";
    assert_eq!(reason, expected);
}

#[tokio::test]
async fn a_driver_that_is_not_here_leaves_its_plugins_unresolved() {
    let upstream = Upstream::start();
    let definition =
        api("lost", upstream.address).plugins("pre", &["OrderA"]).set("/custom_middleware/driver", "python");
    let gateway = Gateway::serving(&definition).await;
    gateway.get("/lost/get").await.is_error(500, "Internal Server Error");
    assert_eq!(upstream.seen().len(), 0);
    let native = api("own", upstream.address).plugins("pre", &["OrderA"]).set("/custom_middleware/driver", "native");
    gateway.write(&native);
    gateway.reload().await;
    assert_eq!(gateway.get("/own/get").await.header("x-order"), "a");
}

/// Source: Tyk, `gateway/server.go`: the file of a response hook tells its driver.
#[tokio::test]
async fn a_response_hook_is_known_by_its_file() {
    let upstream = Upstream::start();
    let named =
        api("by-file", upstream.address).plugins("response", &["ResponseA"]).set("/custom_middleware/driver", "");
    let gateway = Gateway::serving(&named).await;
    assert_eq!(gateway.get("/by-file/get").await.header("x-order"), "a");
}

#[tokio::test]
async fn strict_plugins_refuses_to_start() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("strict_plugins", true).with(&unresolved("pre", &upstream));
    let process = conf.spawn(&["--port", "0"]);
    assert_eq!(process.exit().await.code(), Some(1));
    let line = process.log.message("the gateway does not start").await;
    assert_eq!(line.field("error"), "plugins are not in this binary (1), and `strict_plugins` is set");
    let finding = process.log.message("API definition").await;
    assert!(finding.field("finding").contains("no plugin `NotThere` for hook `pre`"), "{}", finding.text);
}

#[tokio::test]
async fn strict_plugins_refuses_a_reload_and_the_old_table_serves_on() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("strict_plugins", true).with(&api("old", upstream.address));
    let gateway = conf.start().await;
    gateway.write(&unresolved("pre", &upstream));
    gateway.write(&api("new", upstream.address));
    gateway.reload().await;
    gateway.log().message("reload refused: plugins are not in this binary, and `strict_plugins` is set").await;
    assert_eq!(gateway.get("/old/get").await.status, 200);
    assert_eq!(gateway.get("/new/get").await.status, 404, "all or nothing");
    std::fs::remove_file(gateway.apps().join("lost.json")).expect("it was written above");
    gateway.reload().await;
    assert_eq!(gateway.get("/new/get").await.status, 200);
}
