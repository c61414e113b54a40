//! Other words and bodies for errors: `template_path`, `override_messages`, `error_overrides`. Source: gateway.md §5.11.

use gateway_tests::log::Line;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, within_deadline};
use http::HeaderValue;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::raw::Raw;

const MISSING: &str = "Authorization field missing";

fn guarded(upstream: &Upstream) -> Definition {
    api("some", upstream.address).set("/use_keyless", false)
}

/// A configuration whose `template_path` has these files.
fn templates(files: &[(&str, &str)]) -> Conf {
    let conf = Conf::default();
    let folder = conf.folder().join("templates");
    std::fs::create_dir(&folder).expect("a folder of ours");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a folder of ours");
    }
    conf.set("template_path", folder.to_string_lossy().into_owned())
}

fn overriding(definition: Definition, overrides: Value) -> Definition {
    definition.set("/error_overrides", overrides)
}

fn told(conf: &Conf) -> (bool, String) {
    let output = conf.command(&["check", "--apis", "apps"]);
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8"))
}

/// Source: gateway.md §5.11: the file of the status, that of the format, the JSON one.
#[tokio::test]
async fn the_template_of_an_error_is_that_of_its_status_or_its_format() {
    let upstream = Upstream::start();
    let conf = templates(&[
        ("error.json", r#"{"json": "{{.Message}}"}"#),
        ("error_401.json", r#"{"401": "{{ .Message }}"}"#),
        ("error_401.xml", "<e>{{.Message}}</e>"),
        ("other.json", "{{if}}"),
    ]);
    let black = json!([{"path": "/black"}]);
    let lists = api("lists", upstream.address)
        .set("/version_data/versions/Default/extended_paths", json!({"black_list": black}));
    let gateway = conf.with(&guarded(&upstream)).with(&lists).start().await;
    let xml = |path: &str| get(path).header("content-type", "text/xml; charset=utf-8");
    for (ask, expected, media_type) in [
        (get("/some/get"), r#"{"401": "Authorization field missing"}"#, "application/json"),
        (xml("/some/get"), "<e>Authorization field missing</e>", "text/xml; charset=utf-8"),
        (get("/lists/black"), r#"{"json": "Requested endpoint is forbidden"}"#, "application/json"),
        (xml("/lists/black"), r#"{"json": "Requested endpoint is forbidden"}"#, "application/json"),
    ] {
        let answer = gateway.ask(ask).await;
        assert_eq!((answer.text().as_str(), answer.header("content-type")), (expected, media_type));
        assert_eq!(answer.header("x-generator"), "tyk.io");
    }
}

/// What a template is given is escaped as its format wants it.
#[tokio::test]
async fn a_message_in_a_template_is_escaped() {
    let upstream = Upstream::start();
    let conf = templates(&[("error.json", r#"{"e": "{{.Message}}"}"#), ("error.xml", "<e>{{.Message}}</e>")]);
    let messages = json!({"auth.auth_field_missing": {"message": r#"show "it" <now>"#}});
    let gateway = conf.set("override_messages", messages).with(&guarded(&upstream)).start().await;
    assert_eq!(gateway.get("/some/get").await.json(), json!({"e": r#"show "it" <now>"#}));
    let answer = gateway.ask(get("/some/get").header("content-type", "application/xml")).await;
    assert_eq!(answer.text(), "<e>show &#34;it&#34; &lt;now&gt;</e>");
}

#[test]
fn a_template_that_is_none_stops_the_start_with_its_place() {
    let (is_right, text) = told(&templates(&[("error.json", "{\n  {{if .Message}}"), ("error.xml", "{{nothing .}}")]));
    assert!(!is_right && text.contains("template_path: ") && text.contains("error.xml"), "{text}");
    assert!(text.contains("error.json:2:"), "{text}");
    let (is_right, text) = told(&Conf::default().set("template_path", "/nowhere/at/all"));
    assert!(!is_right && text.contains("template_path: `/nowhere/at/all` cannot be read"), "{text}");
}

/// Source: gateway.md §5.11: what is left out stays as it is.
#[tokio::test]
async fn errors_of_authentication_have_the_words_of_the_configuration() {
    let upstream = Upstream::start();
    let messages = json!({
        "auth.auth_field_missing": {"code": 407, "message": "show a token"},
        "auth.key_not_found": {"message": "no such token"},
        "oauth.key_not_found": {"code": 401},
        "auth.lost": {"code": 401},
    });
    let gateway = Conf::default().set("override_messages", messages).with(&guarded(&upstream)).start().await;
    gateway.get("/some/get").await.is_error(407, "show a token");
    gateway.ask(get("/some/get").header("authorization", "eve")).await.is_error(403, "no such token");
    for said in ["no error has this name", "this gateway has no such error"] {
        gateway.log().wait(said, move |line: &Line| line.text.contains(said)).await;
    }
}

#[test]
fn a_status_that_cannot_end_a_request_is_refused() {
    let (is_right, text) = told(&Conf::default().set("override_messages", json!({"auth.key_not_found": {"code": 99}})));
    assert!(!is_right && text.contains("`99` is no status code that can end a request"), "{text}");
}

/// Source: gateway.md §5.11: an API's before the gateway's, a status before its class.
#[tokio::test]
async fn errors_of_the_gateway_are_answered_as_the_rules_say() {
    let upstream = Upstream::start();
    let of_api = json!({
        "401": [
            {"match": {"flag": "RLT"}, "response": {"body": "never"}},
            {"match": {"flag": "AMF"}, "response": {
                "status_code": 418, "message": "tea", "body": "{{.StatusCode}}: {{.Message}}", "headers": {"x-pot": "hot"},
            }},
        ],
    });
    let of_gateway = json!({
        "401": [{"response": {"body": "never"}}],
        "4xx": [
            {"match": {"message_pattern": "^Access .* disallowed$"}, "response": {"message": "go away"}},
            {"response": {"body": "never"}},
        ],
    });
    let definition = overriding(guarded(&upstream), of_api);
    let gateway = Conf::default().set("error_overrides", of_gateway).with(&definition).start().await;
    let answer = gateway.get("/some/get").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-pot")), (418, "418: tea", "hot"));
    gateway.ask(get("/some/get").header("authorization", "eve")).await.is_error(403, "go away");
}

#[tokio::test]
async fn rules_that_are_switched_off_change_nothing() {
    let upstream = Upstream::start();
    let definition = overriding(guarded(&upstream), json!({"401": [{"response": {"body": "never"}}]}))
        .set("/error_overrides_disabled", true);
    Gateway::serving(&definition).await.get("/some/get").await.is_error(401, MISSING);
}

/// Source: gateway.md §5.11: upstreams' answers from 400.
#[tokio::test]
async fn errors_of_upstreams_are_answered_as_the_rules_say() {
    let upstream = Upstream::start();
    let json = [("content-type", "application/json"), ("etag", "\"1\"")];
    upstream.answer("/busy", 503, &json, r#"{"error": {"code": 7}}"#);
    upstream.answer("/other", 503, &json, r#"{"error": {"code": 8}}"#);
    upstream.answer("/gone", 404, &[], "it was here");
    upstream.answer("/odd", 400, &[], "odd");
    let overrides = json!({
        "503": [{"match": {"body_field": "error.code", "body_value": "7"}, "response": {"message": "busy"}}],
        "5xx": [{"match": {"flag": "URS"}, "response": {"status_code": 502}}],
        "404": [{"match": {"message_pattern": "was"}, "response": {"body": "{\"gone\": {{.StatusCode}}}", "status_code": 410}}],
    });
    let gateway = Gateway::serving(&overriding(api("some", upstream.address), overrides)).await;
    let busy = gateway.get("/some/busy").await;
    busy.is_error(503, "busy");
    assert_eq!(busy.all("etag").len(), 0);
    let other = gateway.get("/some/other").await;
    assert_eq!((other.status, other.json(), other.all("etag").len()), (502, json!({"error": {"code": 8}}), 1));
    let gone = gateway.get("/some/gone").await;
    assert_eq!((gone.status, gone.json()), (410, json!({"gone": 410})));
    let odd = gateway.get("/some/odd").await;
    assert_eq!((odd.status, odd.text().as_str()), (400, "odd"));
}

/// What rules look at is the beginning of a body: the rest is neither waited for nor lost.
#[tokio::test]
async fn an_upstreams_error_is_not_waited_for() {
    let raw = Raw::start().await;
    let rules = json!({"500": [{
        "match": {"body_field": "error.code", "body_value": "E7"}, "response": {"status_code": 503, "headers": {"x-rule": "1"}},
    }]});
    let gateway = Gateway::serving(&overriding(api("some", raw.address), rules)).await;
    let mut client = gateway.connect().await;
    let asking = tokio::spawn(async move {
        let response = client.open(get("/some/")).await.expect("a head before the end of the body");
        (client, response)
    });
    let mut line = raw.accept().await;
    line.head().await;
    let begins = format!(r#"{{"error": {{"code": "E7"}}, "more": "{}"#, "x".repeat(5_000));
    let head =
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    line.write(format!("{head}{:x}\r\n{begins}\r\n", begins.len())).await;
    let (_client, response) = asking.await.expect("no panic");
    assert_eq!((response.status().as_u16(), &response.headers()["x-rule"]), (503, &HeaderValue::from_static("1")));
    line.write("2\r\n\"}\r\n0\r\n\r\n").await;
    let body = within_deadline("the whole body", response.into_body().collect()).await.expect("whole").to_bytes();
    assert_eq!(body, format!("{begins}\"}}"));
}

#[tokio::test]
async fn a_rule_may_name_a_template_of_the_gateway() {
    let upstream = Upstream::start();
    let files = [("error_mine.json", r#"{"mine": "{{.Message}}", "of": {{.StatusCode}}}"#)];
    let overrides = json!({"401": [{"response": {"template": "error_mine", "message": "hm"}}]});
    let gateway = templates(&files).with(&overriding(guarded(&upstream), overrides)).start().await;
    let answer = gateway.get("/some/get").await;
    assert_eq!((answer.status, answer.json()), (401, json!({"mine": "hm", "of": 401})));
}

/// The API as it was goes on.
#[tokio::test]
async fn rules_that_mean_nothing_leave_the_running_api_as_it_is() {
    let upstream = Upstream::start();
    let good = overriding(guarded(&upstream), json!({"401": [{"response": {"message": "first"}}]}));
    let gateway = Gateway::serving(&good).await;
    let framing = json!({"response": {"headers": {"content-length": "3"}}});
    let bad = json!({"401": [{"match": {"flag": "XYZ"}}, {"response": {"template": "error_mine"}}, framing]});
    gateway.write(&overriding(guarded(&upstream), bad));
    gateway.reload().await;
    gateway.get("/some/get").await.is_error(401, "first");
    for said in ["is no kind of error", "is in the folder `template_path`", "is the gateway's own business"] {
        let found = gateway.log().wait(said, move |line: &Line| line.text.contains(said)).await;
        assert!(found.field("finding").contains("error_overrides"), "{}", found.text);
    }
}
