//! The gateway's configuration file (`tyk.conf`): which of its keys are honoured, and what is said of the others.
//!
//! What the values mean is the runtime's business. Source: Tyk, `config/config.go`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::finding::{Finding, Severity};
use crate::json_path::JsonPath;
use crate::locate::Locator;

const NO_OBJECT: &str = "expected an object";
const NO_EFFECT: &str = "not honoured by this gateway; the key has no effect";

/// The paths of the keys that have an effect.
pub const HONOURED_KEYS: &[&[&str]] = &[
    &["listen_address"],
    &["listen_port"],
    &["control_api_port"],
    &["secret"],
    &["app_path"],
    &["log_level"],
    &["log_format"],
    &["proxy_default_timeout"],
    &["proxy_close_connections"],
    &["max_idle_connections"],
    &["max_idle_connections_per_host"],
    &["proxy_enable_http2"],
    &["proxy_ssl_insecure_skip_verify"],
    &["proxy_ssl_min_version"],
    &["proxy_ssl_max_version"],
    &["proxy_ssl_ciphers"],
    &["proxy_ssl_disable_renegotiation"],
    &["proxy_ssl_ca_file"],
    &["ssl_force_common_name_check"],
    &["max_conn_time"],
    &["security", "certificates", "upstream"],
    &["security", "pinned_public_keys"],
    &["close_connections"],
    &["hide_generator_header"],
    &["ignore_endpoint_case"],
    &["track_404_logs"],
    &["version_header"],
    &["health_check_endpoint_name"],
    &["readiness_check_endpoint_name"],
    &["graceful_shutdown_timeout_duration"],
    &["graceful_shutdown_delay_seconds"],
    &["strict_plugins"],
    &["access_logs", "enabled"],
    &["access_logs", "template"],
    &["statsd_connection_string"],
    &["statsd_prefix"],
    &["opentelemetry", "enabled"],
    &["opentelemetry", "exporter"],
    &["opentelemetry", "endpoint"],
    &["opentelemetry", "headers"],
    &["opentelemetry", "connection_timeout"],
    &["opentelemetry", "resource_name"],
    &["opentelemetry", "span_processor_type"],
    &["opentelemetry", "context_propagation"],
    &["opentelemetry", "sampling", "type"],
    &["opentelemetry", "sampling", "rate"],
    &["opentelemetry", "sampling", "parent_based"],
    &["opentelemetry", "tls", "enable"],
    &["opentelemetry", "tls", "insecure_skip_verify"],
    &["opentelemetry", "tls", "ca_file"],
    &["opentelemetry", "tls", "min_version"],
    &["opentelemetry", "tls", "max_version"],
    &["opentelemetry", "traces", "enabled"],
    &["opentelemetry", "traces", "exporter"],
    &["opentelemetry", "traces", "endpoint"],
    &["opentelemetry", "traces", "headers"],
    &["opentelemetry", "traces", "connection_timeout"],
    &["opentelemetry", "traces", "resource_name"],
    &["opentelemetry", "traces", "span_processor_type"],
    &["opentelemetry", "traces", "context_propagation"],
    &["opentelemetry", "traces", "sampling", "type"],
    &["opentelemetry", "traces", "sampling", "rate"],
    &["opentelemetry", "traces", "sampling", "parent_based"],
    &["opentelemetry", "traces", "tls", "enable"],
    &["opentelemetry", "traces", "tls", "insecure_skip_verify"],
    &["opentelemetry", "traces", "tls", "ca_file"],
    &["opentelemetry", "traces", "tls", "min_version"],
    &["opentelemetry", "traces", "tls", "max_version"],
    &["opentelemetry", "metrics", "enabled"],
    &["opentelemetry", "metrics", "exporter"],
    &["opentelemetry", "metrics", "endpoint"],
    &["opentelemetry", "metrics", "headers"],
    &["opentelemetry", "metrics", "connection_timeout"],
    &["opentelemetry", "metrics", "resource_name"],
    &["opentelemetry", "metrics", "export_interval"],
    &["opentelemetry", "metrics", "temporality"],
    &["opentelemetry", "metrics", "tls", "enable"],
    &["opentelemetry", "metrics", "tls", "insecure_skip_verify"],
    &["opentelemetry", "metrics", "tls", "ca_file"],
    &["opentelemetry", "metrics", "tls", "min_version"],
    &["opentelemetry", "metrics", "tls", "max_version"],
    &["plugins", "timeout_ms"],
    &["plugins", "threads"],
    &["plugins", "metrics"],
    &["plugins", "folder"],
    &["plugins", "max_file_bytes"],
    &["plugins", "pinned"],
    &["hostname"],
    &["enable_custom_domains"],
    &["security", "certificates", "apis"],
    &["security", "certificates", "control_api"],
    &["security", "control_api_use_mutual_tls"],
    &["security", "private_certificate_encoding_secret"],
    &["security", "allow_unsafe_dynamic_mtls_token"],
    &["policies", "policy_source"],
    &["policies", "policy_record_name"],
    &["policies", "policy_path"],
    &["hash_keys"],
    &["hash_key_function"],
    &["hash_key_function_fallback"],
    &["basic_auth_hash_key_function"],
    &["min_token_length"],
    &["allow_master_keys"],
    &["enable_hashed_keys_listing"],
    &["disable_key_actions_by_username"],
    &["enforce_org_quotas"],
    &["suppress_default_org_store"],
    &["force_global_session_lifetime"],
    &["global_session_lifetime"],
    &["session_lifetime_respects_key_expiration"],
    &["local_session_cache", "disable_cached_session_state"],
    &["rate_limit_response_headers"],
    &["jwks", "cache", "timeout"],
    &["jwt_ssl_insecure_skip_verify"],
    &["enable_fixed_window_rate_limiter"],
    &["enable_sentinel_rate_limiter"],
    &["enable_redis_rolling_limiter"],
    &["event_handlers"],
    &["template_path"],
    &["override_messages"],
    &["error_overrides"],
    &["uptime_tests", "disable"],
    &["uptime_tests", "config", "failure_trigger_sample_size"],
    &["uptime_tests", "config", "time_wait"],
    &["uptime_tests", "config", "checker_pool_size"],
    &["enable_analytics"],
    &["analytics_config", "ignored_ips"],
    &["analytics_config", "enable_detailed_recording"],
    &["analytics_config", "normalise_urls", "enabled"],
    &["analytics_config", "normalise_urls", "normalise_uuids"],
    &["analytics_config", "normalise_urls", "normalise_ulids"],
    &["analytics_config", "normalise_urls", "normalise_numbers"],
    &["analytics_config", "normalise_urls", "custom_patterns"],
    &["analytics_config", "records_buffer_size"],
    &["analytics_config", "storage_expiration_time"],
    &["analytics_config", "enable_multiple_analytics_keys"],
    &["analytics_config", "serializer_type"],
    &["analytics_config", "sink"],
    &["analytics_config", "file_path"],
    &["analytics_config", "file_max_bytes"],
    &["analytics_config", "file_max_count"],
    &["node_secret"],
    &["allow_insecure_configs"],
    &["public_key_path"],
    &["management_node"],
    &["drl_notification_frequency"],
    &["drl_threshold"],
    &["storage", "type"],
    &["storage", "path"],
    &["storage", "host"],
    &["storage", "port"],
    &["storage", "hosts"],
    &["storage", "addrs"],
    &["storage", "master_name"],
    &["storage", "sentinel_password"],
    &["storage", "username"],
    &["storage", "password"],
    &["storage", "database"],
    &["storage", "optimisation_max_idle"],
    &["storage", "optimisation_max_active"],
    &["storage", "timeout"],
    &["storage", "enable_cluster"],
    &["storage", "use_ssl"],
    &["storage", "ssl_insecure_skip_verify"],
    &["storage", "ca_file"],
    &["storage", "cert_file"],
    &["storage", "key_file"],
    &["storage", "tls_min_version"],
    &["storage", "tls_max_version"],
    &["http_server_options", "read_timeout"],
    &["http_server_options", "write_timeout"],
    &["http_server_options", "canonical_header_names"],
    &["http_server_options", "max_connections"],
    &["http_server_options", "max_request_body_size"],
    &["http_server_options", "max_response_body_size"],
    &["http_server_options", "max_request_header_size"],
    &["http_server_options", "enable_websockets"],
    &["http_server_options", "flush_interval"],
    &["http_server_options", "skip_url_cleaning"],
    &["http_server_options", "enable_strict_routes"],
    &["http_server_options", "xff_depth"],
    &["http_server_options", "enable_path_prefix_matching"],
    &["http_server_options", "enable_path_suffix_matching"],
    &["http_server_options", "use_ssl"],
    &["http_server_options", "ssl_certificates"],
    &["http_server_options", "certificates"],
    &["http_server_options", "server_name"],
    &["http_server_options", "min_version"],
    &["http_server_options", "max_version"],
    &["http_server_options", "ssl_ciphers"],
    &["http_server_options", "ssl_insecure_skip_verify"],
    &["http_server_options", "skip_client_ca_announcement"],
    &["http_server_options", "enable_http2"],
];

