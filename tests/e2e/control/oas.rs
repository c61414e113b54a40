//! `/tyk/apis/oas`: OpenAPI documents that come over the control API. Source: gateway.md §2.5.

use std::fs;

use gateway_tests::{Conf, Gateway, Upstream, api};
use http::Method;
use serde_json::{Value, json};

use super::apis::files;
use crate::oas::document;

const EXTENSION: &str = "x-tyk-api-gateway";

/// A gateway with the classic API `one`.
async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::serving(&api("one", upstream.address)).await
}

fn names(gateway: &Gateway) -> Vec<String> {
    files(&gateway.apps()).into_iter().map(|(name, _)| name).collect()
}

fn read(gateway: &Gateway, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(gateway.apps().join(name)).expect("a file")).expect("JSON")
}

/// Source: gateway.md §12.20, §12.22.
#[tokio::test]
async fn a_document_is_added_with_its_classic_form_and_serves_after_a_reload() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let mut sent = document(&upstream, json!({}));
    sent[EXTENSION].as_object_mut().expect("an object").remove("middleware");
    let sent = format!("{sent:#}\n");
    let added = gateway.operate(Method::POST, "/tyk/apis/oas", sent.clone()).await;
    added.is_reply(200, r#"{"key":"orders","status":"ok","action":"added"}"#);
    assert_eq!(names(&gateway), ["one.json", "orders-oas.json", "orders.json"]);
    assert_eq!(fs::read_to_string(gateway.apps().join("orders-oas.json")).expect("a file"), sent, "as it was sent");
    assert_eq!(read(&gateway, "orders.json")["is_oas"], true);
    gateway.control("/tyk/apis/oas/orders").await.is_refusal(404, "API not found");
    gateway.reload().await;
    assert_eq!(gateway.get("/orders/get").await.status, 200);
    let sent: Value = serde_json::from_str(&sent).expect("JSON");
    assert_eq!(gateway.control("/tyk/apis/oas/orders").await.json(), sent);
    assert_eq!(gateway.control("/tyk/apis/oas").await.json(), json!([sent]));
    assert_eq!(gateway.control("/tyk/apis/orders").await.json()["is_oas"], true);
}

#[tokio::test]
async fn what_the_public_sees_has_no_extension_and_exports_are_files() {
    let upstream = Upstream::start();
    let text = document(&upstream, json!({})).to_string();
    let gateway = Conf::default().file("orders.json", &text).start().await;
    for path in ["/tyk/apis/oas/orders?mode=public", "/tyk/apis/oas?mode=public"] {
        let shown = gateway.control(path).await.text();
        assert!(shown.contains("Orders") && !shown.contains(EXTENSION), "{shown}");
    }
    for (path, name) in [
        ("/tyk/apis/oas/orders/export", "TykOasApiDef-orders.json"),
        ("/tyk/apis/oas/orders/export?mode=public", "oas-orders.json"),
        ("/tyk/apis/oas/export", "TykOasApiDef-all.json"),
    ] {
        let file = gateway.control(path).await;
        assert_eq!((file.status, file.header("content-type")), (200, "application/octet-stream"));
        assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert!(file.text().contains("\n  "), "it is indented");
    }
}

#[tokio::test]
async fn older_keys_are_read_and_not_written_and_an_id_is_made() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let older = json!({
        "global": {"pluginConfig": {"driver": "goplugin"}, "prePlugin": {"plugins": [{"enabled": true, "functionName": "OrderA"}]}},
        "operations": {"getPet": {"postPlugins": [{"enabled": true, "name": "OrderB"}]}},
    });
    let mut sent = document(&upstream, older);
    sent[EXTENSION]["info"].as_object_mut().expect("an object").remove("id");
    let added = gateway.operate(Method::POST, "/tyk/apis/oas", sent.to_string()).await.json();
    let id = added["key"].as_str().expect("an id");
    let written = read(&gateway, &format!("{id}-oas.json"));
    let global = &written[EXTENSION]["middleware"]["global"];
    assert_eq!((global["prePlugins"][0]["functionName"].as_str(), global.get("prePlugin")), (Some("OrderA"), None));
    let plugin = &written[EXTENSION]["middleware"]["operations"]["getPet"]["postPlugins"][0];
    assert_eq!((plugin["functionName"].as_str(), plugin.get("name")), (Some("OrderB"), None));
    gateway.reload().await;
    assert_eq!(gateway.get("/orders/pets/1").await.all("x-order"), ["a", "b"]);
}

