//! `server.authentication`: who is asked who they are. What depends on the schemes of the document is in `schemes`.

use serde_json::{Map, Value};

use super::form::Form::Seconds;
use super::rule::{self, Notes, Rule, get, is_on, join, not, off, rule, same};
use crate::json_path::JsonPath;

/// Where it is in the extension.
pub(super) const AT: &str = "server.authentication";

/// Of `server.authentication` and the whole definition. Source: gateway.md §4.2, plugin-system.md §2.3.
pub(super) const RULES: &[Rule] = &[
    not("enabled", "use_keyless"),
    same("stripAuthorizationData", "strip_auth_data"),
    same("baseIdentityProvider", "base_identity_provided_by"),
    same("hmac.enabled", "enable_signature_checking"),
    same("hmac.allowedAlgorithms", "hmac_allowed_algorithms"),
    same("hmac.allowedClockSkew", "hmac_allowed_clock_skew"),
    same("oidc.enabled", "use_openid"),
    same("oidc.segregateByClientId", "openid_options.segregate_by_client"),
    same("custom.enabled", "custom_plugin_auth_enabled"),
    off("custom.config.enabled", "custom_middleware.auth_check.disabled"),
    same("custom.config.functionName", "custom_middleware.auth_check.name"),
    same("custom.config.path", "custom_middleware.auth_check.path"),
    same("custom.config.rawBodyOnly", "custom_middleware.auth_check.raw_body_only"),
    same("custom.config.requireSession", "custom_middleware.auth_check.require_session"),
    off("custom.config.idExtractor.enabled", "custom_middleware.id_extractor.disabled"),
    same("custom.config.idExtractor.source", "custom_middleware.id_extractor.extract_from"),
    same("custom.config.idExtractor.with", "custom_middleware.id_extractor.extract_with"),
    same("custom.config.idExtractor.config.headerName", "custom_middleware.id_extractor.extractor_config.header_name"),
    same(
        "custom.config.idExtractor.config.formParamName",
        "custom_middleware.id_extractor.extractor_config.param_name",
    ),
    same("custom.config.idExtractor.config.regexp", "custom_middleware.id_extractor.extractor_config.regex_expression"),
    same(
        "custom.config.idExtractor.config.regexpMatchIndex",
        "custom_middleware.id_extractor.extractor_config.regex_match_index",
    ),
    same(
        "custom.config.idExtractor.config.xPathExp",
        "custom_middleware.id_extractor.extractor_config.xpath_expression",
    ),
];

/// How long keys live counts where it is enabled, and its classic form has no switch.
pub(super) const LIFETIME: &[Rule] = &[
    rule("customKeyLifetime.value", "session_lifetime", Seconds),
    same("customKeyLifetime.respectValidity", "session_lifetime_respects_key_expiration"),
];

/// `customKeyLifetime.enabled`, which no rule writes.
pub(super) const LIFETIME_SWITCH: &str = "customKeyLifetime.enabled";

/// Where a credential is: of whatever has `header`, `query` and `cookie`, and an entry of `auth_configs`.
pub(super) const SOURCES: &[Rule] = &[
    not("header.enabled", "disable_header"),
    same("header.name", "auth_header_name"),
    same("query.enabled", "use_param"),
    same("query.name", "param_name"),
    same("cookie.enabled", "use_cookie"),
    same("cookie.name", "cookie_name"),
];

/// What has sources but no scheme of OpenAPI, and its entry of `auth_configs`.
pub(super) const WITH_SOURCES: [(&str, &str); 3] = [("hmac", "hmac"), ("oidc", "oidc"), ("custom", "coprocess")];

pub(super) fn extract((from, at): (&Value, &JsonPath), (into, to): (&mut Value, &JsonPath), notes: &mut Notes) {
    rule::extract(RULES, (from, at), (into, to), notes);
    if is_on(get(from, LIFETIME_SWITCH)) {
        rule::extract(LIFETIME, (from, at), (into, to), notes);
    }
    for (kind, entry) in WITH_SOURCES {
        if let Some(kind_of) = get(from, kind).filter(|_| is_on(get(from, &format!("{kind}.enabled")))) {
            let mut made = Value::Object(Map::new());
            sources((kind_of, &at.key(kind)), (&mut made, &join(to, &format!("auth_configs.{entry}"))), notes);
            put_config(into, entry, made);
        }
    }
}

/// The sources that are there; what says of none where it is has the usual one.
pub(super) fn sources((from, at): (&Value, &JsonPath), (into, to): (&mut Value, &JsonPath), notes: &mut Notes) {
    if ["header", "query", "cookie"].iter().any(|source| get(from, source).is_some()) {
        rule::extract(SOURCES, (from, at), (into, to), notes);
    }
}

pub(super) fn put_config(into: &mut Value, entry: &str, config: Value) {
    if !rule::is_zero(&config) {
        rule::put(into, &format!("auth_configs.{entry}"), config);
    }
}

/// Puts everything but the schemes into `server.authentication`; an API that asks nobody has none.
pub(super) fn fill(classic: &Value, into: &mut Value) {
    rule::fill(RULES, classic, into);
    for older in ["use_go_plugin_auth", "enable_coprocess_auth"] {
        // Source: plugin-system.md §1.8: one flag stands for all three.
        if is_on(get(classic, older)) {
            rule::put(into, "custom.enabled", Value::Bool(true));
        }
    }
    rule::fill(LIFETIME, classic, into);
    if get(into, "customKeyLifetime").is_some() {
        rule::put(into, LIFETIME_SWITCH, Value::Bool(true));
    }
    for (kind, entry) in WITH_SOURCES {
        let is_used = is_on(get(into, &format!("{kind}.enabled")));
        // Linked plugins look for the credential themselves. Source: Tyk, `apidef/migration.go`.
        let is_linked =
            matches!(get(classic, "custom_middleware.driver").and_then(Value::as_str), Some("goplugin" | "native"));
        if is_used && !(kind == "custom" && is_linked) {
            let config = get(classic, &format!("auth_configs.{entry}")).cloned().unwrap_or_default();
            fill_sources(&config, into, kind);
        } else {
            for source in ["header", "query", "cookie"] {
                rule::remove(into, &format!("{kind}.{source}"));
            }
        }
        if !is_used && get(into, kind).and_then(Value::as_object).is_some_and(|members| members.len() == 1) {
            rule::remove(into, kind);
        }
    }
}

pub(super) fn fill_sources(config: &Value, into: &mut Value, path: &str) {
    // What says nothing of where it is has the usual place.
    if config.is_null() {
        return;
    }
    let mut found = get(into, path).cloned().unwrap_or_default();
    rule::fill(SOURCES, config, &mut found);
    rule::put(into, path, found);
}
