//! [`OasDefinition`]: the document that an API was made from, as its plugins see it.

use serde_json::Value;

use super::paths::{self, Operation};
use super::{EXTENSION, operations, rule};
use crate::json_path::JsonPath;

/// So many references may lead from one to the next.
const MOST_REFERENCES: usize = 32;

/// The OpenAPI document of an API, as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OasDefinition {
    document: Value,
}

impl OasDefinition {
    /// The definition that a document is.
    #[must_use]
    pub fn new(document: Value) -> Self {
        Self { document }
    }

    /// All of it.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The value at a JSON pointer, such as `/info/title`. Source: RFC 6901.
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.document.pointer(pointer)
    }

    /// `info.title`; empty if it has none.
    pub fn title(&self) -> &str {
        self.text("/info/title")
    }

    /// `info.version`, the version of the document; empty if it has none.
    pub fn version(&self) -> &str {
        self.text("/info/version")
    }

    /// `x-tyk-api-gateway`.
    pub fn extension(&self) -> Option<&Value> {
        self.document.get(EXTENSION)
    }

    /// The operation with this `operationId`: its path, its method in small letters, and what it says.
    pub fn operation(&self, id: &str) -> Option<(&str, &str, &Value)> {
        let paths = self.document.get("paths")?.as_object()?;
        paths.iter().find_map(|(path, item)| {
            let is_it = |(_, operation): &(&String, &Value)| operation.get("operationId").is_some_and(|own| own == id);
            let (method, operation) = item.as_object()?.iter().find(is_it)?;
            Some((path.as_str(), method.as_str(), operation))
        })
    }

    /// All operations, in the order in which they are tried. Source: gateway.md §4.4.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        paths::operations(&self.document)
    }

    /// What the extension says of an operation under `key`, if it is enabled, and its place.
    pub fn enabled(&self, operation: &Operation<'_>, key: &str) -> Option<(&Value, JsonPath)> {
        let id = operation.id?;
        let entry = rule::get(self.extension()?, operations::AT)?.as_object()?.get(id)?;
        let value = rule::get(entry, key).filter(|value| rule::is_on(rule::get(value, "enabled")))?;
        let at = rule::join(&JsonPath::default().key(EXTENSION), operations::AT).key(id).key(key);
        Some((value, at))
    }

    /// A part of the document, or the part that it refers to by `$ref`.
    ///
    /// # Errors
    /// When a reference leads to nothing, out of the document, or round in a circle.
    pub fn resolve<'v>(&'v self, part: &'v Value) -> Result<&'v Value, ReferenceError> {
        self.resolve_at(part, &JsonPath::default()).map(|(part, _)| part)
    }

    /// The same, with the place of what is found; `at` is that of `part`.
    ///
    /// # Errors
    /// When a reference leads to nothing, out of the document, or round in a circle.
    pub fn resolve_at<'v>(&'v self, part: &'v Value, at: &JsonPath) -> Result<(&'v Value, JsonPath), ReferenceError> {
        let (mut part, mut at) = (part, at.clone());
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = part.get("$ref").and_then(Value::as_str) else { return Ok((part, at)) };
            let pointer = reference.strip_prefix('#').map(unescaped);
            let found = pointer.and_then(|pointer| self.walk(&pointer));
            (part, at) = found.ok_or_else(|| ReferenceError { reference: reference.to_owned() })?;
        }
        let reference = part.get("$ref").and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(ReferenceError { reference })
    }

    /// What a JSON pointer leads to, and its place.
    fn walk(&self, pointer: &str) -> Option<(&Value, JsonPath)> {
        let mut found = (&self.document, JsonPath::default());
        let tokens = pointer.strip_prefix('/').map(|tokens| tokens.split('/')).into_iter().flatten();
        for token in tokens {
            let key = token.replace("~1", "/").replace("~0", "~");
            let (part, at) = found;
            found = match part {
                Value::Array(items) => {
                    let index = key.parse::<usize>().ok()?;
                    (items.get(index)?, at.index(index))
                }
                other => (other.get(&key)?, at.key(key)),
            };
        }
        Some(found)
    }

    fn text(&self, pointer: &str) -> &str {
        self.get(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A reference that leads to nothing in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{reference}` refers to nothing in this document, where all that is referred to has to be")]
pub struct ReferenceError {
    /// As it is written.
    pub reference: String,
}

/// The fragment of a URL without its escapes: `%7Bid%7D` is `{id}`. Source: RFC 6901 §6.
fn unescaped(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_plugins_ask_for_most_has_names() {
        let oas = OasDefinition::new(json!({
            "info": {"title": "Orders", "version": "2.1"}, EXTENSION: {"info": {"id": "o"}},
            "paths": {"/a": {"summary": "a", "get": {"operationId": "getA", "tags": []}}},
        }));
        assert_eq!((oas.title(), oas.version()), ("Orders", "2.1"));
        assert_eq!(oas.get("/paths/~1a/summary"), Some(&json!("a")));
        assert_eq!(oas.extension(), Some(&json!({"info": {"id": "o"}})));
        let (path, method, operation) = oas.operation("getA").unwrap();
        assert_eq!((path, method, &operation["tags"]), ("/a", "get", &json!([])));
        assert_eq!(oas.operation("getB"), None);
        assert_eq!(OasDefinition::default().title(), "");
    }

    #[test]
    fn references_lead_on_within_the_document() {
        let oas = OasDefinition::new(json!({
            "a": {"$ref": "#/components/b%20c"}, "components": {"b c": {"$ref": "#/x~1y"}}, "x/y": 7,
            "round": {"$ref": "#/round"}, "out": {"$ref": "other.json#/a"},
        }));
        let resolve = |key: &str| oas.resolve(&oas.document()[key]).map_err(|error| error.reference);
        assert_eq!(resolve("a"), Ok(&json!(7)));
        assert_eq!(resolve("x/y"), Ok(&json!(7)));
        assert_eq!(resolve("round"), Err("#/round".to_owned()));
        assert_eq!(resolve("out"), Err("other.json#/a".to_owned()));
    }

    #[test]
    fn what_is_said_of_an_operation_counts_where_it_is_enabled() {
        let entry = |enabled: bool| json!({"mockResponse": {"enabled": enabled}});
        let oas = OasDefinition::new(json!({
            EXTENSION: {"middleware": {"operations": {"getA": entry(true), "getB": entry(false)}}},
            "paths": {"/b": {"get": {"operationId": "getB"}}, "/a": {"get": {"operationId": "getA"}, "put": {}}},
        }));
        let found: Vec<_> = oas
            .operations()
            .iter()
            .map(|operation| oas.enabled(operation, "mockResponse").map(|(_, at)| at.to_string()))
            .collect();
        assert_eq!(found, [Some("x-tyk-api-gateway.middleware.operations.getA.mockResponse".to_owned()), None, None]);
    }
}
