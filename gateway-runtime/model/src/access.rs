//! What a session may do on one API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::zero::{is_zero, or_zero};

/// What a session may do on one API. Source: Tyk, `AccessDefinition` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessDefinition {
    /// The name of the API, for people.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub api_name: String,
    /// The API.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub api_id: String,
    /// The versions that may be called; none listed means all.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub versions: Vec<String>,
    /// The URLs that may be called; none listed means all.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub allowed_urls: Vec<AccessSpec>,
    /// GraphQL fields that may not be asked for.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub restricted_types: Vec<TypeFields>,
    /// GraphQL fields that may be asked for.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub allowed_types: Vec<TypeFields>,
    /// Limits on this API; all zero means those of the session.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub limit: AccessLimit,
    /// Limits of single GraphQL fields.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub field_access_rights: Vec<FieldAccess>,
    /// Refuses GraphQL introspection.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub disable_introspection: bool,
    /// Which counter the limits share.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub allowance_scope: String,
    /// Limits of single endpoints.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub endpoints: Vec<Endpoint>,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A URL and the methods allowed on it. Source: Tyk, `AccessSpec` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessSpec {
    /// The URL, or a pattern for it.
    #[serde(deserialize_with = "or_zero")]
    pub url: String,
    /// The methods.
    #[serde(deserialize_with = "or_zero")]
    pub methods: Vec<String>,
}

/// Limits of a session on one API. Source: Tyk, `APILimit` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessLimit {
    /// Requests per [`per`](Self::per); zero or less means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub rate: f64,
    /// The window of [`rate`](Self::rate), in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub per: f64,
    /// How the rate follows the load; kept as it came.
    #[serde(skip_serializing_if = "is_zero")]
    pub smoothing: Option<Value>,
    /// Time between attempts of a throttled request, in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub throttle_interval: f64,
    /// Attempts of a throttled request.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub throttle_retry_limit: i64,
    /// Depth allowed to a GraphQL query.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub max_query_depth: i64,
    /// Requests per window of the quota; zero or less means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota_max: i64,
    /// When the quota renews, in seconds since 1970.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota_renews: i64,
    /// Requests left in this window.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota_remaining: i64,
    /// The window of the quota, in seconds; zero means that it never renews.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota_renewal_rate: i64,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AccessLimit {
    /// Whether nothing is limited here, so that the limits of the session count.
    pub fn is_zero(&self) -> bool {
        let Self {
            rate,
            per,
            smoothing,
            throttle_interval,
            throttle_retry_limit,
            max_query_depth,
            quota_max,
            quota_renews,
            quota_remaining,
            quota_renewal_rate,
            other: _,
        } = self;
        let times = [rate, per, throttle_interval].into_iter().all(|value| *value == 0.0);
        let counts =
            [throttle_retry_limit, max_query_depth, quota_max, quota_renews, quota_remaining, quota_renewal_rate];
        times && counts.into_iter().all(|value| *value == 0) && smoothing.is_none()
    }
}

/// A GraphQL type and fields of it. Source: Tyk, `AccessDefinition` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeFields {
    /// The type.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub name: String,
    /// The fields.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub fields: Vec<String>,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Limits of one GraphQL field. Source: Tyk, `FieldAccessDefinition` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldAccess {
    /// The type that has the field.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub type_name: String,
    /// The field.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub field_name: String,
    /// Its limits.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub limits: FieldLimits,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a query may ask of one GraphQL field. Source: Tyk, `FieldLimits` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldLimits {
    /// Depth allowed to a query; -1 means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub max_query_depth: i64,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Limits of the methods of one endpoint. Source: Tyk, `Endpoint` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// A pattern for paths after the listen path.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub path: String,
    /// The methods, each with a limit of its own.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub methods: Vec<EndpointMethod>,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The limit of one method of an endpoint. Source: Tyk, `EndpointMethod` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointMethod {
    /// The method, whatever its case.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub name: String,
    /// Its limit.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub limit: RateLimit,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// So many requests in so long. Source: Tyk, `RateLimit` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimit {
    /// Requests per [`per`](Self::per); zero or less means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub rate: f64,
    /// The window of [`rate`](Self::rate), in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub per: f64,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_key_may_do_on_an_api_survives_a_round_trip() {
        let access = json!({
            "api_id": "a", "restricted_types": [{"name": "Query", "fields": ["x"], "note": 1}],
            "allowed_types": [{"name": "Query", "fields": ["y"]}],
            "field_access_rights": [{"type_name": "Query", "field_name": "x", "limits": {"max_query_depth": -1}}],
            "endpoints": [{"path": "/x", "methods": [{"name": "GET", "limit": {"rate": 5.0, "per": 60.0, "smoothing": {}}}]}],
            "mcp_access_rights": {"tools": {}},
        });
        let read: AccessDefinition = serde_json::from_value(access.clone()).unwrap();
        assert_eq!(read.endpoints[0].methods[0].limit.rate, 5.0);
        assert_eq!(serde_json::to_value(read).unwrap(), access);
    }

    #[test]
    fn a_limit_with_any_field_set_is_not_zero() {
        let limit = |value| serde_json::from_value::<AccessLimit>(value).unwrap();
        assert!(limit(json!({})).is_zero());
        assert!(limit(json!({"rate": 0, "quota_max": null, "of_the_future": 7})).is_zero());
        for field in ["rate", "per", "throttle_interval", "throttle_retry_limit", "max_query_depth", "quota_max"] {
            assert!(!limit(json!({field: -1})).is_zero(), "{field}");
        }
        for field in ["quota_renews", "quota_remaining", "quota_renewal_rate"] {
            assert!(!limit(json!({field: 1})).is_zero(), "{field}");
        }
    }
}
