//! `paths` of a document: its operations, in the order in which they are tried.

use std::cmp::{Ordering, Reverse};

use serde_json::{Map, Value, json};

use super::rule::object;
use crate::json_path::JsonPath;

/// The members of a path that are operations. Source: OpenAPI 3.0.3, "Path Item Object".
const METHODS: [&str; 8] = ["delete", "get", "head", "options", "patch", "post", "put", "trace"];

/// One operation of a document.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'d> {
    /// Its `operationId`.
    pub id: Option<&'d str>,
    /// As it is written, with its variables in braces.
    pub path: &'d str,
    /// In small letters, as documents have it.
    pub method: &'d str,
    /// What is said of the path, whatever the method.
    pub item: &'d Value,
    /// What is said of the operation.
    pub what: &'d Value,
}

impl Operation<'_> {
    /// Its place in the document.
    #[must_use]
    pub fn at(&self) -> JsonPath {
        JsonPath::default().key("paths").key(self.path).key(self.method)
    }
}

/// The operations of a document: more segments come first, then longer paths (without what is in braces), then those
/// without variables, then by the alphabet. Source: Tyk, `internal/oasutil/paths.go`; gateway.md §4.4.
pub(super) fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut items: Vec<(&String, &Value)> =
        document.get("paths").and_then(Value::as_object).into_iter().flatten().collect();
    items.sort_by(|(a, _), (b, _)| order(a, b));
    let mut operations = Vec::new();
    for (path, item) in items {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                let id = operation.get("operationId").and_then(Value::as_str);
                operations.push(Operation { id, path, method, item, what: operation });
            }
        }
    }
    operations
}

fn order(a: &str, b: &str) -> Ordering {
    let rank = |path: &str| {
        let bare = without_variables(path);
        let has_variables = bare.len() < path.len();
        (Reverse(bare.matches('/').count()), Reverse(bare.len()), has_variables)
    };
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}

fn without_variables(path: &str) -> String {
    let mut depth = 0_usize;
    path.chars()
        .filter(|c| match c {
            '{' => {
                depth += 1;
                false
            }
            '}' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

/// The id of the operation for a path and a method, which is made if there is none.
pub(super) fn operation_id(document: &mut Value, path: &str, method: &str) -> String {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let method = if method.is_empty() { "get".to_owned() } else { method.to_lowercase() };
    let paths = object(object(document).entry("paths").or_insert(Value::Null));
    let item = object(paths.entry(path.clone()).or_insert(Value::Null));
    let operation = object(item.entry(method.clone()).or_insert(Value::Null));
    if !operation.contains_key("responses") {
        operation.insert("responses".to_owned(), json!({"200": {"description": ""}}));
    }
    let made = format!("{}{}", path.trim_start_matches('/'), method.to_uppercase());
    let id = operation.entry("operationId").or_insert_with(|| made.into());
    let id = id.as_str().unwrap_or_default().to_owned();
    declare_variables(item, &path);
    id
}

/// A variable of a path has to be declared. Source: OpenAPI 3.0.3, "Path Templating".
fn declare_variables(item: &mut Map<String, Value>, path: &str) {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    let parameters: Vec<Value> =
        names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
    if !parameters.is_empty() && !item.contains_key("parameters") {
        item.insert("parameters".to_owned(), parameters.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: plugin-system.md §2.3; Tyk, `internal/oasutil/paths_test.go`.
    #[test]
    fn more_segments_then_longer_then_static_then_the_alphabet() {
        let expected =
            ["/x/sub/y{id}", "/a/b/c", "/long/path", "/x/sub", "/x/sub{id}", "/a/{id}", "/b/{id}", "/b", "/{id}"];
        let paths: Map<String, Value> =
            expected.map(|path| (path.to_owned(), json!({"get": {}}))).into_iter().collect();
        let document = json!({"paths": paths});
        let found: Vec<&str> = operations(&document).iter().map(|operation| operation.path).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_operation_is_made_once_with_an_id_of_its_path_and_method() {
        let mut document = json!({"paths": {"/a": {"get": {"operationId": "mine"}}}});
        assert_eq!(operation_id(&mut document, "/a", "GET"), "mine");
        assert_eq!(operation_id(&mut document, "b/{id}", "POST"), "b/{id}POST");
        assert_eq!(operation_id(&mut document, "/b/{id}", "POST"), "b/{id}POST");
        assert_eq!(document["paths"]["/b/{id}"]["parameters"][0]["name"], "id");
    }
}
