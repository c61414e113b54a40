//! What each function does, as the tests of the Go plugin have it, and what it makes of odd input.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

use std::sync::Arc;

use gateway_sdk::testing::{self, Done, Input};
use gateway_sdk::{ApiDefinition, HeaderValue, Hook, OasDefinition, Response, Session, StatusCode, http};
use serde_json::{Value, json};

const REQUEST_HOOKS: [Hook; 4] = [Hook::Pre, Hook::PostKeyAuth, Hook::Post, Hook::Endpoint];

fn get(uri: &str) -> Input {
    Input::new(http::Request::get(uri).body("").unwrap())
}

fn call(plugin: &str, hook: Hook, input: Input) -> Done {
    testing::plugin(plugin).start().call(hook, input)
}

/// What the client gets when this plugin answers: status, type, body.
#[track_caller]
fn answers(done: &Done, status: StatusCode, media_type: Option<&str>, body: &str) {
    let answer = done.answer.as_ref().expect("an answer");
    assert_eq!(answer.status(), status);
    assert_eq!(answer.header("content-type"), media_type);
    assert_eq!(done.text(), body);
}

/// The request goes on; the final response has this header, or none.
#[track_caller]
fn goes_on_with(done: &Done, header: Option<(&str, &str)>) {
    assert!(done.answer.is_none(), "the request goes on");
    assert_eq!(done.response_headers.len(), usize::from(header.is_some()));
    if let Some((name, value)) = header {
        assert_eq!(done.response_headers[name], value.as_bytes());
    }
}

#[test]
fn pre_tells_the_uri_with_the_listen_path() {
    for uri in ["/goplugin/plugin_hit", "/goplugin/a%2Fb?x=1&x=2", "/goplugin/grün", "/", "*"] {
        goes_on_with(&call("MyPluginPre", Hook::Pre, get(uri)), Some(("X-Initial-URI", uri)));
    }
    let absolute = get("http://gateway.example/goplugin?x=1");
    goes_on_with(&call("MyPluginPre", Hook::Pre, absolute), Some(("X-Initial-URI", "/goplugin?x=1")));
}

#[test]
fn pre_refuses_a_session() {
    let done = call("MyPluginPre", Hook::Pre, get("/").session(Session::new()));
    answers(&done, StatusCode::INTERNAL_SERVER_ERROR, None, "");
    assert!(done.response_headers.is_empty());
}

#[test]
fn auth_check_lets_abc_in_under_its_own_key() {
    let request = http::Request::get("/").header("authorization", "abc").body("").unwrap();
    let done = call("MyPluginAuthCheck", Hook::AuthCheck, request.into());
    goes_on_with(&done, Some(("X-Auth-Result", "OK")));
    let expected = Session::new().with_org_id("default").with_alias("abc-session").with_key_id("abc");
    assert_eq!(done.session, Some(expected));
}

#[test]
fn auth_check_refuses_everybody_else() {
    let tokens: [&[&[u8]]; 6] = [&[], &[b""], &[b"invalid_token"], &[b"Bearer abc"], &[b"abc\xff"], &[b"x", b"abc"]];
    for tokens in tokens {
        let mut request = http::Request::get("/").body("").unwrap();
        for token in tokens {
            request.headers_mut().append("authorization", HeaderValue::from_bytes(token).unwrap());
        }
        let done = call("MyPluginAuthCheck", Hook::AuthCheck, request.into());
        answers(&done, StatusCode::FORBIDDEN, Some("text/plain; charset=utf-8"), "auth failed");
        assert_eq!(done.response_headers["X-Auth-Result"], "failed");
        assert!(done.session.is_none());
    }
}

#[test]
fn a_session_that_names_a_policy_is_saved_under_its_key() {
    let done = call("MyPluginApplyingPolicy", Hook::Pre, get("/"));
    let session = done.session.expect("it is set");
    assert_eq!((session.apply_policies, &*session.key_id), (vec!["my-pol".to_owned()], "my-key"));
    assert!(done.answer.is_none() && done.saves_session);
}

#[test]
fn post_key_auth_tells_the_alias() {
    for alias in ["abc-session", "", "größe"] {
        let session = Session::new().with_alias(alias);
        let done = call("MyPluginPostKeyAuth", Hook::PostKeyAuth, get("/").session(session));
        goes_on_with(&done, Some(("X-Session-Alias", alias)));
    }
}

#[test]
fn post_key_auth_leaves_out_an_alias_that_no_header_can_hold() {
    let session = Session::new().with_alias("a\r\nset-cookie: b");
    goes_on_with(&call("MyPluginPostKeyAuth", Hook::PostKeyAuth, get("/").session(session)), None);
}

#[test]
fn post_key_auth_answers_500_without_a_session() {
    let done = call("MyPluginPostKeyAuth", Hook::PostKeyAuth, get("/"));
    answers(&done, StatusCode::INTERNAL_SERVER_ERROR, None, "");
    assert_eq!(done.response_headers["X-Session-Alias"], "not found");
}

