//! `middleware.global`. Source: plugin-system.md §10.3.

use super::*;

const LISTS: [(&str, &str, &str); 4] = [
    ("prePlugins", "prePlugin", "pre"),
    ("postAuthenticationPlugins", "postAuthenticationPlugin", "post_key_auth"),
    ("postPlugins", "postPlugin", "post"),
    ("responsePlugins", "responsePlugin", "response"),
];

fn global(global: Value) -> Value {
    json!({"middleware": {"global": global}})
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:13: older containers are read, and lists are what is written.
#[test]
fn plugins_in_older_containers_come_back_in_lists() {
    for (list, container, hook) in LISTS {
        let items =
            json!([{"enabled": true, "functionName": "F", "path": "./p.so"}, {"enabled": false, "functionName": "G"}]);
        for extension in [global(json!({list: items})), global(json!({container: {"plugins": items}}))] {
            let made = classic(&document(extension.clone()));
            let entries = json!([{"disabled": false, "name": "F", "path": "./p.so"}, {"disabled": true, "name": "G"}]);
            assert_eq!(made["custom_middleware"][hook], entries, "{list}");
            assert_eq!(filled_at(&made, &format!("/middleware/global/{list}")), items);
            assert_eq!(filled_at(&made, &format!("/middleware/global/{container}")), Value::Null);
            comes_back(extension);
        }
        let both = global(json!({list: [{"enabled": true, "functionName": "New"}], container: {"plugins": items}}));
        let name = format!("/custom_middleware/{hook}/0/name");
        assert_eq!(classic_at(both, &name), "New", "the list wins");
    }
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:142.
#[test]
fn a_document_is_renewed_without_older_containers() {
    for (list, container, _) in LISTS {
        let items = json!([{"enabled": true, "functionName": "F"}]);
        let mut older = document(global(json!({container: {"plugins": items}})));
        renew(&mut older);
        assert_eq!(older[EXTENSION], global(json!({list: items})));
    }
    let mut named = document(json!({"middleware": {"operations": {"getA": {
        "postPlugins": [{"enabled": true, "name": "A"}], "virtualEndpoint": {"enabled": true, "name": "B"},
    }}}}));
    renew(&mut named);
    let expected = json!({
        "postPlugins": [{"enabled": true, "functionName": "A"}], "virtualEndpoint": {"enabled": true, "functionName": "B"},
    });
    assert_eq!(named[EXTENSION]["middleware"]["operations"]["getA"], expected);
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:230; gateway.md §12.23.
#[test]
fn traffic_logs_are_what_is_tracked() {
    let logs = json!({
        "enabled": true, "tagHeaders": ["x-a"], "customRetentionPeriod": "1h30m",
        "plugins": [{"enabled": true, "functionName": "MyAnalytics", "path": "./p.so"}],
    });
    let made = classic(&document(global(json!({"trafficLogs": logs}))));
    assert_eq!(made["do_not_track"], false);
    assert_eq!(made["tag_headers"], json!(["x-a"]));
    assert_eq!(made["expire_analytics_after"], 5400);
    let plugin = json!({"enable": true, "func_name": "MyAnalytics", "plugin_path": "./p.so"});
    assert_eq!(made["analytics_plugin"], plugin);
    assert_eq!(filled_at(&made, "/middleware/global/trafficLogs"), logs);
    comes_back(global(json!({"trafficLogs": logs})));
    assert_eq!(classic_at(json!({}), "/do_not_track"), true, "without them nothing is tracked");
    assert_eq!(filled_at(&json!({"do_not_track": true}), "/middleware/global/trafficLogs"), Value::Null);
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:324, :389, :952.
#[test]
fn what_is_not_there_of_the_plugins_configuration_is_disabled() {
    let none = classic(&document(json!({})));
    assert_eq!(none["custom_middleware_bundle_disabled"], true);
    assert_eq!(none["config_data_disabled"], true);
    assert_eq!(none["custom_middleware"].get("driver"), None);
    assert_eq!(filled_at(&none, "/middleware/global/pluginConfig"), Value::Null);

    let config = json!({
        "driver": "goplugin", "bundle": {"enabled": true, "path": "bundle.zip"},
        "data": {"enabled": true, "value": {"k": "v", "n": [1, {"deep": null}]}},
    });
    let made = classic(&document(global(json!({"pluginConfig": config}))));
    assert_eq!(made["custom_middleware"]["driver"], "goplugin");
    assert_eq!(made["custom_middleware_bundle"], "bundle.zip");
    assert_eq!(made["custom_middleware_bundle_disabled"], false);
    assert_eq!(made["config_data"], config["data"]["value"]);
    assert_eq!(made["config_data_disabled"], false);
    assert_eq!(filled_at(&made, "/middleware/global/pluginConfig"), config);
    comes_back(global(json!({"pluginConfig": config})));
    comes_back(global(json!({"pluginConfig": {"data": {"enabled": false, "value": {"k": 1}}}})));
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:575-703, :829-952.
#[test]
fn plugins_are_read_with_and_without_values() {
    for (list, ..) in LISTS {
        comes_back(global(json!({list: []})));
        comes_back(global(json!({list: [{}]})));
        comes_back(global(json!({list: [{"enabled": true, "functionName": "F", "path": "p"}]})));
    }
}

/// Source: plugin-system.md §10.3, oas/middleware_test.go:703.
#[test]
fn code_raw_bodies_and_sessions_come_back() {
    for item in [
        json!({"enabled": true, "functionName": "F", "path": "p.js", "code": "Y29kZQ==", "rawBodyOnly": true, "requireSession": true}),
        json!({"enabled": true, "functionName": "F", "code": "Y29kZQ=="}),
        json!({"enabled": true, "functionName": "F", "path": "p.js"}),
    ] {
        let made = classic(&document(global(json!({"prePlugins": [item]}))));
        let entry = &made["custom_middleware"]["pre"][0];
        assert_eq!(entry.get("code"), item.get("code"));
        assert_eq!(entry.get("raw_body_only"), item.get("rawBodyOnly"));
        assert_eq!(entry.get("require_session"), item.get("requireSession"));
        assert_eq!(filled_at(&made, "/middleware/global/prePlugins/0"), item);
    }
}

/// Source: gateway.md §4.3.
#[test]
fn what_happens_to_every_request_comes_back() {
    let all = json!({
        "cors": {"enabled": true, "allowedOrigins": ["*"], "maxAge": 24, "optionsPassthrough": true},
        "cache": {"enabled": true, "timeout": 5, "cacheResponseCodes": [200], "controlTTLHeaderName": "x-ttl"},
        "contextVariables": {"enabled": true}, "ignoreCase": {"enabled": true},
        "transformRequestHeaders": {"enabled": true, "remove": ["x-a"], "add": [{"name": "x-b", "value": "1"}]},
        "transformResponseHeaders": {"enabled": false, "remove": ["x-c"]},
        "requestSizeLimit": {"enabled": true, "value": 10}, "skipRateLimit": true, "skipQuota": true, "skipQuotaReset": true,
    });
    let made = classic(&document(global(all.clone())));
    for (pointer, expected) in [
        ("/CORS/allowed_origins", json!(["*"])),
        ("/cache_options/cache_control_ttl_header", json!("x-ttl")),
        ("/enable_context_vars", json!(true)),
        ("/version_data/versions//ignore_endpoint_case", json!(true)),
        ("/version_data/versions//global_headers", json!({"x-b": "1"})),
        ("/version_data/versions//global_headers_disabled", json!(false)),
        ("/version_data/versions//global_response_headers_disabled", json!(true)),
        ("/version_data/versions//global_size_limit", json!(10)),
        ("/disable_rate_limit", json!(true)),
        ("/dont_set_quota_on_create", json!(true)),
    ] {
        assert_eq!(made.pointer(pointer), Some(&expected), "{pointer}");
    }
    let mut back = filled_at(&made, "/middleware/global");
    back.as_object_mut().unwrap().remove("trafficLogs");
    assert_eq!(back, all);
}
