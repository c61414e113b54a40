//! What a key may do, and what is remembered about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::AccessDefinition;
use crate::zero::{is_zero, or_zero};

/// What a key may do. Source: Tyk, `SessionState` in `user/session.go`.
///
/// Fields may be absent or `null`; zero values are not written, and unknown fields survive a round trip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The organisation that owns the key.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub org_id: String,
    /// A label for people.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub alias: String,
    /// Tags that analytics records carry.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub tags: Vec<String>,
    /// Whatever the issuer of the key wants to remember; plugins see it.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub meta_data: Map<String, Value>,
    /// What may be called, by `api_id`; empty means every API.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub access_rights: BTreeMap<String, AccessDefinition>,
    /// Requests per [`per`](Self::per); zero or less means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub rate: f64,
    /// The window of [`rate`](Self::rate), in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub per: f64,
    /// When the rate was last looked at, in seconds since 1970.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub last_check: i64,
    /// What is left of the rate.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub allowance: f64,
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
    /// When the key was made (RFC 3339).
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub date_created: String,
    /// When the key was last written, in seconds since 1970, as text.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub last_updated: String,
    /// When the key expires, in seconds since 1970; zero or less means never.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub expires: i64,
    /// When analytics records of the key may be dropped, in seconds after they were made.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub data_expires: i64,
    /// How long the key is stored, in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub session_lifetime: i64,
    /// What happens to an expired key: `retain` or `delete`.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub post_expiry_action: String,
    /// How long an expired key is retained, in seconds; -1 means forever.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub post_expiry_grace_period: i64,
    /// Until when the answer of an auth plugin may be reused, in seconds since 1970.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub id_extractor_deadline: i64,
    /// Refuses every request of the key.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub is_inactive: bool,
    /// The policies that apply.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub apply_policies: Vec<String>,
    /// The policy that applies, in keys that know one only.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub apply_policy_id: String,
    /// The OAuth client that the key belongs to.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub oauth_client_id: String,
    /// OAuth tokens, by client.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub oauth_keys: BTreeMap<String, String>,
    /// The client certificate that stands for the key.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub certificate: String,
    /// Client certificates without which the key does not count.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub mtls_static_certificate_bindings: Vec<String>,
    /// The password, for basic authentication.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub basic_auth_data: BasicAuthData,
    /// The secret, for JWT.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub jwt_data: JwtData,
    /// Allows signed requests.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub hmac_enabled: bool,
    /// The secret that requests are signed with.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub hmac_string: String,
    /// Allows requests signed with a certificate.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub enable_http_signature_validation: bool,
    /// The certificate that requests are signed with.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub rsa_certificate_id: String,
    /// At which use of the quota somebody is told.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub monitor: Monitor,
    /// Records requests and responses in full.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub enable_detailed_recording: bool,
    /// An older name of `enable_detailed_recording`.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub enable_detail_recording: bool,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
    /// The key that the session belongs to; never written.
    #[serde(skip)]
    pub key_id: String,
}

/// The password of a session. Source: Tyk, `BasicAuthData` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BasicAuthData {
    /// The password, or its hash.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub password: String,
    /// How it is hashed; empty means not at all.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub hash_type: String,
}

/// The JWT secret of a session. Source: Tyk, `JWTData` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JwtData {
    /// The secret.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub secret: String,
}

/// When somebody is told about a quota. Source: Tyk, `Monitor` in `user/session.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitor {
    /// Shares of the quota, in percent.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub trigger_limits: Vec<f64>,
}

impl Session {
    /// A session that may do everything, as no limit is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session as it is stored, in JSON.
    ///
    /// # Errors
    /// When it is no session.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        // It is here that it is read, not where it is needed: reading it takes 80 KiB of code each time it is compiled.
        serde_json::from_slice(text)
    }

    /// The policies that apply, in their order; the older field counts only without the newer one.
    pub fn policy_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        let (newer, older) = (self.apply_policies.as_slice(), std::slice::from_ref(&self.apply_policy_id));
        let ids = if !newer.is_empty() || self.apply_policy_id.is_empty() { newer } else { older };
        ids.iter().map(String::as_str)
    }

    /// Sets the organisation.
    #[must_use]
    pub fn with_org_id(mut self, org_id: impl Into<String>) -> Self {
        self.org_id = org_id.into();
        self
    }

    /// Sets the label.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = alias.into();
        self
    }

    /// Sets the key that the session belongs to.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = key_id.into();
        self
    }

    /// Sets one entry of `meta_data`.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta_data.insert(key.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A session written by somebody else comes back as `expected`.
    fn check(input: &Value, expected: &Value) {
        let session: Session = serde_json::from_value(input.clone()).unwrap();
        assert_eq!(&serde_json::to_value(session).unwrap(), expected);
    }

    #[test]
    fn an_unknown_field_survives_a_round_trip() {
        let session = json!({
            "org_id": "default", "rate": 100.0, "per": 60.0, "quota_max": -1, "quota_renewal_rate": 3600,
            "access_rights": {"demo": {
                "api_id": "demo", "versions": ["Default"], "limit": {"rate": 1.5, "burst": 2},
                "allowed_urls": [{"url": "/a", "methods": ["GET"]}], "mcp_tools": ["x"],
            }},
            "basic_auth_data": {"password": "p"}, "monitor": {"trigger_limits": [80.0]},
            "meta_data": {"tier": "gold", "nothing": null}, "smoothing": {"enabled": true},
            "of_the_future": {"a": [1, null]},
        });
        check(&session, &session);
    }

    #[test]
    fn zero_values_and_nulls_are_accepted_and_not_written() {
        check(
            &json!({
                "rate": 0, "expires": 0, "tags": null, "apply_policies": [], "oauth_keys": null, "alias": "",
                "access_rights": {"a": {"versions": null, "limit": {"rate": 0}}}, "jwt_data": {"secret": ""},
                "is_inactive": false, "smoothing": null, "last_updated": null,
            }),
            &json!({"access_rights": {"a": {}}}),
        );
    }

    #[test]
    fn the_older_policy_field_counts_only_without_the_newer() {
        for (session, expected) in [
            (json!({}), &[][..]),
            (json!({"apply_policy_id": "a"}), &["a"]),
            (json!({"apply_policies": ["c", "b"]}), &["c", "b"]),
            (json!({"apply_policy_id": "a", "apply_policies": ["b"]}), &["b"]),
        ] {
            let session: Session = serde_json::from_value(session).unwrap();
            assert_eq!(session.policy_ids().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_key_id_is_never_written() {
        let session = Session::new().with_org_id("o").with_alias("a").with_key_id("secret").with_meta("tier", "gold");
        assert_eq!(session.key_id, "secret");
        let written = serde_json::to_value(session).unwrap();
        assert_eq!(written, json!({"org_id": "o", "alias": "a", "meta_data": {"tier": "gold"}}));
    }
}
