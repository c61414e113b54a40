//! Headers of requests and responses that a definition takes off and puts on. Source: gateway.md §3.3, §3.4, §5.8, §5.9.

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get};
use serde_json::{Value, json};

const VERSION: &str = "/version_data/versions/Default";

fn with(upstream: &Upstream, fields: Value) -> Definition {
    let mut definition = api("some", upstream.address);
    for (field, value) in fields.as_object().expect("an object") {
        definition = definition.set(&format!("{VERSION}/{field}"), value.clone());
    }
    definition
}

/// What the upstream was sent under a name; empty if nothing.
async fn sent(gateway: &Gateway, path: &str, headers: &[(&str, &str)], name: &str) -> String {
    let request = headers.iter().fold(get(path), |request, (name, value)| request.header(name, value));
    let echo = gateway.ask(request).await.json();
    echo["Headers"][name].as_str().unwrap_or_default().to_owned()
}

/// What is taken off goes first, and what is put on takes the place of what is there; that of the path comes after that of
/// the version.
#[tokio::test]
async fn a_request_meets_the_version_and_then_the_path() {
    let upstream = Upstream::start();
    let definition = with(
        &upstream,
        json!({
            "global_headers_remove": ["X-Gone", "X-Back", ""],
            "global_headers": {"X-Back": "back", "X-Both": "version", "X-Set": "set"},
            "extended_paths": {"transform_headers": [
                {"path": "off", "method": "GET", "disabled": true, "add_headers": {"X-Both": "off"}},
                {"path": "get", "method": "POST", "add_headers": {"X-Both": "post"}},
                {"path": "get", "method": "GET", "delete_headers": ["x-set"], "add_headers": {"X-Both": "path"}},
                {"path": "get", "method": "GET", "add_headers": {"X-Both": "second"}},
            ]},
        }),
    );
    let gateway = Gateway::serving(&definition).await;
    let client = [("x-gone", "1"), ("x-back", "1"), ("x-both", "1"), ("x-set", "1"), ("x-kept", "1")];
    for (path, name, expected) in [
        ("/some/get", "X-Gone", ""),
        ("/some/get", "X-Back", "back"),
        ("/some/get", "X-Both", "path"),
        ("/some/get", "X-Set", ""),
        ("/some/get", "X-Kept", "1"),
        ("/some/other", "X-Both", "version"),
        ("/some/other", "X-Set", "set"),
        ("/some/off", "X-Both", "version"),
    ] {
        assert_eq!(sent(&gateway, path, &client, name).await, expected, "{path} {name}");
    }
}

#[tokio::test]
async fn what_is_switched_off_does_nothing() {
    let upstream = Upstream::start();
    let fields = json!({
        "global_headers": {"X-A": "1"},
        "global_headers_remove": ["X-B"],
        "global_headers_disabled": true,
        "global_response_headers": {"X-C": "1"},
        "global_response_headers_remove": ["Content-Type"],
        "global_response_headers_disabled": true,
    });
    let injector = json!([{"name": "header_injector", "options": {"add_headers": {"X-D": "1"}}}]);
    let gateway = Gateway::serving(&with(&upstream, fields).set("/response_processors", injector)).await;
    assert_eq!(sent(&gateway, "/some/get", &[], "X-A").await, "");
    assert_eq!(sent(&gateway, "/some/get", &[("x-b", "2")], "X-B").await, "2");
    let answer = gateway.get("/some/get").await;
    assert_eq!(["x-c", "x-d", "content-type"].map(|name| answer.header(name)), ["", "", "application/json"]);
}

/// Source: gateway.md §5.8, §12.17.
#[tokio::test]
async fn a_client_whose_address_is_taken_off_is_not_told() {
    let upstream = Upstream::start();
    let forwarded = [("x-forwarded-for", "10.0.0.7")];
    let everywhere = with(&upstream, json!({"global_headers_remove": ["x-forwarded-for"]}));
    let entry = json!({"path": "get", "method": "GET", "delete_headers": ["X-Forwarded-For"]});
    let on_path = with(&upstream, json!({"extended_paths": {"transform_headers": [entry]}}));
    let in_place = with(
        &upstream,
        json!({"global_headers_remove": ["X-Forwarded-For"], "global_headers": {"X-Forwarded-For": "10.0.0.9"}}),
    );
    for (definition, path, expected) in [
        (&everywhere, "/some/get", ""),
        (&on_path, "/some/get", ""),
        (&on_path, "/some/other", "10.0.0.7, 127.0.0.1"),
        (&in_place, "/some/get", "10.0.0.9"),
    ] {
        let gateway = Gateway::serving(definition).await;
        assert_eq!(sent(&gateway, path, &forwarded, "X-Forwarded-For").await, expected, "{definition}");
    }
}

