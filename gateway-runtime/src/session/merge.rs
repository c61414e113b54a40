//! The rights and limits of several policies, as those of one session. Source: Tyk, `internal/policy/apply.go`.

use std::collections::{BTreeMap, BTreeSet};

use gateway_model::{
    AccessDefinition, AccessLimit, AccessSpec, Endpoint, EndpointMethod, FieldAccess, Policy, Session, TypeFields,
};

use super::apply::ApplyError;

/// What the policies say that were added so far.
#[derive(Default)]
pub(super) struct Merge {
    /// By API.
    rights: BTreeMap<String, Right>,
    has_per_api: bool,
    has_partitioned: bool,
}

/// What they say of one API.
#[derive(Default)]
struct Right {
    access: AccessDefinition,
    /// Who gave the access: counters of different ones are apart.
    by: String,
    has_access: bool,
    has_rate: bool,
    has_quota: bool,
    has_complexity: bool,
}

impl Merge {
    /// Adds what a policy says. What it says of all APIs together is written into `session`.
    ///
    /// # Errors
    /// When it cannot be together with those before it, or with itself.
    pub(super) fn add(&mut self, policy: &Policy, session: &mut Session) -> Result<(), ApplyError> {
        let (per_api, partitioned) = (policy.partitions.per_api, policy.partitions.is_partitioned());
        if (per_api && (partitioned || self.has_partitioned)) || (partitioned && self.has_per_api) {
            return Err(ApplyError::Mixed { id: policy.id.clone() });
        }
        self.has_partitioned |= partitioned;
        if per_api {
            self.has_per_api |= !policy.access_rights.is_empty();
            policy.access_rights.iter().for_each(|(api_id, access)| self.add_per_api(policy, api_id, access, session));
        } else if policy.access_rights.is_empty() {
            master(policy, session);
        } else {
            policy.access_rights.iter().for_each(|(api_id, access)| self.add_parts(policy, api_id, access, session));
        }
        Ok(())
    }

    /// Each API has the limit that is written beside it, else that of the policy, and counts for itself.
    fn add_per_api(&mut self, policy: &Policy, api_id: &str, access: &AccessDefinition, session: &Session) {
        let mut access = access.clone();
        let is_own = !access.limit.is_zero();
        let scope = if is_own { api_id } else { &policy.id };
        if !is_own {
            access.limit = limit_of(policy);
        }
        scope.clone_into(&mut access.allowance_scope);
        let mut by = scope.to_owned();
        if let Some(before) = session.access_rights.get(api_id) {
            if !before.limit.is_zero() {
                access.limit.quota_renews = before.limit.quota_renews;
            }
            access.disable_introspection |= before.disable_introspection;
        }
        let right = self.rights.entry(api_id.to_owned()).or_default();
        if right.has_access && keep_higher(&mut access, &right.access) {
            by.clone_from(&right.by);
        }
        *right = Right { access, by, has_access: true, has_rate: true, has_quota: true, has_complexity: true };
    }

    /// The parts that the policy governs. Its own limits count, not those beside the APIs.
    fn add_parts(&mut self, policy: &Policy, api_id: &str, access: &AccessDefinition, session: &mut Session) {
        let parts = &policy.partitions;
        let right = self.rights.entry(api_id.to_owned()).or_default();
        if parts.governs_access() {
            right.has_access = true;
            right.by.clone_from(&policy.id);
            merge_access(&mut right.access, access);
        }
        let limit = &mut right.access.limit;
        if parts.governs_quota() {
            right.has_quota = true;
            if is_more(policy.quota_max, limit.quota_max) {
                limit.quota_max = policy.quota_max;
                session.quota_max = most(policy.quota_max, session.quota_max);
            }
            limit.quota_renewal_rate = limit.quota_renewal_rate.max(policy.quota_renewal_rate);
            session.quota_renewal_rate = session.quota_renewal_rate.max(policy.quota_renewal_rate);
        }
        if parts.governs_rate() {
            right.has_rate = true;
            merge_rate(policy, limit, session);
            let before = std::mem::take(&mut right.access.endpoints);
            right.access.endpoints = merge_endpoints(before, &access.endpoints);
        }
        let limit = &mut right.access.limit;
        if parts.governs_complexity() {
            right.has_complexity = true;
            if is_more(policy.max_query_depth, limit.max_query_depth) {
                limit.max_query_depth = policy.max_query_depth;
                session.max_query_depth = most(policy.max_query_depth, session.max_query_depth);
            }
        }
        if let Some(before) = session.access_rights.get(api_id).filter(|before| !before.limit.is_zero()) {
            limit.quota_renews = before.limit.quota_renews;
        }
    }

