//! Requests that have to be what the OpenAPI document of their API says. Source: gateway.md §4.5, §5.3.

use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, ask, binary, get, post};
use http::Method;
use serde_json::{Value, json};

use crate::oas::document;

/// An API on `/orders/` whose `getPet`, on `/pets/{id}`, has these members, and validates requests.
fn validating(upstream: &Upstream, operation: Value, more: Value) -> Value {
    let mut settings = json!({"enabled": true});
    settings.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let mut document = document(upstream, json!({"operations": {"getPet": {"validateRequest": settings}}}));
    let own = document["paths"]["/pets/{id}"]["get"].as_object_mut().expect("an object");
    own.extend(operation.as_object().cloned().unwrap_or_default());
    document
}

/// The same for `POST`.
fn of_bodies(upstream: &Upstream, body: Value) -> Value {
    let mut document = document(upstream, json!({"operations": {"postPet": {"validateRequest": {"enabled": true}}}}));
    document["paths"]["/pets"] = json!({"post": {"operationId": "postPet", "requestBody": body, "responses": {}}});
    document["components"] = json!({
        "schemas": {"Pet": {
            "type": "object", "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 2}, "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": true},
                "owner": {"type": "string", "nullable": true}, "id": {"type": "integer", "readOnly": true},
                "tags": {"type": "array", "items": {"type": "integer"}},
            },
        }},
        "requestBodies": {"Pet": {"required": true, "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}},
            "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Pet"}},
            "text/plain": {"schema": {"type": "string", "maxLength": 3}},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
        }}},
    });
    document
}

async fn alone(document: &Value) -> Gateway {
    Conf::default().file("orders.json", &document.to_string()).start().await
}

fn parameter(place: &str, name: &str, schema: Value, more: Value) -> Value {
    let mut parameter = json!({"in": place, "name": name, "schema": schema});
    parameter.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    parameter
}

