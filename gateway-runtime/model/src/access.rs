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
    pub restricted_types: Vec<Value>,
    /// GraphQL fields that may be asked for.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub allowed_types: Vec<Value>,
    /// Limits on this API; all zero means those of the session.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub limit: AccessLimit,
    /// Limits of single GraphQL fields.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub field_access_rights: Vec<Value>,
    /// Refuses GraphQL introspection.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub disable_introspection: bool,
    /// Which counter the limits share.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub allowance_scope: String,
    /// Limits of single endpoints.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub endpoints: Vec<Value>,
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
