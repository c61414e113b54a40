//! From the text of policies to their data, and to everything wrong in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Policy, known};
use crate::document::locate_all;
use crate::finding::{Finding, Severity};
use crate::json_path::JsonPath;
use crate::locate::Locator;
use crate::meaning::Mistake;
use crate::{shape, unhonoured};

/// A policy that was read, and everything that was found out about it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyReading {
    /// The policy; `None` if any finding is an error.
    pub policy: Option<Policy>,
    /// All errors and warnings, from the top of the document to its end.
    pub findings: Vec<Finding>,
}

/// Policies that were read, and everything that was found out about them.
#[derive(Clone, Debug, PartialEq)]
pub struct PoliciesReading {
    /// The policies, by id; `None` if any finding is an error. A key may name several policies, and is given what the
    /// others allow if one is missing: a part of the file would not be less than all of it.
    pub policies: Option<BTreeMap<String, Policy>>,
    /// All errors and warnings, from the top of the document to its end.
    pub findings: Vec<Finding>,
}

/// Reads a file of a policy folder, which is one policy with an `id`, and finds all that is wrong in it in one run.
///
/// Source: Tyk, `policies.policy_path`, in `gateway/policy.go`.
pub fn read_policy(text: &str) -> PolicyReading {
    let mut locator = Locator::new(text);
    let document = match serde_json::from_str::<Value>(text) {
        Ok(document) => document,
        Err(error) => return PolicyReading { policy: None, findings: vec![Finding::of_syntax(&locator, &error)] },
    };
    let mut mistakes = Vec::new();
    let at = JsonPath::default();
    let policy = one(document, &at, &mut mistakes);
    if policy.id.is_empty() && !mistakes.iter().any(|(_, wrong, _)| wrong.contains(&at.key("id"))) {
        let reason = "is empty; every policy in a folder needs one of its own";
        mistakes.push((Severity::Error, at.key("id"), reason.to_owned()));
    }
    let (findings, refused) = locate_all(&mut locator, mistakes);
    PolicyReading { policy: (!refused).then_some(policy), findings }
}

/// Reads a file of policies by id, and finds all that is wrong in it in one run.
///
/// Source: Tyk, `policies.policy_record_name`, in `gateway/policy.go`.
pub fn read_policies(text: &str) -> PoliciesReading {
    let mut locator = Locator::new(text);
    let document = match serde_json::from_str::<Value>(text) {
        Ok(document) => document,
        Err(error) => return PoliciesReading { policies: None, findings: vec![Finding::of_syntax(&locator, &error)] },
    };
    let mut mistakes = Vec::new();
    let mut policies = BTreeMap::new();
    let root = JsonPath::default();
    // What is no object is told as such by the same words as anywhere else.
    let (_, notes) = shape::read::<BTreeMap<String, Value>>(&document);
    mistakes.extend(notes.mistakes.into_iter().map(|(path, reason)| (Severity::Error, path, reason)));
    if document.is_null() {
        mistakes.push((Severity::Error, root.clone(), "is null; policies are an object, by id".to_owned()));
    }
    let Value::Object(members) = document else {
        return PoliciesReading { policies: None, findings: locate_all(&mut locator, mistakes).0 };
    };
    for (id, document) in members {
        let at = root.key(&id);
        if id.is_empty() {
            let reason = "is the id of a policy, and empty; no session can name it";
            mistakes.push((Severity::Error, at.clone(), reason.to_owned()));
        }
        let mut policy = one(document, &at, &mut mistakes);
        if !policy.id.is_empty() && policy.id != id {
            let reason = format!("is not what counts: the id of this policy is its key, `{id}`");
            mistakes.push((Severity::Warning, at.key("id"), reason));
        }
        policy.id.clone_from(&id);
        policies.insert(id, policy);
    }
    let (findings, refused) = locate_all(&mut locator, mistakes);
    PoliciesReading { policies: (!refused).then_some(policies), findings }
}

/// The policy in a document, or as much of it as can be read.
fn one(mut document: Value, at: &JsonPath, mistakes: &mut Vec<Mistake>) -> Policy {
    if document.is_null() {
        let reason = "is null; a policy is an object";
        mistakes.push((Severity::Error, at.clone(), reason.to_owned()));
    }
    let unknown = known::normalize(&mut document, &JsonPath::default());
    let within = |path: &JsonPath| path.segments().iter().fold(at.clone(), |at, step| at.then(step.clone()));
    let (policy, notes) = shape::read::<Policy>(&document);
    let is_news = |(_, path, _): &Mistake| !notes.mistakes.iter().any(|(wrong, _)| wrong.contains(path));
    let meaning = meaning(&policy).into_iter().filter(is_news);
    let idle = unhonoured::warnings(&document, &unknown, &[]);
    let shapes = notes.mistakes.iter().map(|(path, reason)| (Severity::Error, path.clone(), reason.clone()));
    let found = shapes
        .chain(meaning)
        .chain(idle.into_iter().map(|(path, reason)| (Severity::Warning, path, reason)))
        .map(|(severity, path, reason)| (severity, within(&path), reason));
    mistakes.extend(found);
    policy
}

/// Mistakes of meaning. None of them is an error: a policy that cannot be applied refuses its keys, and no others.
fn meaning(policy: &Policy) -> Vec<Mistake> {
    let root = JsonPath::default();
    let mut mistakes = Vec::new();
    let mut warn = |path: JsonPath, reason: &str| mistakes.push((Severity::Warning, path, reason.to_owned()));
    if policy.partitions.per_api && policy.partitions.is_partitioned() {
        let reason =
            "excludes the other partitions: every key with this policy is refused; leave `per_api` or the others";
        warn(root.key("partitions").key("per_api"), reason);
    }
    if policy.rate > 0.0 && policy.per <= 0.0 {
        warn(root.key("rate"), "has no effect: `per` is not above 0; say in how many seconds");
    }
    if !["", "retain", "delete"].contains(&policy.post_expiry_action.as_str()) {
        warn(root.key("post_expiry_action"), "has no effect; it is `retain` or `delete`");
    }
    for (api, access) in &policy.access_rights {
        let limit = &access.limit;
        if limit.rate > 0.0 && limit.per <= 0.0 {
            let at = root.key("access_rights").key(api).key("limit").key("rate");
            warn(at, "has no effect: `per` is not above 0; say in how many seconds");
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
