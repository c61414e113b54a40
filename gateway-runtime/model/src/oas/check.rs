//! What is wrong with a document as one of OpenAPI, as far as anything here depends on it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rule::{Notes, get};
use super::{paths, rule};
use crate::json_path::JsonPath;
use crate::meaning::Mistake;

/// Every such mistake.
pub(super) fn check(document: &Value) -> Vec<Mistake> {
    let mut notes = Notes::default();
    let root = JsonPath::default();
    match document.get("openapi") {
        Some(Value::String(version)) if version.starts_with("3.") => {}
        Some(Value::String(version)) => {
            notes.error(root.key("openapi"), format!("`{version}` is not honoured: write a document of OpenAPI 3"));
        }
        Some(other) => {
            notes.wrong_type::<()>(&root.key("openapi"), other, "a string such as `3.0.3`");
        }
        None => notes.error(root.clone(), "has no `openapi`: write which OpenAPI it is of, such as `3.0.3`".to_owned()),
    }
    for key in ["title", "version"] {
        match get(document, &format!("info.{key}")) {
            Some(Value::String(_)) => {}
            Some(other) => {
                notes.wrong_type::<()>(&root.key("info").key(key), other, "a string");
            }
            None => notes.error(root.key("info"), format!("has no `{key}`, which OpenAPI asks for")),
        }
    }
    security(document, &mut notes);
    operations(document, &mut notes);
    notes.mistakes
}

/// A requirement that is misread would ask for less.
fn security(document: &Value, notes: &mut Notes) {
    let at = JsonPath::default().key("security");
    let groups = get(document, "security").and_then(|groups| notes.list(groups, &at)).unwrap_or_default();
    for (index, group) in groups.iter().enumerate().filter(|(_, group)| !group.is_object()) {
        notes.wrong_type::<()>(&at.index(index), group, "an object");
    }
    for path in ["components", "components.securitySchemes"] {
        if let Some(other) = get(document, path).filter(|value| !value.is_object()) {
            notes.wrong_type::<()>(&rule::join(&JsonPath::default(), path), other, "an object");
        }
    }
}

fn operations(document: &Value, notes: &mut Notes) {
    let at = JsonPath::default().key("paths");
    let items = match document.get("paths") {
        Some(Value::Object(items)) => items,
        Some(other) => {
            notes.wrong_type::<()>(&at, other, "an object");
            return;
        }
        // From OpenAPI 3.1 on, a document may do without.
        None => return,
    };
    for (path, item) in items {
        let at = at.key(path.as_str());
        if !path.starts_with('/') && !path.starts_with("x-") {
            notes.error(at.clone(), "does not begin with a slash, as a path does".to_owned());
        }
        if !item.is_object() && !path.starts_with("x-") {
            notes.wrong_type::<()>(&at, item, "an object");
        }
    }
    let mut known: BTreeMap<&str, JsonPath> = BTreeMap::new();
    for operation in paths::operations(document) {
        let Some(id) = operation.id else { continue };
        if let Some(other) = known.get(id) {
            let reason = format!("`{id}` is the `operationId` of {other} already; an operation needs one of its own");
            notes.error(operation.at().key("operationId"), reason);
        } else {
            known.insert(id, operation.at());
        }
    }
}
