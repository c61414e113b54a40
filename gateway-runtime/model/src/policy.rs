//! What many keys may do: a policy, which is written once and applied to every session that names it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::AccessDefinition;
use crate::zero::{is_zero, or_zero};

mod known;
mod read;

pub use read::{PoliciesReading, PolicyReading, read_policies, read_policy};

/// What the keys that name it may do. Source: Tyk, `Policy` in `user/policy.go`.
///
/// Fields may be absent or `null`; zero values are not written, and unknown fields survive a round trip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The id in a database, kept as it came; nothing here looks at it.
    #[serde(rename = "_id", skip_serializing_if = "is_zero")]
    pub database_id: Option<Value>,
    /// What sessions name it by.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub id: String,
    /// The name, for people.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub name: String,
    /// The organisation whose keys it is for.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub org_id: String,
    /// Requests per [`per`](Self::per); zero or less means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub rate: f64,
    /// The window of [`rate`](Self::rate), in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub per: f64,
    /// Requests per window of the quota; zero or less means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota_max: i64,
    /// The window of the quota, in seconds; zero means that it never renews.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota_renewal_rate: i64,
    /// Time between attempts of a throttled request, in seconds.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub throttle_interval: f64,
    /// Attempts of a throttled request.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub throttle_retry_limit: i64,
    /// Depth allowed to a GraphQL query; -1 means unlimited.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub max_query_depth: i64,
    /// What may be called, by `api_id`; a policy without any is a master policy, and limits the session as a whole.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub access_rights: BTreeMap<String, AccessDefinition>,
    /// Allows signed requests.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub hmac_enabled: bool,
    /// Allows requests signed with a certificate.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub enable_http_signature_validation: bool,
    /// Kept as it came: what switches a policy off is [`is_inactive`](Self::is_inactive).
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub active: bool,
    /// Refuses every request of its keys.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub is_inactive: bool,
    /// Tags that analytics records of its keys carry.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub tags: Vec<String>,
    /// How long after it was made a key expires, in seconds; zero or less means never.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub key_expires_in: i64,
    /// What happens to an expired key: `retain` or `delete`.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub post_expiry_action: String,
    /// How long an expired key is retained, in seconds; -1 means forever.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub post_expiry_grace_period: i64,
    /// Which parts of a session it governs.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub partitions: Partitions,
    /// When it was last written, in seconds since 1970, as text.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub last_updated: String,
    /// What its keys remember.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub meta_data: Map<String, Value>,
    /// Kept as it came.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub graphql_access_rights: Map<String, Value>,
    /// How the rate follows the load; kept as it came.
    #[serde(skip_serializing_if = "is_zero")]
    pub smoothing: Option<Value>,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Policy {
    /// The policies in a list that is JSON.
    ///
    /// # Errors
    /// When it is no list, or one of them is no policy.
    pub fn list_from_json(list: &Value) -> Result<Vec<Self>, serde_json::Error> {
        // By way of its text, as sessions are read: otherwise access rights are compiled once more.
        serde_json::from_slice(&serde_json::to_vec(list)?)
    }
}

/// Which parts of a session a policy governs. Source: Tyk, `PolicyPartitions` in `user/policy.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partitions {
    /// The quota.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub quota: bool,
    /// Rate and throttling, of single endpoints too.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub rate_limit: bool,
    /// The depth of GraphQL queries.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub complexity: bool,
    /// What may be called.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub acl: bool,
    /// All of these, and each API counts for itself; excludes the others.
    #[serde(deserialize_with = "or_zero", skip_serializing_if = "is_zero")]
    pub per_api: bool,
    /// Everything else, kept as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Partitions {
    /// Whether the policy governs single parts: without any it governs all.
    pub fn is_partitioned(&self) -> bool {
        self.quota || self.rate_limit || self.complexity || self.acl
    }

    /// Whether the quota is governed.
    pub fn governs_quota(&self) -> bool {
        self.quota || !self.is_partitioned()
    }

    /// Whether rate and throttling are governed.
    pub fn governs_rate(&self) -> bool {
        self.rate_limit || !self.is_partitioned()
    }

    /// Whether the depth of GraphQL queries is governed.
    pub fn governs_complexity(&self) -> bool {
        self.complexity || !self.is_partitioned()
    }

    /// Whether it is governed what may be called.
    pub fn governs_access(&self) -> bool {
        self.acl || !self.is_partitioned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A policy written by somebody else comes back as `expected`.
    fn check(input: &Value, expected: &Value) {
        let policy: Policy = serde_json::from_value(input.clone()).unwrap();
        assert_eq!(&serde_json::to_value(policy).unwrap(), expected);
    }

    #[test]
    fn every_documented_field_and_any_other_survives_a_round_trip() {
        let policy = known::every_field();
        check(&policy, &policy);
        let read: Policy = serde_json::from_value(policy.clone()).unwrap();
        let access = &read.access_rights["demo"];
        let others = [&read.other, &read.partitions.other, &access.other, &access.limit.other];
        let others: Vec<_> = others.into_iter().flat_map(Map::keys).collect();
        assert_eq!(others, ["of_the_future", "new", "mcp_tools", "burst"], "what is unknown, and nothing else");
        let fields = known::POLICY.iter().filter(|field| policy.get(**field).is_none());
        assert_eq!(fields.count(), 0, "a field that is known and not in the example");
    }

    #[test]
    fn zero_values_and_nulls_are_accepted_and_not_written() {
        check(
            &json!({
                "_id": null, "id": "p", "rate": 0, "quota_max": 0, "tags": null, "access_rights": null, "active": false,
                "partitions": {"quota": false, "per_api": null}, "meta_data": {}, "smoothing": null, "name": "",
            }),
            &json!({"id": "p"}),
        );
    }

    #[test]
    fn a_policy_without_partitions_governs_every_part() {
        let governed = |partitions: Value| {
            let it: Partitions = serde_json::from_value(partitions).unwrap();
            [it.governs_quota(), it.governs_rate(), it.governs_complexity(), it.governs_access()]
        };
        assert_eq!(governed(json!({})), [true; 4]);
        assert_eq!(governed(json!({"per_api": true})), [true; 4]);
        assert_eq!(governed(json!({"quota": true})), [true, false, false, false]);
        assert_eq!(governed(json!({"rate_limit": true})), [false, true, false, false]);
        assert_eq!(governed(json!({"complexity": true})), [false, false, true, false]);
        assert_eq!(governed(json!({"acl": true, "quota": true})), [true, false, false, true]);
    }
}
