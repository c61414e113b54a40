//! The mapping of both forms, and what is found in a document.

mod authentication;
mod findings;
mod middleware;
mod operations;
mod whole;

use serde_json::{Value, json};

use super::*;

/// A document with this extension, and the operations of `paths`.
fn document(extension: Value) -> Value {
    json!({
        "openapi": "3.0.3", "info": {"title": "Orders", "version": "1"},
        "paths": {"/a": {"get": {"operationId": "getA"}}},
        EXTENSION: extension,
    })
}

/// What is in the classic form of an extension at a JSON pointer.
fn classic_at(extension: Value, pointer: &str) -> Value {
    classic(&document(extension)).pointer(pointer).cloned().unwrap_or_default()
}

/// What is in the extension that a definition in the classic form makes, at a JSON pointer.
fn filled_at(classic: &Value, pointer: &str) -> Value {
    let mut document = Value::Null;
    fill(classic, &mut document);
    document[EXTENSION].pointer(pointer).cloned().unwrap_or_default()
}

/// An extension means the same after it went by way of the classic form, and then stays as it is.
#[track_caller]
fn comes_back(extension: Value) {
    let first = classic(&document(extension));
    let mut again = Value::Null;
    fill(&first, &mut again);
    let second = classic(&again);
    assert_eq!(interpret(&second).definition, interpret(&first).definition, "{again:#}");
    let mut third = Value::Null;
    fill(&second, &mut third);
    assert_eq!(third, again);
}