/// The lists of objects among them, and which members of these objects have an effect.
pub const HONOURED_MEMBERS: &[(&[&str], &[&str])] =
    &[(&["http_server_options", "certificates"], &["domain_name", "cert_file", "key_file"])];

/// A key that is set and not honoured, which is a warning; or a section that is none, which is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhonoured {
    /// How bad it is.
    pub severity: Severity,
    /// The key.
    pub path: JsonPath,
    /// What that means.
    pub reason: &'static str,
}

/// Every key that asks for something and does not get it, in the order of the keys.
///
/// A file carries every key, most of them switched off: those need no word. A section that is no object is told too.
pub fn unhonoured(document: &Value) -> Vec<Unhonoured> {
    let mut found = Vec::new();
    if let Value::Object(members) = document {
        walk(members, &mut Vec::new(), &mut found);
    }
    found
}

/// Reads a configuration file for what is not honoured in it. A mistake of syntax is told alone.
pub fn check(text: &str) -> Vec<Finding> {
    let mut locator = Locator::new(text);
    let found = match serde_json::from_str::<Value>(text) {
        Ok(document @ Value::Object(_)) => unhonoured(&document),
        Ok(_) => {
            let (severity, path) = (Severity::Error, JsonPath::default());
            vec![Unhonoured { severity, path, reason: NO_OBJECT }]
        }
        Err(error) => return vec![Finding::of_syntax(&locator, &error)],
    };
    let finding = |Unhonoured { severity, path, reason }: Unhonoured| Finding {
        severity,
        position: locator.position(&path),
        path: path.to_string(),
        reason: reason.to_owned(),
    };
    let mut findings: Vec<Finding> = found.into_iter().map(finding).collect();
    findings.sort_by_key(|finding| finding.position);
    findings
}