#[tokio::test]
async fn a_document_is_replaced_patched_and_deleted_in_both_files_or_in_its_own() {
    let upstream = Upstream::start();
    let text = document(&upstream, json!({})).to_string();
    for is_alone in [false, true] {
        let gateway = if is_alone {
            Conf::default().file("mine.json", &text).start().await
        } else {
            let gateway = gateway(&upstream).await;
            gateway.operate(Method::POST, "/tyk/apis/oas", text.clone()).await;
            gateway.reload().await;
            gateway
        };
        let before = names(&gateway);
        let mut moved = document(
            &upstream,
            json!({"operations": {"getPet": {"postPlugins": [
                {"enabled": true, "functionName": "OrderA", "path": "plugin.so"},
            ]}}}),
        );
        moved[EXTENSION]["server"]["listenPath"]["value"] = "/moved/".into();
        let put = gateway.operate(Method::PUT, "/tyk/apis/oas/orders", moved.to_string()).await;
        put.is_reply(200, r#"{"key":"orders","status":"ok","action":"modified"}"#);
        gateway.reload().await;
        assert_eq!(gateway.get("/moved/pets/1").await.all("x-order"), ["a"]);

        let plain = json!({"openapi": "3.0.3", "info": {"title": "New", "version": "2"}, "paths": {}}).to_string();
        let patched = gateway.operate(Method::PATCH, "/tyk/apis/oas/orders?listenPath=/again/", plain).await;
        patched.is_reply(200, r#"{"key":"orders","status":"ok","action":"modified"}"#);
        gateway.reload().await;
        let again = gateway.get("/again/pets/1").await;
        assert_eq!((again.status, again.all("x-order").len()), (200, 0), "what belongs to no path any more is gone");
        assert_eq!(gateway.control("/tyk/apis/oas/orders").await.json()["info"]["title"], "New");
        assert_eq!(names(&gateway), before);

        let deleted = gateway.operate(Method::DELETE, "/tyk/apis/oas/orders", "").await;
        deleted.is_reply(200, r#"{"key":"orders","status":"ok","action":"deleted"}"#);
        gateway.operate(Method::DELETE, "/tyk/apis/oas/orders", "").await.is_refusal(404, "API not found");
        let left: Vec<String> = before.into_iter().filter(|name| name == "one.json").collect();
        assert_eq!(names(&gateway), left);
    }
}

#[tokio::test]
async fn an_import_makes_the_extension_of_its_query() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let plain = json!({
        "openapi": "3.0.3", "info": {"title": "Pets", "version": "1"},
        "servers": [{"url": format!("http://{}/", upstream.address)}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}},
        "security": [{"key": []}],
        "paths": {"/pets": {"get": {"responses": {}}}},
    })
    .to_string();
    let query = "listenPath=/pets-api/&apiID=pets&authentication=true&allowList=true";
    let imported = gateway.operate(Method::POST, &format!("/tyk/apis/oas/import?{query}"), plain.clone()).await;
    imported.is_reply(200, r#"{"key":"pets","status":"ok","action":"added"}"#);
    let written = read(&gateway, "pets-oas.json");
    let expected = json!({
        "info": {"id": "pets", "name": "Pets", "state": {"active": true, "internal": false}},
        "upstream": {"url": format!("http://{}/", upstream.address)},
        "server": {
            "listenPath": {"value": "/pets-api/", "strip": true},
            "authentication": {"enabled": true, "securitySchemes": {"key": {"enabled": true}}},
        },
        "middleware": {"operations": {"petsGET": {"allow": {"enabled": true}}}},
    });
    assert_eq!(written[EXTENSION], expected);
    assert_eq!(written["paths"]["/pets"]["get"]["operationId"], "petsGET");
    let nowhere = json!({"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": {}}).to_string();
    let reason = "The document cannot be imported: the document names no server with a whole URL: say where requests go, \
                  with `upstreamURL`";
    gateway.operate(Method::POST, "/tyk/apis/oas/import", nowhere.clone()).await.is_refusal(400, reason);
    let reason = "The document cannot be imported: the document has no `security`, so that `authentication=true` asks for nothing";
    let path = "/tyk/apis/oas/import?upstreamURL=http://up/&authentication=true";
    gateway.operate(Method::POST, path, nowhere).await.is_refusal(400, reason);
}

#[tokio::test]
async fn a_version_of_a_document_is_added_to_both_of_its_files() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let base = document(&upstream, json!({}));
    gateway.operate(Method::POST, "/tyk/apis/oas", base.to_string()).await;
    gateway.reload().await;
    let mut child = base;
    child[EXTENSION]["info"]["id"] = "orders2".into();
    child[EXTENSION]["server"]["listenPath"]["value"] = "/orders2/".into();
    let path = "/tyk/apis/oas?base_api_id=orders&new_version_name=v2&base_api_version_name=v1";
    assert_eq!(gateway.operate(Method::POST, path, child.to_string()).await.status, 200);
    let written = read(&gateway, "orders-oas.json")[EXTENSION]["info"]["versioning"].clone();
    assert_eq!((&written["enabled"], &written["versions"]), (&json!(true), &json!([{"name": "v2", "id": "orders2"}])));
    let classic = read(&gateway, "orders.json")["definition"].clone();
    assert_eq!((&classic["enabled"], &classic["versions"]), (&json!(true), &json!({"v2": "orders2"})));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_nothing_is_written() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).await;
    let text = document(&upstream, json!({})).to_string();
    gateway.operate(Method::POST, "/tyk/apis/oas", text.clone()).await;
    gateway.reload().await;
    let before = files(&gateway.apps());
    let plain = json!({"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": {}}).to_string();
    let missing = "the payload should contain x-tyk-api-gateway";
    let unwanted = "the import payload should not contain x-tyk-api-gateway";
    let classic = "the requested API definition is in Tyk classic format, please use old api endpoint";
    let other = "Request APIID does not match that in Definition! For Update operations these must match.";
    let of_one = text.replace("\"id\":\"orders\"", "\"id\":\"one\"");
    for (method, path, body, status, message) in [
        (Method::POST, "/tyk/apis/oas", "", 400, "request malformed"),
        (Method::POST, "/tyk/apis/oas", "[]", 400, "request malformed"),
        (Method::POST, "/tyk/apis/oas", r#"{"x-tyk-api-gateway": 7}"#, 400, "request malformed"),
        (Method::POST, "/tyk/apis/oas", plain.as_str(), 400, missing),
        (Method::PUT, "/tyk/apis/oas/orders", plain.as_str(), 400, missing),
        (Method::POST, "/tyk/apis/oas/import", text.as_str(), 400, unwanted),
        (Method::POST, "/tyk/apis/oas?base_api_id=orders", text.as_str(), 422, "The new version name is required"),
        (Method::POST, "/tyk/apis/oas", of_one.as_str(), 400, classic),
        (Method::PUT, "/tyk/apis/oas/one", text.as_str(), 400, classic),
        (Method::PATCH, "/tyk/apis/oas/one", plain.as_str(), 400, classic),
        (Method::DELETE, "/tyk/apis/oas/one", "", 400, classic),
        (Method::GET, "/tyk/apis/oas/one", "", 400, classic),
        (Method::PUT, "/tyk/apis/oas/orders", of_one.as_str(), 400, other),
        (Method::PUT, "/tyk/apis/oas/nobody", text.as_str(), 404, "API not found"),
        (Method::GET, "/tyk/apis/oas/nobody", "", 404, "API not found"),
        (Method::PATCH, "/tyk/apis/oas/orders", "{", 400, "request malformed"),
        (Method::DELETE, "/tyk/apis/oas/..%2Fone", "", 400, "Invalid API ID"),
        (Method::PUT, "/tyk/apis/oas/..%2Fone", "{}", 400, "Invalid API ID"),
    ] {
        let answer = gateway.operate(method.clone(), path, body.to_owned()).await;
        assert_eq!(answer.status, status, "{method} {path} {}", answer.text());
        answer.is_refusal(status, message);
    }
    for (from, to) in [
        ("\"3.0.3\"", "\"2.0\""),
        ("\"strip\":true", "\"strip\":7"),
        ("\"value\":\"/orders/\"", "\"value\":\"\""),
        ("\"id\":\"orders\"", "\"id\":\"../x\""),
        ("\"id\":\"orders\"", "\"id\":7"),
        ("\"middleware\":{}", "\"middleware\":{\"operations\":{\"nobody\":{\"block\":{\"enabled\":true}}}}"),
    ] {
        let wrong = text.replace(from, to);
        assert_ne!(wrong, text, "{from}");
        let answer = gateway.operate(Method::POST, "/tyk/apis/oas", wrong).await;
        assert_eq!((answer.status, &answer.json()["status"]), (400, &json!("error")), "{to} {}", answer.text());
    }
    assert_eq!(files(&gateway.apps()), before);
    gateway.reload().await;
    assert_eq!(gateway.get("/orders/get").await.status, 200);
}

/// Source: gateway.md §2.5.
#[tokio::test]
async fn the_schema_of_documents_is_that_of_their_version() {
    let gateway = Conf::default().start().await;
    for version in ["3.0", "3.0.3", "3.1.0"] {
        let answer = gateway.control(&format!("/tyk/schema?oasVersion={version}")).await;
        let told = answer.json();
        assert_eq!((answer.status, &told["status"], &told["message"]), (200, &json!("Success"), &json!("")));
        let operation = "/schema/definitions/X-Tyk-ApiGateway/properties/middleware/properties/operations";
        let operation = &told.pointer(operation).expect("operations")["additionalProperties"]["properties"];
        assert_eq!(operation["mockResponse"]["properties"]["code"], json!({"type": "integer"}));
    }
    for (query, status, message) in [
        ("", 400, "Should provide a value for parameter oasVersion"),
        ("?oasVersion=2.0", 404, "Schema not found for version \"2.0\""),
    ] {
        let answer = gateway.control(&format!("/tyk/schema{query}")).await;
        assert_eq!((answer.status, answer.json()), (status, json!({"status": "Failed", "message": message})));
    }
    assert_eq!(gateway.get("/tyk/schema?oasVersion=3.0").await.status, 403);
}
