//! Bodies that templates make anew. Source: gateway.md §5.3, §5.9.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, post};
use serde_json::{Value, json};

const ENTRIES: &str = "/version_data/versions/Default/extended_paths";

fn entry(template: &str, more: Value) -> Value {
    let mut data = json!({"input_type": "json", "template_mode": "blob", "template_source": STANDARD.encode(template)});
    data.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let method = if data["input_type"] == "xml" { "PUT" } else { "POST" };
    json!({"path": "/orders", "method": method, "template_data": data})
}

fn on_request(upstream: &Upstream, entries: &[Value]) -> Definition {
    api("some", upstream.address).set(ENTRIES, json!({"transform": entries}))
}

/// An API whose answers on `/orders` to GET are made anew.
fn on_response(upstream: &Upstream, template: &str, more: Value) -> Definition {
    let mut entry = entry(template, more);
    entry["method"] = json!("GET");
    api("some", upstream.address).set(ENTRIES, json!({"transform_response": [entry]}))
}

#[tokio::test]
async fn the_body_of_a_request_is_what_the_template_makes_of_it() {
    let upstream = Upstream::start();
    let json = entry(r#"{"n": "{{.name}}", "sum": {{.a}}, "all": {{range .array}}[{{.}}]{{end}}x}"#, json!({}));
    let xml = entry("{{.order.line}}|{{index .order \"-id\"}}", json!({"input_type": "xml"}));
    let gateway = Gateway::serving(&on_request(&upstream, &[json, xml])).await;
    for (body, expected) in [
        (r#"{"name": "Ann", "a": 1.50}"#, r#"{"n": "Ann", "sum": 1.5, "all": x}"#),
        (r#"{"name": "Ann", "a": 3}"#, r#"{"n": "Ann", "sum": 3, "all": x}"#),
        (r#"{"name": "Ann", "a": 12345678}"#, r#"{"n": "Ann", "sum": 12345678, "all": x}"#),
        ("[1, 2]", r#"{"n": "<no value>", "sum": <no value>, "all": [1][2]x}"#),
        ("", r#"{"n": "<no value>", "sum": <no value>, "all": x}"#),
    ] {
        assert_eq!(gateway.ask(post("/some/orders", body)).await.status, 200);
        let seen = upstream.last();
        assert_eq!(seen.message.text(), expected, "{body}");
        assert_eq!(seen.header("content-length"), expected.len().to_string());
    }
    let put = gateway_tests::ask(http::Method::PUT, "/some/orders");
    gateway.ask(put.body(gateway_tests::feed::whole("<order id=\"7\"><line>a</line><line>b</line></order>"))).await;
    assert_eq!(upstream.last().message.text(), "[a b]|7");
}

/// A body that cannot be made anew goes on as it came.
#[tokio::test]
async fn a_request_that_cannot_be_transformed_goes_on_as_it_came() {
    let upstream = Upstream::start();
    let template = "{{if .fails}}{{index .list 9}}{{end}}made";
    let gateway = Gateway::serving(&on_request(&upstream, &[entry(template, json!({}))])).await;
    let huge = format!("\"{}\"", "x".repeat(8 * 1024 * 1024));
    for (at, body) in ["no JSON", r#"{"fails": true, "list": []}"#, &huge].into_iter().enumerate() {
        assert_eq!(gateway.ask(post("/some/orders", body.to_owned())).await.status, 200);
        assert!(upstream.last().message.text() == body, "case {at}");
        let told = "the body of a request is not transformed: it goes on as it came";
        gateway.log().message_times(told, at + 1).await;
    }
    gateway.ask(post("/some/orders", "{}")).await;
    assert_eq!(upstream.last().message.text(), "made");
}

#[tokio::test]
async fn a_template_is_given_who_is_calling() {
    let upstream = Upstream::start();
    let session = json!({"meta_data": {"tier": "gold"}});
    let definition = on_request(&upstream, &[entry("{{._tyk_meta.tier}}", json!({"enable_session": true}))])
        .auth("SetSession")
        .config("SetSession", session);
    let gateway = Gateway::serving(&definition).await;
    gateway.ask(post("/some/orders", "{}")).await;
    assert_eq!(upstream.last().message.text(), "gold");
}

#[tokio::test]
async fn the_body_of_a_response_is_what_the_template_makes_of_it() {
    let upstream = Upstream::start();
    let template = r#"{"upper": "{{.name | upper}}", "json": {{.list | jsonMarshal}}}"#;
    let gateway = Gateway::serving(&on_response(&upstream, template, json!({}))).await;
    upstream.answer("/orders", 201, &[("x-other", "1")], r#"{"name": "ann", "list": [1, "<"]}"#);
    let answer = gateway.get("/some/orders").await;
    let expected = r#"{"upper": "ANN", "json": [1,"\u003c"]}"#;
    assert_eq!((answer.status, answer.text(), answer.header("x-other")), (201, expected.to_owned(), "1"));
    assert_eq!(answer.header("content-length"), expected.len().to_string());
}

/// Whatever was written is sent.
#[tokio::test]
async fn a_response_that_cannot_be_read_is_what_the_template_makes_of_nothing() {
    let upstream = Upstream::start();
    let template = "name: {{.name}}{{if .list}}{{index .list 9}}{{end}}";
    let gateway = Gateway::serving(&on_response(&upstream, template, json!({}))).await;
    for (body, expected) in [("no JSON", "name: <no value>"), (r#"{"name": "a", "list": [1]}"#, "name: a")] {
        upstream.answer("/orders", 200, &[], body);
        assert_eq!(gateway.get("/some/orders").await.text(), expected);
    }
    gateway.log().message_times("the body of a response is not transformed as it should be", 2).await;
}

#[tokio::test]
async fn a_response_that_is_too_large_is_told() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&on_response(&upstream, "made", json!({}))).await;
    upstream.answer("/orders", 200, &[], "x".repeat(8 * 1024 * 1024 + 1));
    gateway.get("/some/orders").await.is_error(500, "Response body too large");
}

/// Source: gateway.md §12.27: the bound is for answers that are made anew, and for no others.
#[tokio::test]
async fn the_bound_of_answers_is_for_those_that_are_made_anew_alone() {
    let upstream = Upstream::start();
    let definition = on_response(&upstream, "made", json!({}));
    let gateway = Conf::default().server("max_response_body_size", 4).with(&definition).start().await;
    for path in ["/orders", "/other"] {
        upstream.answer(path, 200, &[], "12345");
    }
    gateway.get("/some/orders").await.is_error(500, "Response body too large");
    assert_eq!(gateway.get("/some/other").await.text(), "12345");
    upstream.answer("/orders", 200, &[], "1234");
    assert_eq!(gateway.get("/some/orders").await.text(), "made");
}

/// What an upstream has compressed is read, and compressed again.
#[tokio::test]
async fn a_compressed_response_stays_compressed() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&on_response(&upstream, "hello {{.name}}", json!({}))).await;
    // `{"name": "ann"}`, by gzip.
    let packed = STANDARD.decode("H4sIAAAAAAAC/6tWykvMTVWyUlBKzMtTqgUANSoqQQ8AAAA=").expect("base64");
    upstream.answer("/orders", 200, &[("content-encoding", "gzip")], packed);
    let answer = gateway.ask(get("/some/orders").header("accept-encoding", "gzip")).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(answer.body.get(..2), Some(&[0x1f, 0x8b][..]));
}

#[tokio::test]
async fn a_template_that_is_wrong_is_told_with_its_place() {
    let upstream = Upstream::start();
    let conf = Conf::default();
    let file = conf.folder().join("orders.tmpl");
    std::fs::write(&file, "{{.a}}\n  {{env \"HOME\"}}").expect("a folder of ours");
    let in_file = json!({"template_mode": "file", "template_source": file});
    let place = format!("template_source: {}:2:5: function `env` is not honoured by this gateway", file.display());
    for (more, told) in [
        (in_file, &*place),
        (json!({"template_source": STANDARD.encode("{{if .a}}")}), "line 1, column 10 of the template: it ends before"),
        (json!({"template_source": "!"}), "template_source: it is not base64"),
        (json!({"template_mode": "file", "template_source": "/nowhere"}), "template_source: `/nowhere` cannot be read"),
        (json!({"template_mode": "url"}), "template_mode: `url` is not one of `file`, `blob`"),
        (json!({"input_type": "yaml"}), "input_type: `yaml` is not one of `json`, `xml`"),
    ] {
        let gateway = Gateway::serving(&on_request(&upstream, &[entry("x", more)])).await;
        let line = gateway.log().message("API definition").await;
        let finding = line.field("finding");
        assert!(finding.contains("transform[0].template_data.") && finding.contains(told), "{told}: {finding}");
        gateway.ask(post("/some/orders", "{}")).await.is_error(500, "Internal Server Error");
    }
}
