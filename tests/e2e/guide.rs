//! The sections of API definitions that the published guide prints, character by character, in a gateway with the
//! plugins of the README's first example. Source: Tyk, documentation, "Golang plugins".

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, binary, get};
use serde_json::{Value, json};

/// The API of the guide: on `/my_api_name/`.
fn my_api(upstream: &Upstream) -> Definition {
    api("my_api_name", upstream.address)
}

/// A section as the guide prints it, a member without the braces around it; `<path>` is the reader's to fill in.
fn section(printed: &str) -> Value {
    let filled = printed.replace("<path>", "/opt/tyk/plugins");
    let document: Value = serde_json::from_str(&format!("{{{filled}}}")).expect("a member of a JSON object");
    document.as_object().and_then(|members| members.values().next()).cloned().expect("one member")
}

async fn serving(definition: &Definition) -> Gateway {
    Conf::of(binary::examples()).with(definition).start().await
}

#[tokio::test]
async fn the_binary_has_the_plugins_that_were_asked_for_and_no_others() {
    let listed = Conf::of(binary::examples()).command(&["plugins", "list", "--json"]);
    assert!(listed.status.success());
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let mut crates: Vec<_> = listed.as_array().expect("a list").iter().map(|plugin| &plugin["crate"]).collect();
    crates.dedup();
    let mut asked = binary::EXAMPLES;
    asked.sort_unstable();
    assert_eq!(crates, asked);
}

#[tokio::test]
async fn post_adds_foo_bar_to_the_request_and_logs() {
    let upstream = Upstream::start();
    let definition = my_api(&upstream).set("/custom_middleware", section(include_str!("guide/post.json")));
    let gateway = serving(&definition).await;
    let answer = gateway.get("/my_api_name/get").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["Headers"]["Foo"], "Bar");
    assert_eq!(upstream.last().first(), "GET /get HTTP/1.1");
    assert_eq!(answer.header("foo"), "", "the client sees nothing of it");
    let line = gateway.log().wait("a line of the plugin", |line| line.field("plugin") == "AddFooBarHeader").await;
    assert!(line.message().starts_with("Processing HTTP request in"), "{}", line.text);
    assert_eq!(line.field("api_id"), "my_api_name");
}

#[tokio::test]
async fn pre_answers_with_the_time_when_it_is_asked_for() {
    let upstream = Upstream::start();
    let definition = my_api(&upstream).set("/custom_middleware", section(include_str!("guide/pre.json")));
    let gateway = serving(&definition).await;
    let answer = gateway.get("/my_api_name/get?get_time=1").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert!(answer.json()["current_time"].as_str().is_some_and(|time| time.contains('T')), "{}", answer.text());
    assert_eq!(upstream.seen().len(), 0);

    for path in ["/my_api_name/get", "/my_api_name/get?get_time=2"] {
        assert_eq!(gateway.get(path).await.json()["Path"], "/get");
    }
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn auth_check_lets_abc_in_and_refuses_xyz_with_an_empty_body() {
    let upstream = Upstream::start();
    let definition = my_api(&upstream).set("/use_keyless", false).set("/use_go_plugin_auth", true).set(
        "/custom_middleware/auth_check",
        json!({
            "name": "MyPluginAuthCheck",
            "path": "/tmp/MyPluginAuthCheck.so",
        }),
    );
    let gateway = serving(&definition).await;

    let refused = gateway.ask(get("/my_api_name/get").header("authorization", "xyz")).await;
    assert_eq!((refused.status, refused.text()), (403, String::new()));
    assert_eq!(refused.header("content-length"), "0");
    assert_eq!(refused.header("x-ratelimit-limit"), "");
    assert_eq!(upstream.seen().len(), 0);

    let let_in = gateway.ask(get("/my_api_name/get").header("authorization", "abc")).await;
    assert_eq!(let_in.status, 200);
    assert_eq!(let_in.json()["Headers"]["Authorization"], "abc");
    let rates = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| let_in.header(name));
    assert_eq!(rates, ["0", "0", "0"]);
}

