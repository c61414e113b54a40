use serde_json::json;

use super::*;

fn told(version: &str, schema: &Value, value: &Value) -> String {
    let document = json!({
        "openapi": version,
        "components": {"schemas": {
            "Name": {"type": "string", "minLength": 2}, "Tested": schema,
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"type": "integer"}}},
        }},
    });
    let mut schemas = DocumentSchemas::of(&document).expect("a document");
    let place = JsonPath::default().key("components").key("schemas").key("Tested");
    match schemas.compile(&place) {
        Ok(schema) => schemas.finish().validate(schema, value).err().unwrap_or_default(),
        Err((place, reason)) => format!("{place}: {reason}"),
    }
}

/// Source: gateway.md §4.5; kin-openapi, `SchemaError`.
#[test]
fn what_is_wrong_is_told_in_the_words_of_kin_openapi() {
    let schema = json!({
        "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {
            "name": {"$ref": "#/components/schemas/Name"}, "age": {"type": "integer", "minimum": 18},
            "kind": {"enum": ["a", "b"]}, "tags": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
            "any": {"oneOf": [{"type": "integer"}, {"type": "number"}]}, "n": {"type": "integer", "format": "int32"},
            "day": {"type": "string", "format": "date"},
        },
    });
    for (value, expected) in [
        (json!({"name": "Ann", "age": 18, "kind": "a", "tags": ["x"], "any": 1.5, "n": 7, "day": "2026-01-02"}), ""),
        (json!({}), r#"Error at "/name": property "name" is missing"#),
        (json!([]), "value must be an object"),
        (json!({"name": "A"}), r#"Error at "/name": minimum string length is 2"#),
        (json!({"name": 7, "age": 7}), r#"Error at "/age": number must be at least 18"#),
        (json!({"name": null}), r#"Error at "/name": Value is not nullable"#),
        (json!({"name": "Ann", "x": 1}), r#"property "x" is unsupported"#),
        (json!({"name": "Ann", "kind": "c"}), r#"Error at "/kind": value is not one of the allowed values ["a","b"]"#),
        (json!({"name": "Ann", "tags": ["x", 1]}), r#"Error at "/tags": maximum number of items is 1"#),
        (json!({"name": "Ann", "tags": [1]}), r#"Error at "/tags/0": value must be a string"#),
        (
            json!({"name": "Ann", "any": 1}),
            r#"Error at "/any": value matches more than one schema from "oneOf" (matches schemas at indices [0 1])"#,
        ),
        (json!({"name": "Ann", "any": ""}), r#"Error at "/any": value doesn't match any schema from "oneOf""#),
        (json!({"name": "Ann", "n": 2_147_483_648_i64}), r#"Error at "/n": number must be an int32"#),
        (json!({"name": "Ann", "day": "tomorrow"}), r#"Error at "/day": string doesn't match the format "date""#),
    ] {
        assert_eq!(told("3.0.3", &schema, &value), expected, "{value}");
    }
}

#[test]
fn what_only_openapi_30_says_is_meant_as_it_says() {
    let nullable = json!({"type": "string", "nullable": true, "maxLength": 1});
    assert_eq!(told("3.0.3", &nullable, &json!(null)), "");
    assert_eq!(told("3.0.3", &nullable, &json!(1)), "value must be a string");
    let exclusive = json!({"minimum": 1, "exclusiveMinimum": true, "maximum": 3, "exclusiveMaximum": false});
    assert_eq!(told("3.0.3", &exclusive, &json!(1)), "number must be more than 1");
    assert_eq!(told("3.0.3", &exclusive, &json!(3)), "");
    let beside = json!({"$ref": "#/components/schemas/Name", "maxLength": 2, "nullable": true});
    assert_eq!(told("3.0.3", &beside, &json!("long")), "", "what stands beside a reference says nothing");
    let read_only = json!({
        "type": "object", "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": true}, "name": {"type": "string"}},
    });
    assert_eq!(told("3.0.3", &read_only, &json!({"name": "Ann"})), "");
    let expected = r#"Error at "/id": readOnly property "id" in request"#;
    assert_eq!(told("3.0.3", &read_only, &json!({"name": "Ann", "id": 7})), expected);
}

#[test]
fn what_only_openapi_31_says_is_meant_as_it_says() {
    let schema = json!({"type": ["string", "null"], "const": null, "exclusiveMinimum": 1});
    assert_eq!(told("3.1.0", &schema, &json!(null)), "");
    let beside = json!({"$ref": "#/components/schemas/Name", "maxLength": 3});
    assert_eq!(told("3.1.0", &beside, &json!("long")), "maximum string length is 3");
}

#[test]
fn a_schema_may_be_within_itself() {
    let node = json!({"$ref": "#/components/schemas/Node"});
    assert_eq!(told("3.0.3", &node, &json!({"next": {"next": {"n": 1}}})), "");
    let expected = r#"Error at "/next/next/n": value must be an integer"#;
    assert_eq!(told("3.0.3", &node, &json!({"next": {"next": {"n": "1"}}})), expected);
}

#[test]
fn what_is_no_schema_is_told_with_its_place() {
    for version in ["3.0.3", "3.1.0"] {
        for (schema, place) in [
            (json!({"properties": {"a": {"type": "nothing"}}}), "components.schemas.Tested.properties.a.type: "),
            (json!({"minLength": -1}), "components.schemas.Tested.minLength: "),
            (json!({"items": {"pattern": "("}}), "components.schemas.Tested.items.pattern: "),
            (
                json!({"$ref": "#/components/schemas/None"}),
                "components.schemas.Tested[\"$ref\"]: `#/components/schemas/None` refers",
            ),
            (json!({"$ref": "http://127.0.0.1/x"}), "nothing is fetched"),
            (json!({"$ref": "other.json#/x"}), "components.schemas.Tested: "),
            (json!(7), "components.schemas.Tested: "),
        ] {
            let told = told(version, &schema, &json!(null));
            assert!(told.contains(place) && !told.contains('\n'), "{version} {schema}: {told}");
        }
    }
    assert!(DocumentSchemas::of(&json!({"openapi": "3.1.0", "jsonSchemaDialect": "urn:other"})).is_err());
}
