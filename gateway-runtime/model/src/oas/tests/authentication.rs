//! `server.authentication`. Source: plugin-system.md §2.3, §10.3; gateway.md §4.2.

use super::*;

fn with(authentication: Value) -> Value {
    json!({"server": {"authentication": authentication}})
}

/// Source: plugin-system.md §10.3, oas/authentication_test.go:478, :545; oas/middleware_test.go:575.
#[test]
fn custom_authentication_is_a_plugin_and_has_sources_only_if_it_says_so() {
    let none = classic(&document(with(json!({"enabled": true, "custom": {"enabled": false}}))));
    assert_eq!((&none["use_keyless"], &none["custom_plugin_auth_enabled"]), (&json!(false), &json!(false)));
    assert_eq!(none["custom_middleware"]["auth_check"], json!({"disabled": true}), "without `config` it is disabled");

    let linked = json!({"enabled": true, "custom": {"enabled": true, "config": {
        "enabled": true, "functionName": "MyPluginAuthCheck", "path": "./p.so", "rawBodyOnly": true, "requireSession": true,
    }}});
    let mut extension = with(linked.clone());
    extension["middleware"] = json!({"global": {"pluginConfig": {"driver": "goplugin"}}});
    let made = classic(&document(extension));
    let check = json!({
        "disabled": false, "name": "MyPluginAuthCheck", "path": "./p.so", "raw_body_only": true, "require_session": true,
    });
    assert_eq!(made["custom_middleware"]["auth_check"], check);
    assert_eq!(made["custom_plugin_auth_enabled"], true);
    assert_eq!(made.get("auth_configs"), None);
    assert_eq!(filled_at(&made, "/server/authentication"), linked);

    let mut asked = linked;
    asked["custom"]["header"] = json!({"enabled": true, "name": "x-key"});
    let mut extension = with(asked.clone());
    extension["middleware"] = json!({"global": {"pluginConfig": {"driver": "grpc"}}});
    let made = classic(&document(extension.clone()));
    assert_eq!(made["auth_configs"]["coprocess"], json!({"disable_header": false, "auth_header_name": "x-key"}));
    assert_eq!(filled_at(&made, "/server/authentication"), asked);
    comes_back(extension);
}

/// Source: plugin-system.md §10.3, oas/authentication_test.go:583; oas/security_test.go:924.
#[test]
fn an_id_extractor_and_all_else_of_custom_authentication_come_back() {
    let full = json!({
        "enabled": true, "stripAuthorizationData": true, "baseIdentityProvider": "custom_auth",
        "customKeyLifetime": {"enabled": true, "value": "10m", "respectValidity": true},
        "custom": {
            "enabled": true,
            "header": {"enabled": true, "name": "x-key"}, "cookie": {"enabled": true, "name": "c"},
            "query": {"enabled": true, "name": "q"},
            "config": {"enabled": true, "functionName": "F", "path": "p", "idExtractor": {
                "enabled": true, "source": "header", "with": "regex", "config": {
                    "headerName": "x-id", "formParamName": "p", "regexp": "a", "regexpMatchIndex": 1, "xPathExp": "/a",
                },
            }},
        },
    });
    let made = classic(&document(with(full.clone())));
    let extractor = json!({
        "disabled": false, "extract_from": "header", "extract_with": "regex", "extractor_config": {
            "header_name": "x-id", "param_name": "p", "regex_expression": "a", "regex_match_index": 1, "xpath_expression": "/a",
        },
    });
    assert_eq!(made["custom_middleware"]["id_extractor"], extractor);
    assert_eq!((&made["session_lifetime"], &made["strip_auth_data"]), (&json!(600), &json!(true)));
    assert_eq!(made["session_lifetime_respects_key_expiration"], true);
    assert_eq!(made["base_identity_provided_by"], "custom_auth");
    assert_eq!(filled_at(&made, "/server/authentication"), full);
    comes_back(with(full));
}

/// Source: gateway.md §12.23.
#[test]
fn without_authentication_an_api_is_keyless() {
    assert_eq!(classic_at(json!({}), "/use_keyless"), true);
    assert_eq!(classic_at(with(json!({"enabled": false})), "/use_keyless"), true);
    assert_eq!(classic_at(with(json!({"enabled": true})), "/use_keyless"), false);
    assert_eq!(filled_at(&json!({"use_keyless": true}), "/server/authentication"), Value::Null);
}

/// A document with all schemes.
fn schemes(security: Value, mode: &str) -> Value {
    let mut document = document(with(json!({
        "enabled": true, "securityProcessingMode": mode,
        "securitySchemes": {
            "key": {"enabled": true, "cookie": {"enabled": true, "name": "c"}, "enableClientCertificate": true,
                "signatureValidation": {"enabled": true, "algorithm": "MasherySHA256", "header": {"enabled": true, "name": "x-sig"}, "errorCode": 402}},
            "jwt": {"enabled": true, "header": {"enabled": true, "name": "x-jwt"}, "source": "c2VjcmV0", "signingMethod": "hmac",
                "identityBaseField": "sub", "skipKid": true, "policyFieldName": "pol", "defaultPolicies": ["p"],
                "scopes": {"claimName": "scp", "scopeToPolicyMapping": [{"scope": "read", "policyId": "p1"}]},
                "jwksURIs": [{"url": "https://keys", "cacheTimeout": "5m"}], "issuedAtValidationSkew": 3},
            "basic": {"enabled": true, "cacheTTL": 7, "extractCredentialsFromBody": {"enabled": true, "userRegexp": "a", "passwordRegexp": "b"}},
        },
        "hmac": {"enabled": true, "allowedAlgorithms": ["hmac-sha256"], "allowedClockSkew": 100.5},
    })));
    document["components"] = json!({"securitySchemes": {
        "key": {"type": "apiKey", "in": "query", "name": "k"},
        "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "basic": {"type": "http", "scheme": "basic"},
    }});
    document["security"] = security;
    document
}

