//! `info`, `upstream`, `server` and events, both ways. Source: gateway.md §4.2, §4.6.

use super::*;

#[test]
fn who_where_and_what_for_come_back() {
    let extension = json!({
        "info": {"id": "orders", "dbId": "5f", "orgId": "o", "name": "Orders", "expiration": "2030-01-01 00:00",
            "state": {"active": true, "internal": true},
            "versioning": {"enabled": true, "name": "v1", "default": "self", "location": "header", "key": "x-v",
                "versions": [{"name": "v2", "id": "orders2"}], "stripVersioningData": true, "fallbackToDefault": true}},
        "upstream": {"url": "http://up/",
            "rateLimit": {"enabled": true, "rate": 10, "per": "1m"},
            "loadBalancing": {"enabled": true, "targets": [{"url": "http://a", "weight": 2}, {"url": "http://b", "weight": 1}]},
            "preserveHostHeader": {"enabled": true}, "preserveTrailingSlash": {"enabled": true},
            "tlsTransport": {"minVersion": "1.2", "ciphers": ["x"]}, "proxy": {"enabled": true, "url": "http://proxy"},
            "enforceTimeout": {"enabled": true, "duration": "5s"},
            "mutualTLS": {"enabled": true, "domainToCertificateMapping": [{"domain": "*", "certificate": "c"}]},
            "certificatePinning": {"enabled": false, "domainToPublicKeysMapping": [{"domain": "*", "publicKeys": ["a", "b"]}]},
            "uptimeTests": {"enabled": true, "tests": [{"url": "http://up", "timeout": "1s"}], "hostDownRetestPeriod": "10s"}},
        "server": {"listenPath": {"value": "/orders/", "strip": true},
            "clientCertificates": {"enabled": true, "allowlist": ["c"]},
            "gatewayTags": {"enabled": true, "tags": ["t"]},
            "customDomain": {"enabled": true, "name": "orders.example", "certificates": ["c"]},
            "detailedActivityLogs": {"enabled": true}, "detailedTracing": {"enabled": true},
            "ipAccessControl": {"enabled": true, "allow": ["10.0.0.1"], "block": ["10.0.0.2"]},
            "batchProcessing": {"enabled": true}, "protocol": "http", "port": 8080,
            "eventHandlers": [
                {"enabled": true, "trigger": "AuthFailure", "type": "webhook", "url": "http://hook", "method": "POST",
                    "cooldownPeriod": "1m", "headers": [{"name": "x", "value": "y"}]},
                {"enabled": false, "trigger": "HostDown", "type": "log", "logPrefix": "down"}]},
        "errorOverrides": {"enabled": true, "value": {"404": {"message": "no"}}},
        "middleware": {"global": {"trafficLogs": {"enabled": true}}},
    });
    let made = classic(&document(extension.clone()));
    for (pointer, expected) in [
        ("/api_id", json!("orders")),
        ("/definition/versions", json!({"v2": "orders2"})),
        ("/proxy/target_list", json!(["http://a", "http://a", "http://b"])),
        ("/proxy/transport/ssl_min_version", json!(771)),
        ("/proxy/transport/proxy_url", json!("http://proxy")),
        ("/proxy/disable_strip_slash", json!(true)),
        ("/global_rate_limit", json!({"disabled": false, "rate": 10, "per": 60})),
        ("/version_data/versions//global_enforce_timeout", json!("5s")),
        ("/upstream_certificates", json!({"*": "c"})),
        ("/pinned_public_keys", json!({"*": "a,b"})),
        ("/certificate_pinning_disabled", json!(true)),
        ("/uptime_tests/config/recheck_wait", json!(10)),
        ("/domain_disabled", json!(false)),
        ("/ip_access_control_disabled", json!(false)),
        ("/event_handlers/events/AuthFailure/0/handler_name", json!("eh_web_hook_handler")),
        ("/event_handlers/events/AuthFailure/0/handler_meta/event_timeout", json!(60)),
        ("/event_handlers/events/HostDown/0/handler_meta", json!({"disabled": true, "prefix": "down"})),
        ("/error_overrides_disabled", json!(false)),
        ("/is_oas", json!(true)),
    ] {
        assert_eq!(made.pointer(pointer), Some(&expected), "{pointer}");
    }
    let mut filled = Value::Null;
    let keyless = rule::is_on(made.get("use_keyless"));
    fill(&made, &mut filled);
    assert!(keyless);
    assert_eq!(filled[EXTENSION], extension);
}

#[test]
fn a_proxy_or_a_lifetime_that_is_switched_off_is_none() {
    let off = json!({
        "upstream": {"proxy": {"enabled": false, "url": "http://proxy"}},
        "server": {"authentication": {"enabled": true, "customKeyLifetime": {"enabled": false, "value": "1m"}}},
    });
    let made = classic(&document(off));
    assert_eq!(made.pointer("/proxy/transport"), None);
    assert_eq!(made.get("session_lifetime"), None);
}
