//! Definitions that are OpenAPI documents with `x-tyk-api-gateway`: in `app_path`, alone and beside their classic form.
//! Source: gateway.md §4; plugin-system.md §2.

use gateway_tests::{Conf, Gateway, Upstream, api, ask, get};
use http::Method;
use serde_json::{Value, json};

/// A keyless API on `/orders/`, with these operations of `/pets/{id}` and `/pets/mine`, and more of the extension.
pub(crate) fn document(upstream: &Upstream, middleware: Value) -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Orders", "version": "1.0.0"},
        "paths": {
            "/pets/{id}": {"get": {"operationId": "getPet", "responses": {}}},
            "/pets/mine": {"get": {"operationId": "getMine", "responses": {}}},
        },
        "x-tyk-api-gateway": {
            "info": {"id": "orders", "name": "Orders", "orgId": "default", "state": {"active": true}},
            "upstream": {"url": format!("http://{}/", upstream.address)},
            "server": {"listenPath": {"value": "/orders/", "strip": true}},
            "middleware": middleware,
        },
    })
}

async fn alone(document: &Value) -> Gateway {
    Conf::default().file("orders.json", &document.to_string()).start().await
}

#[tokio::test]
async fn a_document_alone_is_served_with_its_plugins() {
    let upstream = Upstream::start();
    let plugin = |name: &str| json!([{"enabled": true, "functionName": name, "path": "plugin.so"}]);
    let global = json!({"pluginConfig": {"driver": "goplugin"}, "prePlugins": plugin("OrderA"), "postPlugins": plugin("OrderC")});
    let operations = json!({"getPet": {"postPlugins": plugin("OrderB")}});
    let gateway = alone(&document(&upstream, json!({"global": global, "operations": operations}))).await;
    assert_eq!(gateway.get("/orders/pets/7").await.all("x-order"), ["a", "b", "c"]);
    assert_eq!(upstream.last().first(), "GET /pets/7 HTTP/1.1");
    assert_eq!(gateway.get("/orders/pets").await.all("x-order"), ["a", "c"]);
    // The classic form of it is what the control API for these shows.
    let shown = gateway.control("/tyk/apis/orders").await.json();
    assert_eq!(
        (&shown["api_id"], &shown["is_oas"], &shown["use_keyless"]),
        (&json!("orders"), &json!(true), &json!(true))
    );
    assert_eq!(gateway.control("/tyk/apis").await.json()[0], shown);
}

#[tokio::test]
async fn operations_are_tried_in_the_order_of_their_paths() {
    let upstream = Upstream::start();
    let plugin = |name: &str| json!({"postPlugins": [{"enabled": true, "functionName": name, "path": "plugin.so"}]});
    let operations = json!({"getPet": plugin("OrderA"), "getMine": plugin("OrderB")});
    let gateway = alone(&document(&upstream, json!({"operations": operations}))).await;
    assert_eq!(gateway.get("/orders/pets/mine").await.all("x-order"), ["b"], "what has no variables comes first");
    assert_eq!(gateway.get("/orders/pets/other").await.all("x-order"), ["a"]);
}

/// Source: gateway.md §12.22: the classic form drives the API, and the document is data.
#[tokio::test]
async fn beside_its_classic_form_a_document_is_data_and_what_contradicts_it_is_told() {
    let upstream = Upstream::start();
    let classic =
        api("orders", upstream.address).set("/is_oas", true).plugins("pre", &["MyPluginAccessingOASAPI@goplugins"]);
    let document =
        document(&upstream, json!({"global": {"prePlugins": [{"enabled": true, "functionName": "OrderA"}]}}));
    let conf = Conf::default().with(&classic).file("orders-oas.json", &document.to_string());
    let (code, told) = check(&conf);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("custom_middleware.pre: `x-tyk-api-gateway.middleware.global.prePlugins"), "{told}");
    let gateway = conf.start().await;
    let answer = gateway.get("/orders/get").await;
    assert_eq!((answer.header("x-oas-doc-title"), answer.all("x-order").len()), ("Orders", 0));
}

/// Source: plugin-system.md §10.1.12, §10.1.13; Tyk, goplugin tests, mw_go_plugin_test.go:518, :581, :611, :649.
#[tokio::test]
async fn plugins_before_and_after_the_upstream_see_the_document() {
    let upstream = Upstream::start();
    let document = document(&upstream, json!({})).to_string();
    let (request, response) = ("x-my-plugin-accessing-oas-api", "x-my-response-plugin-accessing-oas-api");
    let second = "x-my-response-plugin-accessing-oas-api-2";
    let before: &[&str] = &["MyPluginAccessingOASAPI@goplugins"];
    let after: &[&str] = &["MyResponsePluginAccessingOASAPI@goplugins", "MyResponsePluginAccessingOASAPI2@goplugins"];
    for (before, after, expected) in [
        (before, &after[..0], vec![request]),
        (&before[..0], &after[..1], vec![response]),
        (before, &after[..1], vec![request, response]),
        (&before[..0], after, vec![response, second]),
    ] {
        let classic =
            api("orders", upstream.address).set("/is_oas", true).plugins("pre", before).plugins("response", after);
        let gateway = Conf::default().with(&classic).file("orders-oas.json", &document).start().await;
        let answer = gateway.get("/orders/get").await;
        assert_eq!(answer.all("x-oas-doc-title"), vec!["Orders"; expected.len()]);
        for name in [request, response, second] {
            let title = if expected.contains(&name) { "Orders" } else { "" };
            assert_eq!(answer.header(name), title, "{name}");
        }
    }
}