#[test]
fn the_first_requirement_decides_which_schemes_are_on() {
    let made = classic(&schemes(json!([{"key": [], "jwt": [], "basic": []}]), "legacy"));
    let token = json!({
        "use_param": true, "param_name": "k", "use_cookie": true, "cookie_name": "c", "disable_header": true,
        "use_certificate": true, "validate_signature": true,
        "signature": {"algorithm": "MasherySHA256", "header": "x-sig", "error_code": 402},
    });
    assert_eq!(made["auth_configs"]["authToken"], token);
    assert_eq!(made["auth_configs"]["jwt"], json!({"disable_header": false, "auth_header_name": "x-jwt"}));
    for (pointer, expected) in [
        ("/use_standard_auth", json!(true)),
        ("/enable_jwt", json!(true)),
        ("/jwt_source", json!("c2VjcmV0")),
        ("/jwt_identity_base_field", json!("sub")),
        ("/scopes/jwt/scope_to_policy", json!({"read": "p1"})),
        ("/jwt_jwks_uris/0", json!({"url": "https://keys", "cache_timeout": 300})),
        ("/use_basic_auth", json!(true)),
        ("/basic_auth/body_user_regexp", json!("a")),
        ("/enable_signature_checking", json!(true)),
        ("/hmac_allowed_clock_skew", json!(100.5)),
    ] {
        assert_eq!(made.pointer(pointer), Some(&expected), "{pointer}");
    }
    let one = classic(&schemes(json!([{"key": []}, {"jwt": []}]), "legacy"));
    assert_eq!((&one["use_standard_auth"], one.get("enable_jwt")), (&json!(true), None));
    assert_eq!(one.get("security_requirements"), None);
}

#[test]
fn where_one_requirement_is_enough_all_of_their_schemes_are_on() {
    let made = classic(&schemes(json!([{"key": []}, {"jwt": [], "basic": []}]), "compliant"));
    assert_eq!((&made["use_standard_auth"], &made["enable_jwt"]), (&json!(true), &json!(true)));
    assert_eq!(made["security_requirements"], json!([["key"], ["basic", "jwt"]]));
}

#[test]
fn ways_that_are_on_become_schemes_and_a_requirement() {
    let made = classic(&schemes(json!([{"key": [], "jwt": [], "basic": []}]), "legacy"));
    let mut filled = Value::Null;
    fill(&made, &mut filled);
    assert_eq!(filled["security"], json!([{"authToken": [], "jwtAuth": [], "basicAuth": []}]));
    let components = &filled["components"]["securitySchemes"];
    assert_eq!(components["authToken"], json!({"type": "apiKey", "in": "query", "name": "k"}));
    assert_eq!(components["jwtAuth"], json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}));
    assert_eq!(classic(&filled), made);
}

/// Source: plugin-system.md §10.3, oas/oas_test.go:1401, :1495, :1650; §1.8.
#[test]
fn a_definition_in_the_classic_form_becomes_a_document() {
    let definition = |driver: &str| {
        json!({
            "api_id": "x", "name": "Orders", "org_id": "o", "active": true, "enable_coprocess_auth": true,
            "proxy": {"listen_path": "/x/", "target_url": "http://up/", "strip_listen_path": true},
            "auth_configs": {"coprocess": {"auth_header_name": "x-key"}},
            "custom_middleware": {
                "driver": driver, "auth_check": {"name": "Check", "path": "p"},
                "pre": [{"name": "A"}], "post_key_auth": [{"name": "B"}], "post": [{"name": "C"}], "response": [{"name": "D"}],
            },
            "config_data": {"k": "v"},
            "version_data": {"not_versioned": true, "versions": {"Default": {"name": "Default", "use_extended_paths": true,
                "extended_paths": {"go_plugin": [{"path": "/pets/{id}", "method": "GET", "func_name": "E", "plugin_path": "p.so"}]}}}},
        })
    };
    let custom = |driver: &str| filled_at(&definition(driver), "/server/authentication/custom");
    let config = json!({"enabled": true, "functionName": "Check", "path": "p"});
    assert_eq!(custom("goplugin"), json!({"enabled": true, "config": config}));
    assert_eq!(
        custom("python"),
        json!({"enabled": true, "config": config, "header": {"enabled": true, "name": "x-key"}})
    );
    let global = filled_at(&definition("goplugin"), "/middleware/global");
    for (list, older, name) in [
        ("prePlugins", "prePlugin", "A"),
        ("postAuthenticationPlugins", "postAuthenticationPlugin", "B"),
        ("postPlugins", "postPlugin", "C"),
        ("responsePlugins", "responsePlugin", "D"),
    ] {
        assert_eq!(global[list], json!([{"enabled": true, "functionName": name}]));
        assert_eq!(global.get(older), None);
    }
    let data = json!({"driver": "goplugin", "data": {"enabled": true, "value": {"k": "v"}}});
    assert_eq!(global["pluginConfig"], data);
    let mut filled = Value::Null;
    fill(&definition("goplugin"), &mut filled);
    assert_eq!(filled["info"]["title"], "Orders");
    assert_eq!(filled["paths"]["/pets/{id}"]["get"]["operationId"], "pets/{id}GET");
    let plugins = &filled[EXTENSION]["middleware"]["operations"]["pets/{id}GET"]["postPlugins"];
    assert_eq!(plugins, &json!([{"enabled": true, "functionName": "E", "path": "p.so"}]));
    assert!(crate::read(&filled.to_string()).definition.is_some(), "{:?}", crate::read(&filled.to_string()).findings);
}
