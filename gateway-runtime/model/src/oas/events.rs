//! `server.eventHandlers`: a list in the OpenAPI form; in the classic form, lists by what happened.

use serde_json::{Map, Value, json};

use super::form::Form::{Pairs, Seconds};
use super::rule::{self, Notes, Rule, get, is_zero, not, rule, same};
use crate::json_path::JsonPath;

/// Where they are in the extension.
pub(super) const AT: &str = "server.eventHandlers";

/// `type` of a handler, its name in the classic form, and the rules of its `handler_meta`. Source: gateway.md §4.2, §8.9.
pub(super) const TYPES: [(&str, &str, &[Rule]); 3] = [
    (
        "webhook",
        "eh_web_hook_handler",
        &[
            not("enabled", "disabled"),
            same("id", "id"),
            same("name", "name"),
            same("url", "target_path"),
            same("method", "method"),
            rule("cooldownPeriod", "event_timeout", Seconds),
            same("bodyTemplate", "template_path"),
            rule("headers", "header_map", Pairs("name", "value")),
        ],
    ),
    (
        "custom",
        "eh_dynamic_handler",
        &[not("enabled", "disabled"), same("id", "id"), same("functionName", "name"), same("path", "path")],
    ),
    ("log", "eh_log_handler", &[not("enabled", "disabled"), same("id", "id"), same("logPrefix", "prefix")]),
];

pub(super) fn extract((from, at): (&Value, &JsonPath), (into, to): (&mut Value, &JsonPath), notes: &mut Notes) {
    let Some(handlers) = notes.list(from, at) else { return };
    let mut events: Map<String, Value> = Map::new();
    for (index, handler) in handlers.iter().enumerate() {
        let at = at.index(index);
        let (Some(trigger), Some(kind)) = (notes.text(handler, &at, "trigger"), notes.text(handler, &at, "type"))
        else {
            continue;
        };
        let Some((_, name, rules)) = TYPES.iter().find(|(name, ..)| *name == kind) else {
            let known = TYPES.map(|(name, ..)| name).join("`, `");
            notes.error(at.key("type"), format!("`{kind}` is no type of handlers: write one of `{known}`"));
            continue;
        };
        let list = events.entry(trigger.as_str()).or_insert_with(|| json!([]));
        let Value::Array(list) = list else { continue };
        let to = to.key("event_handlers").key("events").key(trigger).index(list.len());
        notes.places.add(to.clone(), at.clone(), false);
        let mut meta = Value::Object(Map::new());
        rule::extract(rules, (handler, &at), (&mut meta, &to.key("handler_meta")), notes);
        list.push(json!({"handler_name": name, "handler_meta": meta}));
    }
    if !events.is_empty() {
        rule::put(into, "event_handlers", json!({"events": events}));
    }
}

pub(super) fn fill(classic: &Value, into: &mut Value) {
    let mut handlers = Vec::new();
    let events = get(classic, "event_handlers.events").and_then(Value::as_object);
    for (trigger, entries) in events.into_iter().flatten() {
        for entry in entries.as_array().into_iter().flatten() {
            let name = get(entry, "handler_name").and_then(Value::as_str).unwrap_or_default();
            let Some((kind, _, rules)) = TYPES.iter().find(|(_, known, _)| *known == name) else { continue };
            let mut handler = json!({"trigger": trigger, "type": kind});
            rule::fill(rules, get(entry, "handler_meta").unwrap_or(&Value::Null), &mut handler);
            handlers.push(handler);
        }
    }
    let handlers = Value::from(handlers);
    if is_zero(&handlers) { rule::remove(into, AT) } else { rule::put(into, AT, handlers) }
}
