//! Schemas of OpenAPI 3.0 as schemas of draft 7. Source: OpenAPI 3.0.3, "Schema Object".

use gateway_model::JsonPath;
use serde_json::{Map, Value};

/// How deep a schema may be within others: deeper ones stay as they are written.
pub(super) const DEEPEST: usize = 64;

/// Members of a schema that are schemas.
const ONE: [&str; 4] = ["items", "not", "additionalProperties", "contains"];
/// Members that are lists of schemas.
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Members whose members are schemas.
const MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];

/// The places of the schemas that a schema is made of.
pub(super) fn parts(schema: &Value, at: &JsonPath) -> Vec<JsonPath> {
    let mut places: Vec<JsonPath> = Vec::new();
    places.extend(ONE.iter().filter(|key| schema.get(key).is_some()).map(|key| at.key(*key)));
    for key in LISTS {
        let count = schema.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        places.extend((0..count).map(|index| at.key(key).index(index)));
    }
    for key in MAPS {
        let members = schema.get(key).and_then(Value::as_object).into_iter().flatten();
        places.extend(members.map(|(name, _)| at.key(key).key(name.as_str())));
    }
    places
}

/// The document with its schemas converted: what is under `components.schemas`, and under `schema` anywhere.
pub(super) fn converted(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.values_mut().for_each(|schema| convert(schema, 0));
    }
    walk(&mut document, 0);
    document
}

fn walk(value: &mut Value, depth: usize) {
    if depth == DEEPEST {
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match key.as_str() {
                    "schema" => convert(member, 0),
                    // These are there, or are no schemas.
                    "schemas" | "example" | "examples" => {}
                    _ => walk(member, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, depth + 1)),
        _ => {}
    }
}

fn convert(schema: &mut Value, depth: usize) {
    let Some(members) = schema.as_object_mut().filter(|_| depth < DEEPEST) else { return };
    if members.contains_key("$ref") {
        // What stands beside a reference says nothing.
        members.retain(|key, _| key == "$ref");
        return;
    }
    for key in ONE {
        if let Some(inner) = members.get_mut(key) {
            convert(inner, depth + 1);
        }
    }
    for key in LISTS {
        let inner = members.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten();
        inner.for_each(|inner| convert(inner, depth + 1));
    }
    read_only(members);
    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|inner| convert(inner, depth + 1));
    }
    bound(members, "minimum", "exclusiveMinimum");
    bound(members, "maximum", "exclusiveMaximum");
    if members.remove("nullable") == Some(Value::Bool(true))
        && let Some(kind @ Value::String(_)) = members.get_mut("type")
    {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
    }
}

/// What only answers have is not asked of requests, and is not in them.
fn read_only(members: &mut Map<String, Value>) {
    let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let mut names = Vec::new();
    for (name, property) in properties {
        if property.get("readOnly") == Some(&Value::Bool(true)) {
            *property = Value::Bool(false);
            names.push(name.clone());
        }
    }
    if let Some(required) = members.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !names.iter().any(|other| name == other));
        // Draft 4, from which OpenAPI 3.0 comes, has no empty lists; draft 7 has.
    }
}

/// `exclusiveMinimum: true` beside `minimum: 1` is `exclusiveMinimum: 1`.
fn bound(members: &mut Map<String, Value>, bound: &str, exclusive: &str) {
    match members.get(exclusive) {
        Some(Value::Bool(true)) => match members.remove(bound) {
            Some(value) => _ = members.insert(exclusive.to_owned(), value),
            None => _ = members.remove(exclusive),
        },
        Some(Value::Bool(false)) => _ = members.remove(exclusive),
        _ => {}
    }
}
