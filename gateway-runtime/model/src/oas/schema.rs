//! The JSON schema of a definition that is an OpenAPI document: what of `x-tyk-api-gateway` this gateway reads. Source:
//! gateway.md §2.5.

use serde_json::{Map, Value, json};

use super::EXTENSION;
use super::known::{Shape, extension_shape};

/// The versions of OpenAPI that definitions may be of.
const VERSIONS: [&str; 2] = ["3.0", "3.1"];

/// The schema of a definition of a version of OpenAPI, such as `3.0` or `3.0.3`; `None` if definitions cannot be of that.
#[must_use]
pub fn schema(version: &str) -> Option<Value> {
    let is_of = |own: &&&str| version.strip_prefix(**own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let version = VERSIONS.iter().find(is_of)?;
    Some(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": format!("An API definition of gw that is a document of OpenAPI {version}"),
        "type": "object",
        "required": ["openapi", "info", EXTENSION],
        "properties": {
            "openapi": {"type": "string", "pattern": format!("^{}", version.replace('.', "\\."))},
            "info": {
                "type": "object",
                "required": ["title", "version"],
                "properties": {"title": {"type": "string"}, "version": {"type": "string"}},
            },
            "paths": {"type": "object", "patternProperties": {"^/": {"type": "object"}}},
            "components": {"type": "object"},
            "security": {"type": "array", "items": {"type": "object"}},
            EXTENSION: {"$ref": "#/definitions/X-Tyk-ApiGateway"},
        },
        "definitions": {"X-Tyk-ApiGateway": extension()},
    }))
}

/// An API needs to be known by its listen path.
fn extension() -> Value {
    let mut made = of(&extension_shape());
    made["required"] = json!(["server"]);
    made["properties"]["server"]["required"] = json!(["listenPath"]);
    made["properties"]["server"]["properties"]["listenPath"]["required"] = json!(["value"]);
    made
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Of(kind) => json!({"type": kind}),
        Shape::Like(inner) => of(inner),
        Shape::Each(inner) => json!({"type": "array", "items": of(inner)}),
        Shape::Every(inner) => json!({"type": "object", "additionalProperties": of(inner)}),
        Shape::Members(members) => {
            let members: Map<String, Value> =
                members.iter().map(|(key, inner)| ((*key).to_owned(), of(inner))).collect();
            json!({"type": "object", "properties": members})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_for_each_version_that_definitions_may_be_of() {
        for (version, is_there) in [
            ("3.0", true),
            ("3.0.3", true),
            ("3.1.0", true),
            ("3.01", false),
            ("2.0", false),
            ("4", false),
            ("", false),
        ] {
            assert_eq!(schema(version).is_some(), is_there, "{version}");
        }
        let schema = schema("3.0.3").expect("a schema");
        let at = |path: &str| schema.pointer(&format!("/definitions/X-Tyk-ApiGateway/properties/{path}"));
        let operation = "middleware/properties/operations/additionalProperties/properties";
        for (path, expected) in [
            ("server/properties/listenPath/properties/strip", json!({})),
            ("info/properties/state/required", Value::Null),
            (&format!("{operation}/mockResponse/properties/code"), json!({"type": "integer"})),
            (&format!("{operation}/validateRequest/properties/enabled"), json!({"type": "boolean"})),
            ("middleware/properties/global/properties/prePlugins/type", json!("array")),
        ] {
            assert_eq!(at(path).cloned().unwrap_or_default(), expected, "{path}");
        }
    }
}
