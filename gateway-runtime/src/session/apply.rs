//! Policies applied to a session: what it may do is what they say. Source: Tyk, `internal/policy/apply.go`.
//!
//! A policy names no other policy, and what `meta_data.policies` held is read once, so that nothing here can go round in
//! circles: the work is bounded by the policies that a session names, or holds.

use std::collections::BTreeMap;

use gateway_model::{Policy, Session};
use serde_json::Value;

use super::key::obfuscated;
use super::merge::Merge;

/// The member of a session's `meta_data` that holds policies of its own, in place of those it names.
const INLINE: &str = "policies";

/// Where policies are found by their ids.
pub(crate) trait Lookup {
    fn policy(&self, id: &str) -> Option<&Policy>;
}

impl Lookup for BTreeMap<String, Policy> {
    fn policy(&self, id: &str) -> Option<&Policy> {
        self.get(id)
    }
}

/// Why a key is not valid with its policies. The texts are Tyk's, or begin with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("policy not found: {id:?}")]
    NotFound { id: String },
    /// `key` is as the log may show it.
    #[error(
        "attempting to apply policy from different organisation to key, skipping: policy {id:?}, key {key}; give the policy \
         the `org_id` of the API, or the key another policy"
    )]
    OtherOrganisation { id: String, key: String },
    #[error("cannot apply multiple policies when some have per_api set and some are partitioned")]
    Mixed { id: String },
    #[error("key has no valid policies to be applied")]
    NoneValid,
}

/// Makes of a session what its policies say: those in its `meta_data`, else those that it names. To apply them again
/// changes nothing.
///
/// With an `org_id`, policies of other organisations are refused.
///
/// # Errors
/// When the policies cannot be applied. The session is then as it was, and must not be used.
pub(crate) fn apply(policies: &impl Lookup, org_id: Option<&str>, session: &mut Session) -> Result<(), ApplyError> {
    let inline = inline(session);
    let chosen: Vec<&Policy> = match &inline {
        Some(inline) => inline.iter().collect(),
        None if session.policy_ids().len() == 0 => {
            scope_own_limits(session);
            return Ok(());
        }
        None => named(policies, session)?,
    };
    let mut applied = session.clone();
    // Values that policies govern would win over lower ones of theirs.
    chosen.iter().for_each(|policy| clear(&mut applied, policy));
    // The policies decide, whatever the session says.
    applied.is_inactive = false;
    let mut merge = Merge::default();
    for policy in chosen {
        if org_id.is_some_and(|org_id| policy.org_id != org_id) {
            let key = obfuscated(&session.key_id);
            return Err(ApplyError::OtherOrganisation { id: policy.id.clone(), key });
        }
        merge.add(policy, &mut applied)?;
        adorn(&mut applied, policy);
    }
    merge.conclude(&mut applied)?;
    *session = applied;
    Ok(())
}

/// When a new key expires, in seconds since 1970: as the last of its policies has it that says so.
///
/// It is not for a key that is there already. Source: Tyk, `checkAndApplyTrialPeriod` in `gateway/api.go`.
pub(crate) fn expires_of_new(policies: &impl Lookup, session: &Session, now: i64) -> Option<i64> {
    let found = session.policy_ids().filter_map(|id| policies.policy(id));
    found.filter(|policy| policy.key_expires_in > 0).last().map(|policy| now.saturating_add(policy.key_expires_in))
}

/// The policies that a session holds; a list of anything else is none, as with Tyk.
fn inline(session: &Session) -> Option<Vec<Policy>> {
    let list = session.meta_data.get(INLINE).filter(|value| value.is_array())?;
    Policy::list_from_json(list).ok()
}

/// The policies that a session names. One of several that is missing is left out.
fn named<'p>(policies: &'p impl Lookup, session: &Session) -> Result<Vec<&'p Policy>, ApplyError> {
    let ids = session.policy_ids();
    let is_only_one = ids.len() == 1;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        match policies.policy(id) {
            Some(policy) => found.push(policy),
            None if is_only_one => return Err(ApplyError::NotFound { id: id.to_owned() }),
            None => {}
        }
    }
    Ok(found)
}

/// Without policies, an API with limits of its own has counters of its own.
fn scope_own_limits(session: &mut Session) {
    for (api_id, access) in &mut session.access_rights {
        if !access.limit.is_zero() && access.allowance_scope != *api_id {
            access.allowance_scope.clone_from(api_id);
        }
    }
}

fn clear(session: &mut Session, policy: &Policy) {
    let parts = &policy.partitions;
    if parts.governs_quota() {
        (session.quota_max, session.quota_remaining) = (0, 0);
    }
    if parts.governs_rate() {
        (session.rate, session.per, session.smoothing) = (0.0, 0.0, None);
        (session.throttle_interval, session.throttle_retry_limit) = (0.0, 0);
    }
    if parts.governs_complexity() {
        session.max_query_depth = 0;
    }
}

/// What a policy says of a session besides its rights and limits.
fn adorn(session: &mut Session, policy: &Policy) {
    session.is_inactive |= policy.is_inactive;
    session.hmac_enabled |= policy.hmac_enabled;
    session.enable_http_signature_validation |= policy.enable_http_signature_validation;
    for tag in &policy.tags {
        if !session.tags.contains(tag) {
            session.tags.push(tag.clone());
        }
    }
    // Which policies a session holds is not for a policy to say: the next time they would be others.
    let values = policy.meta_data.iter().filter(|(key, _)| *key != INLINE);
    session.meta_data.extend(values.map(|(key, value): (&String, &Value)| (key.clone(), value.clone())));
    if policy.last_updated > session.last_updated {
        session.last_updated.clone_from(&policy.last_updated);
    }
    if !policy.post_expiry_action.is_empty() {
        session.post_expiry_action.clone_from(&policy.post_expiry_action);
    }
    if policy.post_expiry_grace_period != 0 {
        session.post_expiry_grace_period = policy.post_expiry_grace_period;
    }
}

#[cfg(test)]
mod tests;
