//! `Config`: which part of `config_data` it is, and what is said when that is wrong.

use std::collections::BTreeMap;

use gateway_sdk::prelude::*;
use gateway_sdk::{Hook, testing};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::get;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    per_minute: u32,
    paths: Vec<String>,
    by_key: BTreeMap<String, u32>,
}

#[gw_plugin(hook = "post", name = "Limits")]
fn limits(cfg: &Config<Limits>) -> String {
    format!("{} {:?} {:?}", cfg.per_minute, cfg.paths, cfg.by_key)
}

#[gw_plugin(hook = "post", name = "dashed-name")]
fn dashed(cfg: &Config<u32>) -> String {
    cfg.to_string()
}

#[gw_plugin(hook = "post", name = "AnyConfig")]
fn any(cfg: &Config<Value>) -> String {
    cfg.to_string()
}

fn read(name: &str, config: Value) -> String {
    let plugin = testing::plugin(name).config(config).start();
    plugin.call(Hook::Post, get()).text()
}

fn refused(name: &str, config: Value) -> String {
    let failed = testing::plugin(name).config(config).try_start();
    failed.expect_err("it does not start").to_string()
}

#[test]
fn a_member_of_the_plugins_name_is_its_configuration() {
    let config = json!({ "Limits": { "per_minute": 7 }, "other": 1 });
    assert_eq!(read("Limits", config), "7 [] {}");
    assert_eq!(read("dashed-name", json!({ "dashed-name": 5 })), "5");
}

#[test]
fn without_such_a_member_all_of_it_is() {
    assert_eq!(read("Limits", json!({ "per_minute": 7 })), "7 [] {}");
    assert_eq!(read("AnyConfig", json!({ "a": 1 })), r#"{"a":1}"#);
}

#[test]
fn no_configuration_is_an_empty_one() {
    let plugin = testing::plugin("AnyConfig").start();
    assert_eq!(plugin.call(Hook::Post, get()).text(), "{}");
}

#[test]
fn a_disabled_configuration_is_still_there() {
    let Value::Object(config) = json!({ "a": 1 }) else { unreachable!("it is an object") };
    let api = ApiDefinition { config_data: Some(config), config_data_disabled: true, ..ApiDefinition::default() };
    let plugin = testing::plugin("AnyConfig").api(api).start();
    assert_eq!(plugin.call(Hook::Post, get()).text(), r#"{"a":1}"#);
}

#[test]
fn an_error_says_where_in_the_definition() {
    let expected = "invalid type: string \"x\", expected u32";
    let check = |name: &str, config: Value, path: &str, reason: &str| {
        assert_eq!(refused(name, config), format!("{path}: {reason}"));
    };
    check("Limits", json!({ "Limits": { "per_minute": "x" } }), "config_data.Limits.per_minute", expected);
    check("Limits", json!({ "per_minute": "x" }), "config_data.per_minute", expected);
    check("Limits", json!({ "by_key": { "ada": "x" } }), "config_data.by_key.ada", expected);
    check(
        "Limits",
        json!({ "Limits": { "paths": ["/a", 1] } }),
        "config_data.Limits.paths[1]",
        "invalid type: integer `1`, expected a string",
    );
    check("Limits", json!({ "Limits": 1 }), "config_data.Limits", "invalid type: integer `1`, expected struct Limits");
    check("dashed-name", json!({ "dashed-name": "x" }), "config_data[\"dashed-name\"]", expected);
}

#[test]
fn a_configuration_can_be_made_for_tests() {
    let limits = Limits { per_minute: 3, ..Limits::default() };
    assert_eq!(self::limits(&Config::new(limits)), "3 [] {}");
}