fn walk<'d>(members: &'d Map<String, Value>, path: &mut Vec<&'d str>, found: &mut Vec<Unhonoured>) {
    for (key, value) in members {
        path.push(key);
        let is_around = |known: &[&str]| known.len() > path.len() && known.starts_with(path);
        let is_section = HONOURED_KEYS.iter().any(|known| is_around(known));
        let remark = match value {
            Value::Object(inner) if is_section => {
                walk(inner, path, found);
                None
            }
            _ if is_section => Some((Severity::Error, NO_OBJECT)),
            _ if HONOURED_KEYS.contains(&path.as_slice()) || is_zero(value) => None,
            _ => Some((Severity::Warning, NO_EFFECT)),
        };
        let here = || path.iter().fold(JsonPath::default(), |path, key| path.key(*key));
        found.extend(remark.map(|(severity, reason)| Unhonoured { severity, path: here(), reason }));
        let list = HONOURED_MEMBERS.iter().find(|(list, _)| list == path).zip(value.as_array());
        if let Some(((_, members), items)) = list {
            within(items, members, &here(), found);
        }
        path.pop();
    }
}

/// The members without effect of a list's objects, each once for all of them.
fn within(items: &[Value], honoured: &[&str], list: &JsonPath, found: &mut Vec<Unhonoured>) {
    let mut known: BTreeSet<&str> = honoured.iter().copied().collect();
    let objects = items.iter().enumerate().filter_map(|(at, item)| Some((at, item.as_object()?)));
    for (at, (key, value)) in objects.flat_map(|(at, members)| members.iter().map(move |member| (at, member))) {
        if !is_zero(value) && known.insert(key) {
            let path = list.index(at).key(key);
            found.push(Unhonoured { severity: Severity::Warning, path, reason: NO_EFFECT });
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_zero),
        Value::Object(members) => members.values().all(is_zero),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let short = |finding: &Finding| {
            let reason = finding.reason.split([';', ':']).next().unwrap_or_default().to_owned();
            format!("{} {} {}: {reason}", finding.severity, finding.position, finding.path)
        };
        check(text).iter().map(short).collect()
    }

    #[test]
    fn keys_that_are_set_and_not_honoured_are_told_with_their_places() {
        let text = r#"{
 "listen_port": 8080, "streaming": {"mode": "on", "port": 0}, "dns_cache": true, "enable_jsvm": false,
 "http_server_options": {"read_timeout": 1, "enable_no_such": 1, "use_ssl": true, "ports": [{"name": ""}]},
 "security": {"control_api_use_mutual_tls": true, "pinned": 1}, "a.b": 1, "control_api_port": 0
}"#;
        assert_eq!(
            told(text),
            [
                "warning 2:36 streaming: not honoured by this gateway",
                "warning 2:76 dns_cache: not honoured by this gateway",
                "warning 3:63 http_server_options.enable_no_such: not honoured by this gateway",
                "warning 4:61 security.pinned: not honoured by this gateway",
                "warning 4:72 [\"a.b\"]: not honoured by this gateway",
            ]
        );
    }

    #[test]
    fn a_member_of_a_certificate_that_is_not_honoured_is_told_once() {
        let text = r#"{"http_server_options": {"certificates": [
 {"domain_name": "a", "cert_file": "a.crt", "key_file": "a.key", "password": "s", "ocsp": false},
 {"cert": "b.crt", "password": "t", "ocsp": true}
]}}"#;
        assert_eq!(
            told(text),
            [
                "warning 2:78 http_server_options.certificates[0].password: not honoured by this gateway",
                "warning 3:11 http_server_options.certificates[1].cert: not honoured by this gateway",
                "warning 3:45 http_server_options.certificates[1].ocsp: not honoured by this gateway",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_configuration_is_told_alone() {
        assert_eq!(told("{\"a\": }"), ["error 1:7 : expected value"]);
        assert_eq!(told(" []"), ["error 1:2 : expected an object"]);
        assert_eq!(told(r#"{"security": 1}"#), ["error 1:14 security: expected an object"]);
    }

    #[test]
    fn a_key_with_a_dot_is_no_key_of_a_section() {
        assert_eq!(told(r#"{"http_server_options.read_timeout": 1}"#).len(), 1);
        assert_eq!(told(r#"{"http_server_options": {"read_timeout": 1}}"#).len(), 0);
    }
}
