//! `gateway plugins schema`: what definitions may say to the plugins of this binary.

use std::process::ExitCode;

use gateway_model::Hook;
use gateway_model::plugin_name::{same_crate, split};
use gateway_sdk::registry::{Plugin, plugins};
use gateway_sdk::schema::ConfigType;
use serde_json::{Map, Value, json};

use super::{diagnose, print_json};

/// The definition without what plugins add to it.
const DEFINITION: &str = include_str!("definition.schema.json");

/// There is no schema to print.
#[derive(Debug, thiserror::Error)]
enum SchemaError {
    #[error("no plugin `{0}` in this binary; see what is linked: `gateway plugins list`")]
    Unknown(String),
    #[error("plugin `{name}` is in several crates; name one: {}", .crates.iter().map(|k| format!("`{k}::{name}`")).collect::<Vec<_>>().join(", "))]
    Ambiguous { name: String, crates: Vec<&'static str> },
    #[error("plugin `{0}` takes no configuration: none of its functions has an argument `&Config<T>`")]
    NoConfig(String),
    #[error(
        "the configuration of plugin `{plugin}` has no schema: derive `JsonSchema` for `{ty}`, with the feature `schemars` of \
         `gateway-sdk`"
    )]
    NoSchema { plugin: String, ty: &'static str },
    #[error("the schema of definitions cannot be read: {0}")]
    Definition(#[from] serde_json::Error),
}

/// Prints the schema of definitions, or of one plugin's configuration.
pub(super) fn run(name: Option<&str>) -> ExitCode {
    match name.map_or_else(|| whole(plugins()), |name| of_one(plugins(), name)) {
        Ok(schema) => {
            print_json(&schema);
            ExitCode::SUCCESS
        }
        Err(error) => {
            diagnose(&error);
            ExitCode::FAILURE
        }
    }
}

/// What one plugin takes, if all of it is known.
fn of_one(linked: &[&'static Plugin], wanted: &str) -> Result<Value, SchemaError> {
    let (krate, name) = split(wanted);
    let is_wanted = |plugin: &&&'static Plugin| {
        plugin.name == name && krate.is_none_or(|krate| same_crate(plugin.package.name, krate))
    };
    let found: Vec<_> = linked.iter().filter(is_wanted).collect();
    let plugin = match found.as_slice() {
        [] => return Err(SchemaError::Unknown(wanted.to_owned())),
        [one] => **one,
        several => {
            let crates = several.iter().map(|plugin| plugin.package.name).collect();
            return Err(SchemaError::Ambiguous { name: name.to_owned(), crates });
        }
    };
    if let Some(unknown) = plugin.config.iter().find(|config| config.schema().is_none()) {
        return Err(SchemaError::NoSchema { plugin: wanted.to_owned(), ty: unknown.name });
    }
    known(plugin).ok_or_else(|| SchemaError::NoConfig(wanted.to_owned()))
}

/// The schema of a plugin's configuration, as far as it is known: it fits each type that the plugin reads it as.
fn known(plugin: &Plugin) -> Option<Value> {
    let mut schemas: Vec<Value> = plugin.config.iter().filter_map(ConfigType::schema).collect();
    match schemas.len() {
        0 => None,
        1 => schemas.pop(),
        _ => {
            let all = schemas.into_iter().enumerate().map(|(at, schema)| moved(schema, &format!("/allOf/{at}")));
            Some(json!({ "allOf": all.collect::<Vec<_>>() }))
        }
    }
}

/// The schema of a definition in this gateway.
fn whole(linked: &[&'static Plugin]) -> Result<Value, SchemaError> {
    let mut schema: Value = serde_json::from_str(DEFINITION)?;
    let mut configs: Map<String, Value> = Map::new();
    for plugin in linked {
        let Some(config) = known(plugin) else { continue };
        let key = format!("{}::{}", plugin.package.name, plugin.name);
        // No name has a character that a JSON pointer writes in another way.
        let reference = json!({ "$ref": format!("#/$defs/{key}") });
        schema["$defs"][&key] = moved(config, &format!("/$defs/{key}"));
        match configs.get_mut(plugin.name) {
            None => _ = configs.insert(plugin.name.to_owned(), reference),
            // Of which of them it is, the entry in `custom_middleware` says.
            Some(Value::Object(other)) => match other.get_mut("anyOf").and_then(Value::as_array_mut) {
                Some(any) => any.push(reference),
                None => *other = Map::from_iter([("anyOf".to_owned(), json!([other.clone(), reference]))]),
            },
            Some(_) => {}
        }
    }
    schema["properties"]["config_data"]["properties"] = configs.into();
    for hook in Hook::ALL {
        schema["$defs"][hook.as_str()] = entry(linked, hook);
    }
    Ok(schema)
}

/// An entry of a hook: it names a plugin that serves the hook, alone or with its crate.
fn entry(linked: &[&'static Plugin], hook: Hook) -> Value {
    let serving = || linked.iter().filter(|plugin| plugin.hook(hook).is_some());
    let mut names: Vec<String> = serving().map(|plugin| plugin.name.to_owned()).collect();
    names.extend(serving().map(|plugin| format!("{}::{}", plugin.package.name, plugin.name)));
    names.push(String::new());
    names.dedup();
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "enum": names },
            "path": { "type": "string" },
            "disabled": { "type": "boolean" },
            "require_session": { "type": "boolean" },
            "raw_body_only": { "type": "boolean" }
        }
    })
}

/// A schema whose references are to itself, in a place of another.
fn moved(mut schema: Value, place: &str) -> Value {
    if let Value::Object(members) = &mut schema {
        members.remove("$schema");
    }
    redirect(&mut schema, place);
    schema
}

fn redirect(value: &mut Value, place: &str) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(target) if key == "$ref" && target.starts_with('#') => target.insert_str(1, place),
                    _ => redirect(value, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, place)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_go_with_their_schema() {
        let schema = json!({"$schema": "s", "items": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"$ref": "#"}}});
        let expected = json!({"items": [{"$ref": "#/p/$defs/A"}], "$defs": {"A": {"$ref": "#/p"}}});
        assert_eq!(moved(schema, "/p"), expected);
    }

    #[test]
    fn without_plugins_definitions_name_none() {
        let schema = whole(&[]).expect("it is JSON");
        assert_eq!(schema["$defs"]["pre"]["properties"]["name"]["enum"], json!([""]));
        assert_eq!(schema["properties"]["config_data"]["properties"], json!({}));
        assert!(of_one(&[], "Any").is_err_and(|error| error.to_string().contains("no plugin `Any`")));
    }
}