    /// Writes the rights into the session.
    ///
    /// # Errors
    /// When no API is left.
    pub(super) fn conclude(self, session: &mut Session) -> Result<(), ApplyError> {
        let Self { mut rights, .. } = self;
        let only = only_limited(&rights);
        let givers: BTreeSet<String> =
            rights.values().map(|right| right.by.clone()).filter(|by| !by.is_empty()).collect();
        rights.retain(|_, right| right.has_access);
        for right in rights.values_mut() {
            right.inherit(session);
            if givers.len() > 1 && right.access.allowance_scope.is_empty() {
                right.access.allowance_scope.clone_from(&right.by);
            }
        }
        if rights.is_empty() {
            return Err(ApplyError::NoneValid);
        }
        if let Some(right) = only.and_then(|api_id| rights.get(&api_id)) {
            let limit = &right.access.limit;
            (session.rate, session.per) = (limit.rate, limit.per);
            session.smoothing.clone_from(&limit.smoothing);
            (session.quota_max, session.quota_renews) = (limit.quota_max, limit.quota_renews);
            session.quota_renewal_rate = limit.quota_renewal_rate;
            session.max_query_depth = limit.max_query_depth;
        }
        session.access_rights = rights.into_iter().map(|(api_id, right)| (api_id, right.access)).collect();
        Ok(())
    }
}

impl Right {
    /// What no policy governs is the session's.
    fn inherit(&mut self, session: &Session) {
        let limit = &mut self.access.limit;
        if !self.has_rate {
            (limit.rate, limit.per) = (session.rate, session.per);
            limit.smoothing.clone_from(&session.smoothing);
            limit.throttle_interval = session.throttle_interval;
            limit.throttle_retry_limit = session.throttle_retry_limit;
        }
        if !self.has_complexity {
            limit.max_query_depth = session.max_query_depth;
        }
        if !self.has_quota {
            limit.quota_max = session.quota_max;
            limit.quota_renewal_rate = session.quota_renewal_rate;
            limit.quota_renews = session.quota_renews;
        }
    }
}

/// The API whose rate is governed, if it is the only one, and quota and complexity are of one API too.
fn only_limited(rights: &BTreeMap<String, Right>) -> Option<String> {
    let count = |has: fn(&Right) -> bool| rights.values().filter(|right| has(right)).count();
    let is_one = count(|right| right.has_quota) == 1 && count(|right| right.has_complexity) == 1;
    let mut rated = rights.iter().filter(|(_, right)| right.has_rate).map(|(api_id, _)| api_id);
    let first = rated.next().filter(|_| is_one)?;
    rated.next().is_none().then(|| first.clone())
}

/// A policy that names no API limits the session as a whole.
fn master(policy: &Policy, session: &mut Session) {
    let parts = &policy.partitions;
    if parts.governs_rate() {
        (session.rate, session.per) = (policy.rate, policy.per);
        session.smoothing.clone_from(&policy.smoothing);
        session.throttle_interval = policy.throttle_interval;
        session.throttle_retry_limit = policy.throttle_retry_limit;
    }
    if parts.governs_complexity() {
        session.max_query_depth = policy.max_query_depth;
    }
    if parts.governs_quota() {
        (session.quota_max, session.quota_renewal_rate) = (policy.quota_max, policy.quota_renewal_rate);
    }
}

fn limit_of(policy: &Policy) -> AccessLimit {
    AccessLimit {
        rate: policy.rate,
        per: policy.per,
        smoothing: policy.smoothing.clone(),
        throttle_interval: policy.throttle_interval,
        throttle_retry_limit: policy.throttle_retry_limit,
        max_query_depth: policy.max_query_depth,
        quota_max: policy.quota_max,
        quota_renewal_rate: policy.quota_renewal_rate,
        ..AccessLimit::default()
    }
}

/// Whether a number is larger; -1 is the largest.
fn is_more(number: i64, than: i64) -> bool {
    number == -1 || (than != -1 && number > than)
}

fn most(one: i64, other: i64) -> i64 {
    if is_more(one, other) { one } else { other }
}

/// Seconds between two requests; none if they are not limited.
fn interval(rate: f64, per: f64) -> f64 {
    if rate <= 0.0 || per <= 0.0 { 0.0 } else { per / rate }
}

