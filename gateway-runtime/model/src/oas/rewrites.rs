//! `urlRewrite.triggers`: a list of rules in the OpenAPI form; in the classic form, objects by what they look at.

use serde_json::{Map, Value, json};

use super::rule::{self, Notes, get, is_on, is_zero, put};
use crate::json_path::JsonPath;

/// `in` of a rule, and the object that its pattern is in. Source: gateway.md §4.4, §5.6.
const PLACES: [(&str, &str); 6] = [
    ("query", "query_val_matches"),
    ("path", "path_part_matches"),
    ("header", "header_matches"),
    ("sessionMetadata", "session_meta_matches"),
    ("requestBody", "payload_matches"),
    ("requestContext", "request_context_matches"),
];

/// What has no names, but one pattern.
const BODY: &str = "requestBody";

pub(super) fn extract((from, at): (&Value, &JsonPath), (into, to): (&mut Value, &JsonPath), notes: &mut Notes) {
    let Some(triggers) = get(from, "triggers") else { return };
    let at = at.key("triggers");
    let Some(triggers) = notes.list(triggers, &at) else { return };
    let mut made = Vec::new();
    for (index, trigger) in triggers.iter().enumerate() {
        let (at, to) = (at.index(index), to.key("triggers").index(index));
        notes.places.add(to.clone(), at.clone(), false);
        notes.places.add(to.key("rewrite_to"), at.key("rewriteTo"), false);
        let rules = get(trigger, "rules").and_then(|rules| notes.list(rules, &at.key("rules"))).unwrap_or_default();
        let mut options = Map::new();
        for (index, rule) in rules.iter().enumerate() {
            extract_rule((rule, &at.key("rules").index(index)), (&mut options, &to.key("options")), notes);
        }
        let member = |key| get(trigger, key).cloned().unwrap_or_else(|| "".into());
        made.push(json!({"on": member("condition"), "options": options, "rewrite_to": member("rewriteTo")}));
    }
    put(into, "triggers", made.into());
}

fn extract_rule(
    (rule, at): (&Value, &JsonPath),
    (options, to): (&mut Map<String, Value>, &JsonPath),
    notes: &mut Notes,
) {
    let Some(place) = notes.text(rule, at, "in") else { return };
    let Some((_, key)) = PLACES.iter().find(|(name, _)| *name == place) else {
        let known = PLACES.map(|(name, _)| name).join("`, `");
        notes.error(at.key("in"), format!("`{place}` is nothing to look at: write one of `{known}`"));
        return;
    };
    let pattern = json!({
        "match_rx": get(rule, "pattern").cloned().unwrap_or_else(|| "".into()),
        "reverse": is_on(get(rule, "negate")),
    });
    let to = to.key(*key);
    if place == BODY {
        notes.places.add(to.clone(), at.clone(), false);
        notes.places.add(to.key("match_rx"), at.key("pattern"), false);
        options.insert((*key).to_owned(), pattern);
    } else if let Some(name) = notes.text(rule, at, "name") {
        notes.places.add(to.key(name.as_str()), at.clone(), false);
        notes.places.add(to.key(name.as_str()).key("match_rx"), at.key("pattern"), false);
        rule::object(options.entry(*key).or_insert(Value::Null)).insert(name, pattern);
    }
}

pub(super) fn fill(entry: &Value, into: &mut Value) {
    let triggers = get(entry, "triggers").and_then(Value::as_array).into_iter().flatten();
    let triggers: Vec<Value> = triggers.map(filled).collect();
    if !triggers.is_empty() {
        put(into, "triggers", triggers.into());
    }
}

fn filled(trigger: &Value) -> Value {
    let member = |key| get(trigger, key).cloned().unwrap_or_else(|| "".into());
    let mut rules = Vec::new();
    for (place, key) in PLACES {
        let Some(found) = get(trigger, "options").and_then(|options| get(options, key)) else { continue };
        let rule = |pattern: &Value| {
            let negate = is_on(get(pattern, "reverse"));
            json!({"in": place, "pattern": get(pattern, "match_rx").cloned().unwrap_or_default(), "negate": negate})
        };
        if place == BODY {
            if get(found, "match_rx").is_some_and(|pattern| !is_zero(pattern)) {
                rules.push(rule(found));
            }
            continue;
        }
        for (name, pattern) in found.as_object().into_iter().flatten() {
            let mut rule = rule(pattern);
            put(&mut rule, "name", name.as_str().into());
            rules.push(rule);
        }
    }
    json!({"condition": member("on"), "rules": rules, "rewriteTo": member("rewrite_to")})
}