#[tokio::test]
async fn the_hit_counter_counts_each_endpoint() {
    let upstream = Upstream::start();
    let definition = my_api(&upstream).plugins("post", &["MyProcessRequest"]);
    let gateway = serving(&definition).await;
    let mut client = gateway.connect().await;
    for (path, hits) in [("/my_api_name/a", 1), ("/my_api_name/a", 2), ("/my_api_name/b", 1), ("/my_api_name/a", 3)] {
        let answer = client.ask(get(path)).await;
        assert_eq!(answer.header("content-type"), "application/json");
        let expected = json!({"session": null, "endpoint": format!("GET {path}"), "hit_counter": hits});
        assert_eq!(answer.json(), expected);
    }
    assert_eq!(upstream.seen().len(), 0);
    let line = gateway.log().wait("a line of the plugin", |line| line.field("plugin") == "MyProcessRequest").await;
    assert_eq!(line.message(), "Custom middleware, new hit: GET /my_api_name/a");
}

#[tokio::test]
async fn response_replaces_the_body_and_adds_a_header() {
    let upstream = Upstream::start();
    let definition = my_api(&upstream).set("/custom_middleware", section(include_str!("guide/response.json")));
    let gateway = serving(&definition).await;
    let answer = gateway.get("/my_api_name/get").await;
    let body = r#"{"message":"Hi! I'm a response plugin"}"#;
    assert_eq!((answer.status, &*answer.text()), (200, body));
    assert_eq!(answer.header("x-response-added"), "resp-added");
    assert_eq!(answer.header("content-length"), body.len().to_string());
    assert_eq!(upstream.seen().len(), 1);
}

/// The guide's text names the plugin `MyResponsePlugin`, its code `MyPluginResponse`: readers use either.
#[tokio::test]
async fn response_works_under_the_name_of_the_code_too() {
    let upstream = Upstream::start();
    let definition = my_api(&upstream).plugins("response", &["MyPluginResponse@resplugin"]);
    let gateway = serving(&definition).await;
    assert_eq!(gateway.get("/my_api_name/get").await.text(), r#"{"message":"Hi! I'm a response plugin"}"#);
}

#[tokio::test]
async fn per_path_plugins_run_on_their_path_and_method_alone() {
    let upstream = Upstream::start();
    // As printed, but for the quote that the guide forgets.
    let printed = include_str!("guide/go_plugin.json").replacen("\"go_plugin:", "\"go_plugin\":", 1);
    let paths = json!({"go_plugin": section(&printed)});
    let definition = my_api(&upstream).set("/version_data/versions/Default/extended_paths", paths);
    let gateway = serving(&definition).await;
    let mut client = gateway.connect().await;
    for (method, path, foo, bar) in [
        (http::Method::GET, "/my_api_name/get", "foo", ""),
        (http::Method::GET, "/my_api_name/bar", "", "bar"),
        (http::Method::POST, "/my_api_name/get", "", ""),
        (http::Method::DELETE, "/my_api_name/bar", "", ""),
        (http::Method::GET, "/my_api_name/other", "", ""),
    ] {
        let answer = client.ask(gateway_tests::ask(method.clone(), path)).await;
        assert_eq!(answer.json()["Method"], method.as_str(), "all are proxied");
        assert_eq!((answer.header("x-foo"), answer.header("x-bar")), (foo, bar), "{method} {path}");
    }
}

/// In the guide both are called `MyPluginFunction`; here `path` chooses.
#[tokio::test]
async fn plugins_read_the_definition_and_the_session() {
    let upstream = Upstream::start();
    let session = json!({"meta_data": {"tyk_developer_id": "5f1", "tyk_developer_email": "dev@example.com"}});
    let definition = my_api(&upstream)
        .set("/name", "Orders")
        .auth("SetSession")
        .config("SetSession", session)
        .plugins("pre", &["MyPluginFunction@/opt/tyk/plugins/api-name"])
        .plugins("post_key_auth", &["MyPluginFunction@/opt/tyk/plugins/session_metadata"]);
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/my_api_name/get").await.status, 200);
    for message in ["API name is Orders", "Developer ID: 5f1", "Developer Email: dev@example.com"] {
        assert_eq!(gateway.log().message(message).await.field("plugin"), "MyPluginFunction");
    }
}