/// Source: gateway.md §12.23.
#[tokio::test]
async fn authentication_that_is_there_asks_and_one_that_is_not_does_not() {
    let upstream = Upstream::start();
    let mut definition = document(&upstream, json!({}));
    assert_eq!(alone(&definition).await.get("/orders/get").await.status, 200);
    definition["components"] = json!({"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}});
    definition["security"] = json!([{"key": []}]);
    definition["x-tyk-api-gateway"]["server"]["authentication"] =
        json!({"enabled": true, "securitySchemes": {"key": {"enabled": true}}});
    let gateway = alone(&definition).await;
    gateway.get("/orders/get").await.is_error(401, "Authorization field missing");
    let session = json!({"org_id": "default", "access_rights": {"orders": {}}}).to_string();
    assert_eq!(gateway.operate(Method::POST, "/tyk/keys/mine", session).await.status, 200);
    assert_eq!(gateway.ask(get("/orders/get").header("x-key", "mine")).await.status, 200);
    gateway.ask(get("/orders/get").header("authorization", "mine")).await.is_error(401, "Authorization field missing");
}

#[tokio::test]
async fn what_guards_access_on_paper_only_closes_the_api() {
    let upstream = Upstream::start();
    let mut definition = document(&upstream, json!({}));
    definition["components"] =
        json!({"securitySchemes": {"jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}});
    definition["security"] = json!([{"jwt": []}]);
    definition["x-tyk-api-gateway"]["server"]["authentication"] = json!({"enabled": true, "securitySchemes": {
        "jwt": {"enabled": true, "signingMethod": "hmac", "source": "c2VjcmV0", "allowedIssuers": ["me"]},
    }});
    let gateway = alone(&definition).await;
    assert_eq!(gateway.get("/orders/get").await.status, 500);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn mistakes_have_their_place_in_the_document_and_running_apis_go_on() {
    let upstream = Upstream::start();
    let gateway = alone(&document(&upstream, json!({}))).await;
    let unknown = document(&upstream, json!({"operations": {"getNobody": {"block": {"enabled": true}}}}));
    gateway.write_file("orders.json", &format!("{unknown:#}"));
    gateway.reload().await;
    assert_eq!(gateway.get("/orders/get").await.status, 200, "the old version goes on");
    let conf = Conf::default().file("orders.json", &format!("{unknown:#}"));
    let (code, told) = check(&conf);
    assert_eq!(code, Some(1), "{told}");
    let text = format!("{unknown:#}");
    let line = 1 + text.lines().position(|line| line.contains("getNobody")).expect("a line");
    assert!(told.contains(&format!("orders.json:{line}:")), "{told}");
    assert!(told.contains("x-tyk-api-gateway.middleware.operations.getNobody: no operation under `paths`"), "{told}");
}

#[tokio::test]
async fn a_plugin_that_is_missing_is_told_at_its_place_and_fails_closed() {
    let upstream = Upstream::start();
    let global =
        json!({"pluginConfig": {"driver": "goplugin"}, "prePlugins": [{"enabled": true, "functionName": "Nowhere"}]});
    let definition = document(&upstream, json!({"global": global}));
    let (code, told) = check(&Conf::default().file("orders.json", &definition.to_string()));
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("x-tyk-api-gateway.middleware.global.prePlugins[0].functionName: no plugin `Nowhere`"),
        "{told}"
    );
    assert_eq!(alone(&definition).await.get("/orders/get").await.status, 500);
}

#[tokio::test]
async fn a_document_without_an_extension_is_no_definition() {
    let text = r#"{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}"#;
    let (code, told) = check(&Conf::default().file("plain.json", text));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("plain.json:1:1: this OpenAPI document has no `x-tyk-api-gateway`"), "{told}");
    let (code, told) = check(&Conf::default().file("plain-oas.json", text));
    assert_eq!((code, told.as_str()), (Some(0), ""), "it says nothing to the gateway");
    let upstream = Upstream::start();
    let gateway = Conf::default().file("orders-oas.json", &document(&upstream, json!({})).to_string()).start().await;
    assert_eq!(gateway.ask(ask(Method::GET, "/orders/get")).await.status, 200, "this one does");
}

fn check(conf: &Conf) -> (Option<i32>, String) {
    let output = conf.command(&["check"]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