/// The fastest policy wins, and the longest throttling.
fn merge_rate(policy: &Policy, limit: &mut AccessLimit, session: &mut Session) {
    let is_said = |rate: f64, per: f64| rate != 0.0 && per != 0.0;
    let wins = |rate: f64, per: f64| !is_said(rate, per) || interval(rate, per) > interval(policy.rate, policy.per);
    if is_said(policy.rate, policy.per) {
        if wins(limit.rate, limit.per) {
            (limit.rate, limit.per) = (policy.rate, policy.per);
            limit.smoothing.clone_from(&policy.smoothing);
        }
        if wins(session.rate, session.per) {
            (session.rate, session.per) = (policy.rate, policy.per);
            session.smoothing.clone_from(&policy.smoothing);
        }
    }
    limit.throttle_retry_limit = limit.throttle_retry_limit.max(policy.throttle_retry_limit);
    session.throttle_retry_limit = session.throttle_retry_limit.max(policy.throttle_retry_limit);
    limit.throttle_interval = limit.throttle_interval.max(policy.throttle_interval);
    session.throttle_interval = session.throttle_interval.max(policy.throttle_interval);
}

/// Leaves in `access` the higher of its limits and those of `before`; whether any of `before` was.
fn keep_higher(access: &mut AccessDefinition, before: &AccessDefinition) -> bool {
    let (limit, earlier) = (&mut access.limit, &before.limit);
    let is_faster = interval(limit.rate, limit.per) > interval(earlier.rate, earlier.per);
    if is_faster {
        (limit.rate, limit.per) = (earlier.rate, earlier.per);
        limit.smoothing.clone_from(&earlier.smoothing);
    }
    let is_larger = earlier.quota_max != limit.quota_max && is_more(earlier.quota_max, limit.quota_max);
    if is_larger {
        limit.quota_max = earlier.quota_max;
    }
    limit.quota_renewal_rate = most(earlier.quota_renewal_rate, limit.quota_renewal_rate);
    if limit.quota_max == -1 {
        limit.quota_renewal_rate = 0;
    }
    if is_faster || is_larger {
        access.allowance_scope.clone_from(&before.allowance_scope);
    }
    access.endpoints = merge_endpoints(before.endpoints.clone(), &access.endpoints);
    is_faster || is_larger
}

/// What either allows. Types of GraphQL stay as restricted as both have them.
fn merge_access(into: &mut AccessDefinition, from: &AccessDefinition) {
    for (name, other) in [(&mut into.api_id, &from.api_id), (&mut into.api_name, &from.api_name)] {
        if name.is_empty() {
            name.clone_from(other);
        }
    }
    into.disable_introspection |= from.disable_introspection;
    add_missing(&mut into.versions, &from.versions);
    merge_urls(&mut into.allowed_urls, &from.allowed_urls);
    intersect(&mut into.restricted_types, &from.restricted_types);
    intersect(&mut into.allowed_types, &from.allowed_types);
    merge_fields(&mut into.field_access_rights, &from.field_access_rights);
    into.other.extend(from.other.iter().map(|(key, value)| (key.clone(), value.clone())));
}

fn add_missing(into: &mut Vec<String>, from: &[String]) {
    for text in from {
        if !into.contains(text) {
            into.push(text.clone());
        }
    }
}

fn merge_urls(into: &mut Vec<AccessSpec>, from: &[AccessSpec]) {
    for spec in from {
        match into.iter_mut().find(|known| known.url == spec.url) {
            Some(known) => add_missing(&mut known.methods, &spec.methods),
            None => into.push(spec.clone()),
        }
    }
}

/// Fields that both name, of types that both name; types that only one names stay.
fn intersect(into: &mut Vec<TypeFields>, from: &[TypeFields]) {
    if into.is_empty() {
        into.extend_from_slice(from);
        return;
    }
    for known in into {
        if let Some(other) = from.iter().find(|other| other.name == known.name) {
            known.fields.retain(|field| other.fields.contains(field));
        }
    }
}

fn merge_fields(into: &mut Vec<FieldAccess>, from: &[FieldAccess]) {
    for field in from {
        let is_it =
            |known: &&mut FieldAccess| known.type_name == field.type_name && known.field_name == field.field_name;
        match into.iter_mut().find(is_it) {
            Some(known) => {
                let depth = &mut known.limits.max_query_depth;
                *depth = most(field.limits.max_query_depth, *depth);
            }
            None => into.push(field.clone()),
        }
    }
}

/// Of each method of each path the fastest limit, in the order in which they were named.
fn merge_endpoints(mut into: Vec<Endpoint>, from: &[Endpoint]) -> Vec<Endpoint> {
    for endpoint in from {
        let Some(known) = into.iter_mut().find(|known| known.path == endpoint.path) else {
            into.push(endpoint.clone());
            continue;
        };
        for method in &endpoint.methods {
            let is_it = |known: &&mut EndpointMethod| known.name.eq_ignore_ascii_case(&method.name);
            match known.methods.iter_mut().find(is_it) {
                Some(known) => {
                    let [old, new] = [&known.limit, &method.limit].map(|limit| interval(limit.rate, limit.per));
                    if old > new {
                        known.limit.clone_from(&method.limit);
                    }
                }
                None => known.methods.push(method.clone()),
            }
        }
    }
    into
}