#[tokio::test]
async fn parameters_are_what_their_schemas_say() {
    let upstream = Upstream::start();
    let required = || json!({"required": true});
    let parameters = json!([
        parameter("path", "id", json!({"type": "integer", "maximum": 99}), required()),
        parameter("query", "q", json!({"type": "string", "pattern": "^a"}), required()),
        parameter("query", "on", json!({"type": "boolean"}), json!({"allowEmptyValue": true})),
        parameter("header", "X-Kind", json!({"enum": ["a", "b"]}), json!({})),
        parameter("cookie", "seen", json!({"type": "number"}), json!({})),
        {"$ref": "#/components/parameters/page"},
    ]);
    let mut document = validating(&upstream, json!({"parameters": parameters}), json!({}));
    document["paths"]["/pets/{id}"]["parameters"] =
        json!([parameter("header", "x-item", json!({"minLength": 2}), json!({}))]);
    document["components"] =
        json!({"parameters": {"page": parameter("query", "page", json!({"minimum": 1}), json!({}))}});
    let gateway = alone(&document).await;
    let cases: [(&str, &str, &str, &str); 17] = [
        ("/7?q=ab", "", "", ""),
        ("/7?q=ab&on=true&page=2", "x-kind", "b", ""),
        ("/7?q=ab&on=", "cookie", "a=1; seen=1.5", ""),
        ("/x?q=ab", "", "", r#"parameter "id" in path has an error: value x: an invalid integer: invalid syntax"#),
        ("/100?q=ab", "", "", r#"parameter "id" in path has an error: number must be at most 99"#),
        ("/7", "", "", r#"parameter "q" in query has an error: value is required but missing"#),
        ("/7?q=", "", "", r#"parameter "q" in query has an error: empty value is not allowed"#),
        ("/7?q=b", "", "", r#"parameter "q" in query has an error: string doesn't match the regular expression "^a""#),
        ("/7?q=%61b", "", "", ""),
        (
            "/7?q=ab&on=yes",
            "",
            "",
            r#"parameter "on" in query has an error: value yes: an invalid boolean: invalid syntax"#,
        ),
        ("/7?q=ab&page=0", "", "", r#"parameter "page" in query has an error: number must be at least 1"#),
        (
            "/7?q=ab",
            "x-kind",
            "c",
            r#"parameter "X-Kind" in header has an error: value is not one of the allowed values ["a","b"]"#,
        ),
        (
            "/7?q=ab",
            "cookie",
            "seen=no",
            r#"parameter "seen" in cookie has an error: value no: an invalid number: invalid syntax"#,
        ),
        ("/7?q=ab", "x-item", "a", r#"parameter "x-item" in header has an error: minimum string length is 2"#),
        ("/7?q=ab", "x-item", "ab", ""),
        ("/mine", "", "", ""),
        ("/%37?q=ab", "", "", ""),
    ];
    for (path, header, value, told) in cases {
        let request = get(&format!("/orders/pets{path}"));
        let request = if header.is_empty() { request } else { request.header(header, value) };
        let before = upstream.seen().len();
        let answer = gateway.ask(request).await;
        if told.is_empty() {
            assert_eq!(answer.status, 200, "{path} {value}: {}", answer.text());
        } else {
            answer.is_error(422, &format!("request validation error: {told}"));
            assert_eq!(upstream.seen().len(), before, "{path} {value}");
        }
    }
}

#[tokio::test]
async fn a_value_is_read_as_its_style_says() {
    let upstream = Upstream::start();
    let (list, object) = (
        json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}),
    );
    let no = || json!({"explode": false});
    let style = |style: &str| json!({"style": style, "explode": style == "deepObject"});
    for (parameter, right, wrong) in [
        (parameter("query", "p", list.clone(), json!({})), "p=1&p=2", "p=1&p=x"),
        (parameter("query", "p", list.clone(), no()), "p=1,2", "p=1,2,3"),
        (parameter("query", "p", list.clone(), style("spaceDelimited")), "p=1%202", "p=1%20x"),
        (parameter("query", "p", list.clone(), style("pipeDelimited")), "p=1|2", "p=1,2"),
        (parameter("query", "p", object.clone(), style("deepObject")), "p[a]=1&p[b]=x", "p[a]=x"),
        (parameter("query", "p", object.clone(), json!({})), "a=1&b=2&c=3", "a=x"),
        (parameter("query", "p", object.clone(), no()), "p=a,1,b,2", "p=b,2"),
        (parameter("header", "x-p", list, json!({})), "1,2", "1,x"),
        (parameter("header", "x-p", object, json!({"explode": true})), "a=1,b=2", "a,1"),
        (
            json!({"in": "query", "name": "p", "content": {"application/json": {"schema": {"type": "array"}}}}),
            "p=[1]",
            "p={}",
        ),
    ] {
        let is_header = parameter["in"] == "header";
        let document = validating(&upstream, json!({"parameters": [parameter]}), json!({}));
        let gateway = alone(&document).await;
        for (text, status) in [(right, 200), (wrong, 422)] {
            let request = if is_header {
                get("/orders/pets/7").header("x-p", text)
            } else {
                get(&format!("/orders/pets/7?{text}"))
            };
            let answer = gateway.ask(request).await;
            assert_eq!(answer.status, status, "{parameter} {text}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_body_is_what_the_schema_of_its_media_type_says() {
    let upstream = Upstream::start();
    let gateway = alone(&of_bodies(&upstream, json!({"$ref": "#/components/requestBodies/Pet"}))).await;
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let pet = "doesn't match schema #/components/schemas/Pet: Error at ";
    let cases: [(&str, &str, String); 15] = [
        (json, r#"{"name": "Rex", "owner": null, "age": 1, "tags": [1, 2]}"#, String::new()),
        ("application/json; charset=utf-8", r#"{"name": "Rex"}"#, String::new()),
        (json, "", "value is required but missing".to_owned()),
        (json, "{}", format!(r#"{pet}"/name": property "name" is missing"#)),
        (json, r#"{"name": "R"}"#, format!(r#"{pet}"/name": minimum string length is 2"#)),
        (json, r#"{"name": "Rex", "age": 0}"#, format!(r#"{pet}"/age": number must be more than 0"#)),
        (json, r#"{"name": null}"#, format!(r#"{pet}"/name": Value is not nullable"#)),
        (json, r#"{"name": "Rex", "id": 7}"#, format!(r#"{pet}"/id": readOnly property "id" in request"#)),
        (json, "[]", "doesn't match schema #/components/schemas/Pet: value must be an object".to_owned()),
        (form, "name=Rex&age=2&tags=1&tags=2", String::new()),
        (
            form,
            "name=Rex&tags=x",
            "failed to decode request body: path tags: value x: an invalid integer: invalid syntax".to_owned(),
        ),
        ("text/plain", "abc", String::new()),
        ("text/plain", "abcd", "doesn't match schema: maximum string length is 3".to_owned()),
        ("image/png", "whatever", String::new()),
        ("text/html", "<p>", r#"header Content-Type has unexpected value "text/html""#.to_owned()),
    ];
    for (media_type, body, told) in cases {
        let before = upstream.seen().len();
        let answer = gateway.ask(post("/orders/pets", body).header("content-type", media_type)).await;
        if told.is_empty() {
            assert_eq!(answer.status, 200, "{body}: {}", answer.text());
            assert_eq!(upstream.last().message.text(), body, "the body goes on as it came");
        } else {
            let expected = format!("request validation error: request body has an error: {told}");
            assert_eq!((answer.status, answer.json()["error"].as_str()), (422, Some(&*expected)), "{body}");
            assert_eq!(upstream.seen().len(), before);
        }
    }
    let answer = gateway.ask(post("/orders/pets", "{").header("content-type", json)).await;
    let told = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("request body has an error: failed to decode request body: EOF"), "{told}");
}

#[tokio::test]
async fn a_body_that_need_not_be_there_may_be_missing_and_large_ones_are_looked_into() {
    let upstream = Upstream::start();
    let body = json!({"content": {"application/json": {"schema": {"type": "array", "items": {"type": "integer"}}}}});
    let gateway = alone(&of_bodies(&upstream, body)).await;
    assert_eq!(gateway.ask(post("/orders/pets", "")).await.status, 200);
    let large = |last: &str| format!("[{}{last}]", "1,".repeat(512 * 1024));
    let send = |body: String| post("/orders/pets", body).header("content-type", "application/json");
    assert_eq!(gateway.ask(send(large("1"))).await.status, 200);
    let answer = gateway.ask(send(large("\"x\""))).await;
    let told = r#"request body has an error: doesn't match schema: Error at "/524288": value must be an integer"#;
    answer.is_error(422, &format!("request validation error: {told}"));
    let mut wire = Wire::connect(gateway.address).await;
    let length = 8 * 1024 * 1024 + 1;
    let head = format!(
        "POST /orders/pets HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    wire.write(&head).await;
    assert_eq!(wire.response(false).await.status(), 413, "it is refused before it is sent");
}

#[tokio::test]
async fn the_status_is_the_definitions_and_other_operations_are_not_meant() {
    let upstream = Upstream::start();
    let parameters = json!([parameter("query", "q", json!({"type": "integer"}), json!({"required": true}))]);
    let gateway =
        alone(&validating(&upstream, json!({"parameters": parameters}), json!({"errorResponseCode": 400}))).await;
    assert_eq!(gateway.get("/orders/pets/7").await.status, 400);
    assert_eq!(gateway.get("/orders/pets/mine").await.status, 200, "a path without variables is another one");
    assert_eq!(gateway.ask(ask(Method::DELETE, "/orders/pets/7")).await.status, 200);
    assert_eq!(gateway.get("/orders/other").await.status, 200);
}

/// The most restrictive comes first, and where none is meant, the request is refused.
#[tokio::test]
async fn paths_with_one_pattern_are_told_apart_by_their_parameters() {
    let upstream = Upstream::start();
    let mut document = document(
        &upstream,
        json!({"operations": {
            "getPet": {"validateRequest": {"enabled": true}}, "getByName": {"validateRequest": {"enabled": true, "errorResponseCode": 400}},
        }}),
    );
    let own = |name: &str, schema: Value, query: &str| {
        let required = || json!({"required": true});
        json!([parameter("path", name, schema, required()), parameter("query", query, json!({}), required())])
    };
    document["paths"]["/pets/{id}"]["get"]["parameters"] = own("id", json!({"type": "integer"}), "of_id");
    let by_name = own("a-name", json!({"type": "string", "pattern": "^[a-z]+$"}), "of_name");
    document["paths"]["/pets/{a-name}"] =
        json!({"get": {"operationId": "getByName", "parameters": by_name, "responses": {}}});
    let gateway = alone(&document).await;
    for (path, status, told) in [
        ("/7?of_id=1", 200, ""),
        ("/7?of_name=1", 422, r#"parameter "of_id" in query has an error: value is required but missing"#),
        ("/rex?of_name=1", 200, ""),
        ("/rex", 400, r#"parameter "of_name" in query has an error: value is required but missing"#),
        ("/Rex", 400, "path parameter doesn't match any endpoint"),
    ] {
        let answer = gateway.get(&format!("/orders/pets{path}")).await;
        if told.is_empty() {
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        } else {
            answer.is_error(status, &format!("request validation error: {told}"));
        }
    }
}

/// Source: gateway.md §5.3: it comes after authentication, and before transforms, mocks and plugins of the hook `post`.
#[tokio::test]
async fn it_comes_after_authentication_and_before_mocks() {
    let upstream = Upstream::start();
    let parameters = json!([parameter("query", "q", json!({}), json!({"required": true}))]);
    let mut document = validating(&upstream, json!({"parameters": parameters}), json!({}));
    document["x-tyk-api-gateway"]["middleware"]["operations"]["getPet"]["mockResponse"] =
        json!({"enabled": true, "body": "mock"});
    let gateway = alone(&document).await;
    assert_eq!(gateway.get("/orders/pets/7").await.status, 422);
    assert_eq!(gateway.get("/orders/pets/7?q=1").await.text(), "mock");
    document["components"] = json!({"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}});
    document["security"] = json!([{"key": []}]);
    document["x-tyk-api-gateway"]["server"]["authentication"] =
        json!({"enabled": true, "securitySchemes": {"key": {"enabled": true}}});
    alone(&document).await.get("/orders/pets/7").await.is_error(401, "Authorization field missing");
}

fn classic(upstream: &Upstream, entry: Value) -> Definition {
    let mut whole = json!({"path": "/pets/{id}", "method": "GET", "enabled": true});
    whole.as_object_mut().expect("an object").extend(entry.as_object().cloned().unwrap_or_default());
    let entries = json!({"validate_request": [whole]});
    api("orders", upstream.address).set("/is_oas", true).set("/version_data/versions/Default/extended_paths", entries)
}

#[tokio::test]
async fn a_document_beside_the_classic_form_is_what_requests_have_to_be() {
    let upstream = Upstream::start();
    let parameters = json!([parameter("query", "q", json!({}), json!({"required": true}))]);
    let document = validating(&upstream, json!({"parameters": parameters}), json!({})).to_string();
    let beside = |entry| Conf::default().with(&classic(&upstream, entry)).file("orders-oas.json", &document);
    let gateway = beside(json!({})).start().await;
    assert_eq!(gateway.get("/orders/pets/7").await.status, 422);
    assert_eq!(gateway.get("/orders/pets/7?q=1").await.status, 200);
    // What the document says nothing of cannot be validated.
    for conf in [beside(json!({"method": "PUT"})), Conf::default().with(&classic(&upstream, json!({})))] {
        let gateway = conf.start().await;
        gateway.log().message("API definition").await;
        let told = "extended_paths.validate_request[0]: requests are validated as the OpenAPI document beside";
        let log = gateway.log().to_string();
        assert!(log.contains(told), "{log}");
        gateway.get("/orders/pets/7").await.is_error(500, "Internal Server Error");
    }
    assert_eq!(beside(json!({"method": "PUT", "disabled": true})).start().await.get("/orders/x").await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_in_the_document_is_told_with_its_place() {
    let upstream = Upstream::start();
    let of = |parameter: Value| validating(&upstream, json!({"parameters": [parameter]}), json!({}));
    let at = "paths[\"/pets/{id}\"].get.parameters[0]";
    let body = |content: Value| validating(&upstream, json!({"requestBody": {"content": content}}), json!({}));
    let mut referred = of(json!({"$ref": "#/components/parameters/p"}));
    referred["components"] = json!({"parameters": {"p": parameter("query", "q", json!({"type": 7}), json!({}))}});
    for (document, needle, told) in [
        (
            of(parameter("query", "q", json!({"type": "nothing"}), json!({}))),
            "\"nothing\"",
            format!("{at}.schema.type: "),
        ),
        (of(parameter("query", "q", json!({"pattern": "("}), json!({}))), "\"(\"", format!("{at}.schema.pattern: ")),
        (
            of(parameter("query", "q", json!({"$ref": "#/x"}), json!({}))),
            "\"#/x\"",
            "`#/x` refers to nothing".to_owned(),
        ),
        (
            of(json!({"$ref": "#/components/parameters/none"})),
            "",
            format!("{at}: `#/components/parameters/none` refers"),
        ),
        (referred, "\"type\": 7", "components.parameters.p.schema.type: ".to_owned()),
        (
            of(parameter("path", "id", json!({}), json!({"style": "matrix"}))),
            "\"matrix\"",
            format!("{at}.style: style `matrix` in path is not honoured"),
        ),
        (of(json!({"in": "body", "name": "b", "schema": {}})), "", format!("{at}: a parameter is `in` one of")),
        (of(json!({"in": "query", "schema": {}})), "", format!("{at}: a parameter needs a `name`")),
        (
            body(json!({"application/json": {"schema": {"minLength": "x"}}})),
            "\"x\"",
            "requestBody.content[\"application/json\"].schema.minLength: ".to_owned(),
        ),
        (
            validating(&upstream, json!({}), json!({"errorResponseCode": 99})),
            "\"errorResponseCode\"",
            "getPet.validateRequest.errorResponseCode: `99` is no status".to_owned(),
        ),
    ] {
        let text = format!("{document:#}");
        let output = Conf::default().file("orders.json", &text).command(&["check"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&told), "{told}: {said}");
        if !needle.is_empty() && !told.starts_with('`') {
            let line = 1 + text.lines().position(|line| line.contains(needle)).expect("a line");
            assert!(said.contains(&format!("orders.json:{line}:")), "{line}: {said}");
        }
    }
    let output = Conf::default()
        .file("orders.json", &body(json!({"multipart/form-data": {"schema": {"type": "object"}}})).to_string())
        .command(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("bodies of `multipart/form-data` are not looked into"), "{said}");
}

/// A gateway without the part says how it is built, and lets nothing through that it cannot check.
#[tokio::test]
async fn a_gateway_without_schemas_says_how_to_have_them() {
    let upstream = Upstream::start();
    let document = validating(&upstream, json!({}), json!({})).to_string();
    let gateway = Conf::of(binary::examples()).file("orders.json", &document).start().await;
    let line = gateway.log().message("API definition").await;
    let finding = line.field("finding");
    assert!(finding.contains("getPet.validateRequest: JSON schemas are not in this binary"), "{finding}");
    assert!(finding.contains("`cargo xtask build --features validate`"), "{finding}");
    gateway.get("/orders/pets/7").await.is_error(500, "Internal Server Error");
}
