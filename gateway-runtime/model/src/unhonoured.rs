//! What a definition asks for and does not get: fields without effect, and among them those that guard access.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api_definition::ApiDefinition;
use crate::json_path::{JsonPath, Segment};
use crate::nearest::nearest;
use crate::shape::Unknown;

pub(crate) const NO_EFFECT: &str = "not honoured by this gateway; the field has no effect";
pub(crate) const REFUSED: &str = "not honoured by this gateway, and it guards access: requests to this API are refused";

/// Objects that exports write in full, and the member without which they do nothing.
const SWITCHES: &[(&str, &str)] = &[
    ("external_oauth", "enabled"),
    ("graphql", "enabled"),
    ("request_signing", "is_enabled"),
    ("service_discovery", "use_discovery_service"),
];

/// Ways of authentication, which guard whatever is not keyless.
const AUTHENTICATION: &[&[&str]] = &[&["use_oauth2"], &["use_openid"], &["external_oauth", "enabled"]];

/// The paths of all fields that guard access and that nothing here enforces.
pub(crate) fn guards(document: &Value, api: &ApiDefinition) -> Vec<JsonPath> {
    let root = JsonPath::default();
    let ways_in = AUTHENTICATION.iter().filter(|_| !api.use_keyless);
    ways_in
        .filter(|path| is_set(document, path))
        .map(|path| path.iter().fold(root.clone(), |path, key| path.key(*key)))
        .collect()
}

/// A reason for every guard and for every field without effect, the latter once for all elements of an array.
pub(crate) fn warnings(document: &Value, unknown: &[Unknown], guards: &[JsonPath]) -> Vec<(JsonPath, String)> {
    let mut warnings: Vec<_> = guards.iter().map(|path| (path.clone(), REFUSED.to_owned())).collect();
    let mut patterns = BTreeSet::new();
    for Unknown { path, fields } in unknown {
        let idle = get(document, path.segments()).is_none_or(|value| is_idle_field(path, value));
        if idle || guards.iter().any(|guard| is_around(path, guard)) || !patterns.insert(pattern(path)) {
            continue;
        }
        let meant = path.segments().last().and_then(|last| match last {
            Segment::Key(key) => nearest(key, fields),
            Segment::Index(_) => None,
        });
        let reason = match meant {
            Some(nearest) => format!("{NO_EFFECT}; did you mean `{nearest}`?"),
            None => NO_EFFECT.to_owned(),
        };
        warnings.push((path.clone(), reason));
    }
    warnings
}

fn pattern(path: &JsonPath) -> JsonPath {
    let folded = path.segments().iter().map(|segment| match segment {
        Segment::Index(_) => Segment::Index(0),
        key @ Segment::Key(_) => key.clone(),
    });
    folded.collect()
}

fn get<'v>(document: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(document, |value, segment| match segment {
        Segment::Key(key) => value.as_object().and_then(|object| member(object, key)),
        Segment::Index(index) => value.get(index),
    })
}

/// A member by its key, whatever its case. Source: Go, `encoding/json`.
fn member<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let folded = || object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    object.get(key).or_else(folded)
}

/// Whether the member at `path` asks for something, under whatever case it is written, or under several.
fn is_set(value: &Value, path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return !is_idle(value);
    };
    let members = value.as_object().into_iter().flatten();
    members.filter(|(name, _)| name.eq_ignore_ascii_case(key)).any(|(_, member)| is_set(member, rest))
}

/// Whether the value at `guard` is the one at `path`, or within it, whatever the case of the keys.
fn is_around(path: &JsonPath, guard: &JsonPath) -> bool {
    let same = |(outer, inner): (&Segment, &Segment)| match (outer, inner) {
        (Segment::Key(outer), Segment::Key(inner)) => outer.eq_ignore_ascii_case(inner),
        _ => outer == inner,
    };
    path.segments().len() <= guard.segments().len() && path.segments().iter().zip(guard.segments()).all(same)
}

/// Whether a field says nothing, or only that something is off which is never on here.
fn is_idle_field(path: &JsonPath, value: &Value) -> bool {
    let Some(Segment::Key(key)) = path.segments().last() else {
        return is_idle(value);
    };
    let switch = SWITCHES.iter().find(|(field, _)| field.eq_ignore_ascii_case(key));
    key.ends_with("_disabled") || switch.is_some_and(|(_, switch)| !is_set(value, &[switch])) || is_idle(value)
}

/// Whether a value is zero, consists of zeros, or says of itself that it is disabled.
pub(crate) fn is_idle(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.iter().all(is_idle),
        Value::Object(members) => members.get("disabled") == Some(&Value::Bool(true)) || members.values().all(is_idle),
    }
}
