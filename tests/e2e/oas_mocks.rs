//! Operations of OpenAPI documents that the gateway answers itself. Source: gateway.md §4.5.

use gateway_tests::{Conf, Gateway, Upstream, api, get};
use serde_json::{Value, json};

use crate::oas::document;

type Header = (&'static str, &'static str);

async fn alone(document: &Value) -> Gateway {
    Conf::default().file("orders.json", &document.to_string()).start().await
}

/// An API that answers `getPet`, on `/orders/pets/{id}`, itself.
fn mocking(upstream: &Upstream, mock: Value) -> Value {
    let mut whole = json!({"enabled": true});
    whole.as_object_mut().expect("an object").extend(mock.as_object().cloned().unwrap_or_default());
    document(upstream, json!({"operations": {"getPet": {"mockResponse": whole}}}))
}

fn with_keys(mut document: Value) -> Value {
    document["components"] = json!({"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}});
    document["security"] = json!([{"key": []}]);
    document["x-tyk-api-gateway"]["server"]["authentication"] =
        json!({"enabled": true, "securitySchemes": {"key": {"enabled": true}}});
    document
}

/// The status that has no code of its own, and the kind that has no header, are the documented ones.
#[tokio::test]
async fn a_mock_answers_its_operation_and_no_other() {
    let upstream = Upstream::start();
    let headers = json!([{"name": "x-mock", "value": "1"}, {"name": "content-type", "value": "application/json"}]);
    let gateway = alone(&mocking(&upstream, json!({"code": 418, "body": "{}", "headers": headers}))).await;
    let answer = gateway.get("/orders/pets/7").await;
    assert_eq!((answer.status, answer.header("x-mock"), answer.text()), (418, "1", "{}".to_owned()));
    assert_eq!((answer.header("content-type"), answer.header("content-length")), ("application/json", "2"));
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(gateway.get("/orders/pets/mine").await.status, 200, "a path without variables is not one with them");
    assert_eq!(gateway.ask(gateway_tests::post("/orders/pets/7", "")).await.status, 200);
    assert_eq!(upstream.seen().len(), 2);
    let gateway = alone(&mocking(&upstream, json!({"body": "plain"}))).await;
    let answer = gateway.get("/orders/pets/7").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
}

/// Source: gateway.md §12.11.
#[tokio::test]
async fn classic_mocks_precede_authentication_and_those_of_documents_follow_it() {
    let upstream = Upstream::start();
    let gateway = alone(&with_keys(mocking(&upstream, json!({"body": "mock"})))).await;
    gateway.get("/orders/pets/7").await.is_error(401, "Authorization field missing");
    let session = json!({"org_id": "default", "access_rights": {"orders": {}}, "quota_max": 9}).to_string();
    assert_eq!(gateway.operate(http::Method::POST, "/tyk/keys/mine", session).await.status, 200);
    let answer = gateway.ask(get("/orders/pets/7").header("x-key", "mine")).await;
    assert_eq!((answer.status, answer.text()), (200, "mock".to_owned()));
    assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), ("9", "8"));
    let classic = json!({"mock_response": [{"path": "/pets", "method": "GET", "code": 200, "body": "early"}]});
    let classic = api("some", upstream.address)
        .set("/version_data/versions/Default/extended_paths", classic)
        .set("/use_keyless", false)
        .set("/use_standard_auth", true);
    assert_eq!(Gateway::serving(&classic).await.get("/some/pets").await.text(), "early");
    assert_eq!(upstream.seen().len(), 0);
}

