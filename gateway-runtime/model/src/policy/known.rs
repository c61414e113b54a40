//! The fields of a policy: keys match whatever their case, as Go's JSON has it, and the others are noted.
//!
//! A policy keeps unknown members, so that serde has no list of those that it knows; it is here.

use serde_json::{Map, Value};

use crate::json_path::JsonPath;
use crate::shape::Unknown;

pub(super) const POLICY: &[&str] = &[
    "_id",
    "id",
    "name",
    "org_id",
    "rate",
    "per",
    "quota_max",
    "quota_renewal_rate",
    "throttle_interval",
    "throttle_retry_limit",
    "max_query_depth",
    "access_rights",
    "hmac_enabled",
    "enable_http_signature_validation",
    "active",
    "is_inactive",
    "tags",
    "key_expires_in",
    "post_expiry_action",
    "post_expiry_grace_period",
    "partitions",
    "last_updated",
    "meta_data",
    "graphql_access_rights",
    "smoothing",
];

const PARTITIONS: &[&str] = &["quota", "rate_limit", "complexity", "acl", "per_api"];

const ACCESS: &[&str] = &[
    "api_name",
    "api_id",
    "versions",
    "allowed_urls",
    "restricted_types",
    "allowed_types",
    "limit",
    "field_access_rights",
    "disable_introspection",
    "allowance_scope",
    "endpoints",
];

const LIMIT: &[&str] = &[
    "rate",
    "per",
    "smoothing",
    "throttle_interval",
    "throttle_retry_limit",
    "max_query_depth",
    "quota_max",
    "quota_renews",
    "quota_remaining",
    "quota_renewal_rate",
];

/// Writes the keys of a policy, and of what is in it, as they are known; gives the members that are not.
pub(super) fn normalize(policy: &mut Value, at: &JsonPath) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    let Some(policy) = policy.as_object_mut() else {
        return unknown;
    };
    members(policy, at, POLICY, &mut unknown);
    if let Some(partitions) = policy.get_mut("partitions").and_then(Value::as_object_mut) {
        members(partitions, &at.key("partitions"), PARTITIONS, &mut unknown);
    }
    let rights = at.key("access_rights");
    for (api, access) in policy.get_mut("access_rights").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(access) = access.as_object_mut() else {
            continue;
        };
        let at = rights.key(api);
        members(access, &at, ACCESS, &mut unknown);
        if let Some(limit) = access.get_mut("limit").and_then(Value::as_object_mut) {
            members(limit, &at.key("limit"), LIMIT, &mut unknown);
        }
    }
    unknown
}

fn members(
    object: &mut Map<String, Value>,
    at: &JsonPath,
    fields: &'static [&'static str],
    unknown: &mut Vec<Unknown>,
) {
    let others: Vec<String> = object.keys().filter(|key| !fields.contains(&key.as_str())).cloned().collect();
    for key in others {
        let meant = fields.iter().find(|field| field.eq_ignore_ascii_case(&key));
        match meant.filter(|field| !object.contains_key(**field)) {
            Some(field) => {
                let value = object.remove(&key).unwrap_or_default();
                object.insert((*field).to_owned(), value);
            }
            None => unknown.push(Unknown { path: at.key(key), fields }),
        }
    }
}

/// A policy in which every known field is set, and unknown ones beside them.
#[cfg(test)]
pub(super) fn every_field() -> Value {
    serde_json::from_str(EVERY_FIELD).unwrap()
}

#[cfg(test)]
const EVERY_FIELD: &str = r#"{
    "_id": "5ead7120575961000181867e", "id": "p", "name": "Gold", "org_id": "default", "rate": 100.0, "per": 60.0,
    "quota_max": -1, "quota_renewal_rate": 3600, "throttle_interval": 1.5, "throttle_retry_limit": 3,
    "max_query_depth": -1, "hmac_enabled": true, "enable_http_signature_validation": true, "active": true,
    "is_inactive": true, "tags": ["a"], "key_expires_in": 60, "post_expiry_action": "retain",
    "post_expiry_grace_period": -1, "last_updated": "1655000000", "meta_data": {"tier": "gold", "nothing": null},
    "graphql_access_rights": {"a": {}}, "smoothing": {"enabled": true},
    "partitions": {"quota": true, "rate_limit": true, "complexity": true, "acl": true, "per_api": true, "new": 1},
    "access_rights": {"demo": {
        "api_name": "Demo", "api_id": "demo", "versions": ["Default"], "allowance_scope": "s",
        "allowed_urls": [{"url": "/a", "methods": ["GET"]}], "disable_introspection": true,
        "restricted_types": [{"name": "Query", "fields": ["x"]}], "allowed_types": [{"name": "Q", "fields": ["y"]}],
        "field_access_rights": [{"type_name": "Query", "field_name": "x", "limits": {"max_query_depth": 2}}],
        "endpoints": [{"path": "/a", "methods": [{"name": "GET", "limit": {"rate": 1.0, "per": 1.0}}]}],
        "limit": {
            "rate": 1.5, "per": 2.0, "smoothing": {}, "throttle_interval": 1.0, "throttle_retry_limit": 1,
            "max_query_depth": 1, "quota_max": 1, "quota_renews": 1, "quota_remaining": 1, "quota_renewal_rate": 1,
            "burst": 2
        },
        "mcp_tools": ["x"]
    }},
    "of_the_future": {"a": [1, null]}
}"#;
