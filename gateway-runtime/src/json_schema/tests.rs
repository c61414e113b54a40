use serde_json::json;

use super::*;

fn told(schema: Value, value: Value) -> String {
    JsonSchema::compile(&schema).expect("a schema").validate(&value).err().unwrap_or_default()
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let schema = json!({
        "type": "object", "required": ["name", "age"], "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 2},
            "age": {"type": "integer", "minimum": 18},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        },
    });
    assert_eq!(told(schema.clone(), json!({"name": "Ann", "age": 20})), "");
    assert_eq!(told(schema.clone(), json!({})), "(root): name is required; (root): age is required");
    assert_eq!(told(schema.clone(), json!([])), "(root): Invalid type. Expected: object, given: array");
    let mut mistakes: Vec<String> = told(schema, json!({"name": "A", "age": 7, "tags": ["a", "c"], "x": 1}))
        .split("; ")
        .map(str::to_owned)
        .collect();
    mistakes.sort();
    assert_eq!(
        mistakes,
        [
            "(root): Additional property x is not allowed",
            "age: Must be greater than or equal to 18",
            "name: String length must be greater than or equal to 2",
            "tags.1: tags.1 must be one of the following: \"a\", \"b\"",
        ]
    );
}

#[test]
fn alternatives_are_told_as_such_and_references_are_followed() {
    let any = json!({"anyOf": [{"type": "string"}, {"type": "integer"}]});
    assert_eq!(told(any, json!(true)), "(root): Must validate at least one schema (anyOf)");
    let schema = json!({"definitions": {"n": {"type": "number"}}, "properties": {"n": {"$ref": "#/definitions/n"}}});
    assert_eq!(told(schema, json!({"n": "1"})), "n: Invalid type. Expected: number, given: string");
}

#[test]
fn each_draft_is_read_as_its_own() {
    let old = |draft: &str| json!({"$schema": draft, "minimum": 1, "exclusiveMinimum": true});
    assert_eq!(told(old("http://json-schema.org/draft-04/schema#"), json!(1)), "(root): Must be greater than 1");
    assert_eq!(told(json!({"minimum": 1, "exclusiveMinimum": true}), json!(1)), "(root): Must be greater than 1");
    assert!(JsonSchema::compile(&old("http://json-schema.org/draft-07/schema#")).is_err());
    for schema in [
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
        json!({"type": "nothing"}),
        json!({"pattern": "("}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$ref": "http://127.0.0.1/schema"}),
        json!({"$ref": "#/nowhere"}),
    ] {
        let error = JsonSchema::compile(&schema).err().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains('\n'), "{schema}: {error}");
    }
}