/// Plugins of the hook `post` do not see it. Source: gateway.md §5.3, §5.9; plugin-system.md §4.15.
#[tokio::test]
async fn the_answer_meets_the_responses_chain_and_no_post_plugin() {
    let upstream = Upstream::start();
    let plugin = |name: &str| json!([{"enabled": true, "functionName": name, "path": "plugin.so"}]);
    let mut document = mocking(&upstream, json!({"body": "mock", "headers": [{"name": "x-gone", "value": "1"}]}));
    let middleware = &mut document["x-tyk-api-gateway"]["middleware"];
    middleware["global"] = json!({
        "pluginConfig": {"driver": "goplugin"}, "prePlugins": plugin("OrderA"), "postPlugins": plugin("OrderC"),
    });
    middleware["operations"]["getPet"]["transformResponseHeaders"] =
        json!({"enabled": true, "remove": ["x-gone"], "add": [{"name": "x-added", "value": "yes"}]});
    let answer = alone(&document).await.get("/orders/pets/7").await;
    assert_eq!((answer.header("x-gone"), answer.header("x-added")), ("", "yes"));
    assert_eq!(answer.all("x-order"), ["a"]);
    assert_eq!(answer.header("x-ratelimit-limit"), "0");
}

/// An API whose `getPet` has these answers.
fn with_examples(upstream: &Upstream, from: Value, responses: Value) -> Value {
    let mut settings = json!({"enabled": true});
    settings.as_object_mut().expect("an object").extend(from.as_object().cloned().unwrap_or_default());
    let mut document = mocking(upstream, json!({"fromOASExamples": settings}));
    document["paths"]["/pets/{id}"]["get"]["responses"] = responses;
    document["components"] = json!({
        "schemas": {"Pet": {"type": "object", "properties": {
            "id": {"type": "integer"}, "name": {"type": "string", "example": "Rex"},
        }}},
        "examples": {"cat": {"value": {"name": "Tom"}}},
        "responses": {"NotFound": {"description": "", "content": {"text/plain": {"example": "none"}}}},
    });
    document
}

fn answers() -> Value {
    json!({
        "200": {
            "description": "",
            "headers": {"X-Total": {"schema": {"type": "integer", "example": 3}}},
            "content": {
                "application/json": {"examples": {
                    "dog": {"value": {"name": "Rex"}}, "cat": {"$ref": "#/components/examples/cat"},
                }},
                "application/xml": {"example": "<pet/>"},
                "text/*": {"schema": {"type": "string"}},
            },
        },
        "201": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
        "404": {"$ref": "#/components/responses/NotFound"},
    })
}