/// What `X-Plugin-Data` is for this `config_data`, in both plugins that send it.
#[track_caller]
fn plugin_data(config: &Value, expected: &str) {
    let post = testing::plugin("MyPluginPost").config(config.clone()).start().call(Hook::Post, get("/"));
    assert_eq!(post.response_headers["X-Plugin-Data"], expected.as_bytes());
    let response = testing::plugin("MyPluginResponse").config(config.clone()).start().call(Hook::Response, get("/"));
    assert_eq!(response.response.unwrap().headers()["X-Plugin-Data"], expected.as_bytes());
}

#[test]
fn plugin_data_is_the_text_of_the_configuration() {
    plugin_data(&json!({"my-context-data": "my-plugin-config"}), "my-plugin-config");
    plugin_data(&json!({"my-context-data": "größe", "other": 1}), "größe");
}

#[test]
fn plugin_data_is_null_where_there_is_no_text() {
    for config in [
        json!({}),
        json!({"my-context-data": null}),
        json!({"my-context-data": ""}),
        json!({"my-context-data": 7}),
        json!({"my-context-data": {"a": []}}),
        json!({"my-context-data": "two\nlines"}),
    ] {
        plugin_data(&config, "null");
    }
    let done = call("MyPluginPost", Hook::Post, get("/"));
    assert_eq!(done.response_headers["X-Plugin-Data"], "null", "without any `config_data`");
}

#[test]
fn post_answers_with_its_message() {
    for hook in REQUEST_HOOKS {
        let done = call("MyPluginPost", hook, get("/"));
        answers(&done, StatusCode::OK, Some("application/json"), r#"{"message":"post message"}"#);
    }
}

#[test]
fn response_replaces_the_body_and_tells_its_length() {
    let upstream =
        Response::new(StatusCode::NOT_FOUND).with_body("a body that is longer than the one put in its place");
    let done = call("MyPluginResponse", Hook::Response, get("/").response(upstream));
    assert_eq!(done.text(), r#"{"message":"response injected message"}"#);
    let response = done.response.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.header("X-Response-Added"), Some("resp-added"));
    assert_eq!(response.header("content-length"), Some("39"));
}

#[test]
fn per_path_plugins_add_their_headers_in_every_request_hook() {
    for hook in REQUEST_HOOKS {
        goes_on_with(&call("MyPluginPerPathFoo", hook, get("/foo")), Some(("X-foo", "foo")));
        goes_on_with(&call("MyPluginPerPathBar", hook, get("/bar")), Some(("X-bar", "bar")));
        let done = call("MyPluginPerPathResp", hook, get("/resp"));
        answers(&done, StatusCode::OK, Some("application/json"), r#"{"current_time":"now"}"#);
    }
}

#[test]
fn refusals_are_exactly_what_the_plugin_wrote() {
    let text = Some("text/plain; charset=utf-8");
    for hook in REQUEST_HOOKS.into_iter().chain([Hook::AuthCheck]) {
        let teapot = call("MyPluginReturningError", hook, get("/"));
        answers(&teapot, StatusCode::IM_A_TEAPOT, text, "I'm a teapot");
        answers(&call("RejectWithBody", hook, get("/")), StatusCode::FORBIDDEN, text, "hello");
        answers(&call("RejectWithoutBody", hook, get("/")), StatusCode::FORBIDDEN, None, "");
    }
}

#[test]
fn the_definition_to_paste_names_these_plugins() {
    let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
    assert!(api.custom_auth_enabled() && !api.use_keyless, "every hook runs");
    let section = &api.custom_middleware;
    for hook in Hook::ALL {
        for entry in section.entries(hook) {
            testing::plugin(&entry.name).api(api.clone()).start().call(hook, get("/goplugins/get"));
        }
    }
    for entry in &api.version_data.versions["Default"].extended_paths.go_plugin {
        testing::plugin(&entry.func_name).api(api.clone()).start().call(Hook::Endpoint, get(&entry.path));
    }
}

/// Source: Tyk, `mw_go_plugin_test.go`; an API without a document is left alone.
#[test]
fn the_title_of_the_document_is_told() {
    let oas = OasDefinition::new(json!({"info": {"title": "My OAS"}}));
    let api = ApiDefinition { oas: Some(Arc::new(oas)), ..ApiDefinition::default() };
    let title = |plugin: &str, hook, api: &ApiDefinition| {
        let input = get("/").response(Response::new(StatusCode::OK));
        let input = if hook == Hook::Response { input } else { get("/") };
        testing::plugin(plugin).api(api.clone()).start().call(hook, input).response_headers
    };
    for (plugin, hook, header) in [
        ("MyPluginAccessingOASAPI", Hook::Pre, "x-my-plugin-accessing-oas-api"),
        ("MyResponsePluginAccessingOASAPI", Hook::Response, "x-my-response-plugin-accessing-oas-api"),
        ("MyResponsePluginAccessingOASAPI2", Hook::Response, "x-my-response-plugin-accessing-oas-api-2"),
    ] {
        let told = title(plugin, hook, &api);
        assert_eq!(
            (told.len(), &told["x-oas-doc-title"], &told[header]),
            (2, &"My OAS".parse().unwrap(), &"My OAS".parse().unwrap())
        );
        assert!(title(plugin, hook, &ApiDefinition::default()).is_empty());
    }
}
