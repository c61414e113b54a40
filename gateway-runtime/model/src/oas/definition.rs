//! [`OasDefinition`]: the document that an API was made from, as its plugins see it.

use serde_json::Value;

use super::EXTENSION;

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

    fn text(&self, pointer: &str) -> &str {
        self.get(pointer).and_then(Value::as_str).unwrap_or_default()
    }
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
}