#[tokio::test]
async fn an_example_is_chosen_by_the_definition_and_by_the_request() {
    let upstream = Upstream::start();
    let gateway = alone(&with_examples(&upstream, json!({}), answers())).await;
    let (code, name) = ("x-tyk-accept-example-code", "x-tyk-accept-example-name");
    let cases: [(&[Header], u16, &str, &str); 8] = [
        (&[], 200, "application/json", r#"{"name":"Tom"}"#),
        (&[("accept", "*/*")], 200, "application/json", r#"{"name":"Tom"}"#),
        (&[(name, "dog")], 200, "application/json", r#"{"name":"Rex"}"#),
        (&[("accept", "application/json;v=2"), (name, "dog")], 200, "application/json;v=2", r#"{"name":"Rex"}"#),
        (&[("accept", "application/xml"), (name, "dog")], 200, "application/xml", r#""<pet/>""#),
        (&[("accept", "text/html")], 200, "text/html", r#""string""#),
        (&[(code, "201")], 201, "application/json", r#"{"id":0,"name":"Rex"}"#),
        (&[(code, "404"), ("accept", "text/plain")], 404, "text/plain", r#""none""#),
    ];
    for (headers, status, media_type, body) in cases {
        let request = headers.iter().fold(get("/orders/pets/7"), |request, (name, value)| request.header(name, value));
        let answer = gateway.ask(request).await;
        let told = (answer.status, answer.header("content-type").to_owned(), answer.text());
        assert_eq!(told, (status, media_type.to_owned(), body.to_owned()), "{headers:?}");
        assert_eq!(answer.header("x-total"), if status == 200 { "3" } else { "" });
    }
    let from = json!({"code": 404, "contentType": "text/plain"});
    let answer = alone(&with_examples(&upstream, from, answers())).await.get("/orders/pets/7").await;
    assert_eq!((answer.status, answer.text()), (404, r#""none""#.to_owned()));
    let from = json!({"exampleName": "dog"});
    let answer = alone(&with_examples(&upstream, from, answers())).await.get("/orders/pets/7").await;
    assert_eq!(answer.text(), r#"{"name":"Rex"}"#);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn what_there_is_no_example_of_is_told() {
    let upstream = Upstream::start();
    let gateway = alone(&with_examples(&upstream, json!({}), answers())).await;
    for (header, value, told) in [
        ("x-tyk-accept-example-code", "500", "there is no example response for the code: 500"),
        ("x-tyk-accept-example-code", "many", "given code many is not a valid integer value"),
        ("x-tyk-accept-example-name", "cow", "there is no example response for the example name: cow"),
        ("accept", "image/png", "there is no example response for the content type: image/png"),
    ] {
        let answer = gateway.ask(get("/orders/pets/7").header(header, value)).await;
        answer.is_error(500, &format!("failed to mock response: mock: {told}"));
    }
    // What the definition itself asks for in vain is told when it is read, too.
    let gateway = alone(&with_examples(&upstream, json!({"code": 302}), answers())).await;
    let told = "there is no example response for the code: 302";
    let line = gateway.log().message("API definition").await;
    assert!(line.field("finding").contains(&format!("getPet.mockResponse.fromOASExamples: {told}")), "{}", line.text);
    gateway.get("/orders/pets/7").await.is_error(500, &format!("failed to mock response: mock: {told}"));
}

/// Paths that differ in the names of their variables alone are told apart by the schemas of these.
#[tokio::test]
async fn paths_with_one_pattern_are_told_apart_by_their_parameters() {
    let upstream = Upstream::start();
    let mut document = mocking(&upstream, json!({"body": "by id"}));
    let parameter =
        |name: &str, kind: &str| json!([{"name": name, "in": "path", "required": true, "schema": {"type": kind}}]);
    document["paths"]["/pets/{id}"]["get"]["parameters"] = parameter("id", "integer");
    document["paths"]["/pets/{a-name}"] =
        json!({"get": {"operationId": "getByName", "parameters": parameter("a-name", "string"), "responses": {}}});
    document["x-tyk-api-gateway"]["middleware"]["operations"]["getByName"] =
        json!({"mockResponse": {"enabled": true, "body": "by name"}});
    let gateway = alone(&document).await;
    assert_eq!(gateway.get("/orders/pets/7").await.text(), "by id");
    assert_eq!(gateway.get("/orders/pets/rex").await.text(), "by name");
}

#[tokio::test]
async fn a_mock_beside_the_classic_form_counts_and_its_mistakes_have_their_place() {
    let upstream = Upstream::start();
    let classic = api("orders", upstream.address).set("/is_oas", true);
    let text = |mock: Value| format!("{:#}", mocking(&upstream, mock));
    let conf = Conf::default().with(&classic).file("orders-oas.json", &text(json!({"body": "mock"})));
    assert_eq!(conf.start().await.get("/orders/pets/7").await.text(), "mock");
    for (mock, place, lines, told) in [
        (json!({"code": 99}), "code", 0, "`99` is not a status"),
        (json!({"code": "x"}), "code", 0, "invalid type"),
        (json!({"headers": [{"name": "a b", "value": "1"}]}), "headers", 1, "`a b: 1` is not a header"),
    ] {
        let text = text(mock);
        let at = text.lines().position(|line| line.contains(&format!("\"{place}\"")));
        let line = 1 + lines + at.expect("a line");
        let alone = Conf::default().file("orders.json", &text);
        let output = alone.command(&["check"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("orders.json:{line}:")) && said.contains(told), "{line} {said}");
        let beside = Conf::default().with(&classic).file("orders-oas.json", &text);
        let output = beside.command(&["check"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("(`-oas.json`), {line}:")) && said.contains(told), "{line} {said}");
    }
}
