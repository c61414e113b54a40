//! `middleware.operations`. Source: plugin-system.md §2.3, §10.3; gateway.md §4.4.

use super::*;

fn operation(entry: Value) -> Value {
    json!({"middleware": {"operations": {"getA": entry}}})
}

/// The entries of a list for one operation, `GET /a`.
fn list(entry: Value, list: &str) -> Value {
    classic_at(operation(entry), &format!("/version_data/versions//extended_paths/{list}"))
}

#[track_caller]
fn back(entry: Value) {
    let made = classic(&document(operation(entry.clone())));
    let mut again = json!({"paths": {"/a": {"get": {"operationId": "getA"}}}, "openapi": "3.0.3", "info": {}});
    fill(&made, &mut again);
    assert_eq!(again[EXTENSION]["middleware"]["operations"]["getA"], entry);
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:1023.
#[test]
fn a_virtual_endpoint_has_a_body_or_a_file_and_a_function() {
    let by_body =
        json!({"virtualEndpoint": {"enabled": true, "functionName": "f", "body": "Y29kZQ==", "path": "v.js"}});
    let made = list(by_body, "virtual");
    assert_eq!(made[0]["function_source_type"], "blob");
    assert_eq!(made[0]["function_source_uri"], "Y29kZQ==");
    let by_path = json!({"virtualEndpoint": {"enabled": true, "functionName": "f", "path": "v.js", "proxyOnError": true, "requireSession": true}});
    let made = list(by_path.clone(), "virtual");
    let expected = json!([{
        "disabled": false, "path": "/a", "method": "GET", "response_function_name": "f", "function_source_type": "file",
        "function_source_uri": "v.js", "proxy_on_error": true, "use_session": true,
    }]);
    assert_eq!(made, expected);
    back(by_path);
    let named = |entry: Value| list(json!({"virtualEndpoint": entry}), "virtual")[0]["response_function_name"].clone();
    assert_eq!(named(json!({"enabled": true, "name": "older"})), "older");
    assert_eq!(named(json!({"enabled": true, "name": "older", "functionName": "newer"})), "newer");
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:1166, :1208.
#[test]
fn the_first_plugin_of_an_operation_is_one_of_its_path() {
    assert_eq!(list(json!({"postPlugins": []}), "go_plugin"), Value::Null);
    let empty = json!([{"disabled": true, "path": "/a", "method": "GET"}]);
    assert_eq!(list(json!({"postPlugins": [{}]}), "go_plugin"), empty);
    let one = json!({"postPlugins": [{"enabled": true, "functionName": "Foo", "path": "./p.so"}]});
    let expected =
        json!([{"disabled": false, "path": "/a", "method": "GET", "func_name": "Foo", "plugin_path": "./p.so"}]);
    assert_eq!(list(one.clone(), "go_plugin"), expected);
    back(one);
    let named = |item: Value| list(json!({"postPlugins": [item]}), "go_plugin")[0]["func_name"].clone();
    assert_eq!(named(json!({"enabled": true, "name": "older"})), "older");
    assert_eq!(named(json!({"enabled": true, "name": "older", "functionName": "newer"})), "newer");
    let two = json!({"postPlugins": [{"enabled": true, "functionName": "A"}, {"enabled": true, "functionName": "B"}]});
    assert_eq!(list(two, "go_plugin").as_array().unwrap().len(), 1, "only the first is used");
}

#[test]
fn every_kind_of_operation_comes_back() {
    for entry in [
        json!({"allow": {"enabled": true, "ignoreCase": true}, "block": {"enabled": false}}),
        json!({"ignoreAuthentication": {"enabled": true}, "internal": {"enabled": true}}),
        json!({"transformRequestMethod": {"enabled": true, "toMethod": "POST"}}),
        json!({"transformRequestBody": {"enabled": true, "format": "json", "body": "e30="}}),
        json!({"transformResponseBody": {"enabled": true, "format": "xml", "path": "t.tmpl"}}),
        json!({"transformRequestHeaders": {"enabled": true, "remove": ["x-a"], "add": [{"name": "x-b", "value": "1"}]}}),
        json!({"cache": {"enabled": true, "cacheByRegex": "a.*", "cacheResponseCodes": [200], "timeout": 3}}),
        json!({"enforceTimeout": {"enabled": true, "value": 3, "duration": "1.5s"}}),
        json!({"validateRequest": {"enabled": true, "errorResponseCode": 400}}),
        json!({"circuitBreaker": {"enabled": true, "threshold": 0.5, "sampleSize": 3, "coolDownPeriod": 9, "halfOpenStateEnabled": true}}),
        json!({"trackEndpoint": {"enabled": true}, "doNotTrackEndpoint": {"enabled": true}}),
        json!({"requestSizeLimit": {"enabled": true, "value": 7}, "rateLimit": {"enabled": true, "rate": 3, "per": "1m"}}),
        json!({"urlRewrite": {"enabled": true, "pattern": "a(.*)", "rewriteTo": "/b$1", "triggers": [{
            "condition": "any", "rewriteTo": "/c", "rules": [
                {"in": "query", "name": "q", "pattern": "x", "negate": true},
                {"in": "header", "name": "h", "pattern": "y", "negate": false},
                {"in": "requestBody", "pattern": "z", "negate": false},
            ],
        }]}}),
    ] {
        back(entry);
    }
}

#[test]
fn entries_stand_in_the_order_of_their_paths_with_path_and_method() {
    let plugin = |name: &str| json!({"postPlugins": [{"enabled": true, "functionName": name}]});
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "", "version": ""},
        "paths": {
            "/x/{id}": {"get": {"operationId": "variable"}, "parameters": []},
            "/x/static": {"post": {"operationId": "post"}, "delete": {"operationId": "delete"}},
            "/x": {"get": {"operationId": "short"}},
        },
        EXTENSION: {"middleware": {"operations": {
            "short": plugin("short"), "variable": plugin("variable"), "post": plugin("post"), "delete": plugin("delete"),
        }}},
    });
    let made = classic(&document);
    let entries = made["version_data"]["versions"][""]["extended_paths"]["go_plugin"].as_array().unwrap();
    let told: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {} {}", entry["method"], entry["path"], entry["func_name"]).replace('"', ""))
        .collect();
    assert_eq!(told, ["DELETE /x/static delete", "POST /x/static post", "GET /x/{id} variable", "GET /x short"]);
    assert_eq!(made["version_data"]["not_versioned"], true);
    assert_eq!(made["version_data"]["versions"][""]["use_extended_paths"], true);
}