/// The path, the version, `header_injector`, and then plugins. Source: gateway.md §5.9.
#[tokio::test]
async fn a_response_meets_the_path_then_the_version_then_the_processors() {
    let upstream = Upstream::start();
    let definition = with(
        &upstream,
        json!({
            "global_response_headers_remove": ["Content-Type"],
            "global_response_headers": {"X-A": "version", "X-B": "version"},
            "extended_paths": {"transform_response_headers": [
                {"path": "get", "method": "GET", "delete_headers": ["X-B"], "add_headers": {"X-A": "path", "X-P": "path"}},
            ]},
        }),
    );
    let injector = json!([
        {"name": "header_injector", "options": {"remove_headers": ["X-P"], "add_headers": {"X-B": "injector"}}},
        {"name": "goplugin_res_hook"},
    ]);
    let gateway = Gateway::serving(&definition.set("/response_processors", injector)).await;
    let answer = gateway.get("/some/get").await;
    assert_eq!(["x-a", "x-b", "x-p", "content-type"].map(|name| answer.header(name)), ["version", "injector", "", ""]);
    let answer = gateway.get("/some/other").await;
    assert_eq!(["x-a", "x-b", "x-p"].map(|name| answer.header(name)), ["version", "injector", ""]);
}

/// An answer of the gateway's own meets no response chain.
#[tokio::test]
async fn an_error_has_no_headers_of_responses() {
    let upstream = Upstream::start();
    let definition = with(&upstream, json!({"global_response_headers": {"X-A": "1"}})).set("/use_keyless", false);
    let answer = Gateway::serving(&definition).await.get("/some/get").await;
    answer.is_error(401, "Authorization field missing");
    assert_eq!(answer.header("x-a"), "");
}

#[tokio::test]
async fn an_upstream_that_names_itself_is_made_the_gateway() {
    let upstream = Upstream::start();
    let location = format!("http://{}/base/next", upstream.address);
    let cleanup = |host: &str| {
        let options = json!({"rev_proxy_header_cleanup": {"headers": ["Location"], "target_host": host}});
        json!([{"name": "header_transform", "options": options}])
    };
    let definition = with(&upstream, json!({"global_response_headers": {"Location": location}}))
        .set("/proxy/target_url", format!("http://{}/base/", upstream.address))
        .set("/response_processors", cleanup("https://api.example.com"));
    let gateway = Gateway::serving(&definition).await;
    assert_eq!(gateway.get("/some/get").await.header("location"), "https://api.example.com/some/next");
    let definition = definition.set("/response_processors", cleanup("api.example.com"));
    let gateway = Gateway::serving(&definition).await;
    let line = gateway.log().message("API definition").await;
    assert!(
        line.field("finding").contains("target_host: say by which address clients know"),
        "{}",
        line.field("finding")
    );
}

#[tokio::test]
async fn headers_that_cannot_be_are_told_with_their_places() {
    let upstream = Upstream::start();
    let told = |fields: Value| {
        let definition =
            with(&upstream, fields).set("/response_processors", json!([{"name": "response_body_transform"}]));
        let output = Conf::default().with(&definition).command(&["check", "--apis", "apps"]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).expect("UTF-8"))
    };
    let (is_good, text) = told(json!({
        "global_headers_remove": ["X Y"],
        "global_response_headers": {"Content-Length": "5"},
    }));
    assert!(is_good, "{text}");
    for warning in [
        "version_data.versions.Default.global_headers_remove[0]: `X Y` is no name that a header can have",
        "version_data.versions.Default.global_response_headers.Content-Length: has no effect: the gateway says itself",
        "response_processors[0].name: has no effect: no processor has the name `response_body_transform`",
    ] {
        assert!(text.contains(warning), "{warning}: {text}");
    }
    let entry = json!({"path": "x", "method": "GET", "add_headers": {"X-A": "a\r\nX-B: c", "X:C": "d"}});
    let (is_good, text) = told(json!({"extended_paths": {"transform_headers": [entry]}}));
    assert!(!is_good, "{text}");
    assert!(text.contains(r#"add_headers.X-A: a header cannot have the value "a\r\nX-B: c""#), "{text}");
    assert!(text.contains("`X:C` is no name that a header can have"), "{text}");
}
