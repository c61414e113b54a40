//! A plugin's configuration is a type: its schema is in the binary, what does not fit is told with its place, and it is read
//! once for each load of an API.

use gateway_tests::{Answer, Conf, Upstream, api};
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Conf::default().command(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn schema(arguments: &[&str]) -> Value {
    let (code, out, err) = run(&[&["plugins", "schema"], arguments].concat());
    assert_eq!((code, &*err), (Some(0), ""));
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn the_schema_of_one_plugin_is_that_of_its_type() {
    for name in ["Strict", "probe::Strict"] {
        let schema = schema(&[name]);
        assert_eq!(schema["required"], json!(["per_minute"]));
        assert_eq!(schema["properties"]["per_minute"]["description"], "Requests that are let through.");
        assert_eq!(schema["$defs"]["Burst"]["description"], "What may come at once.");
    }
}

#[test]
fn who_has_no_schema_is_told_why() {
    let cases = [
        ("Nobody", "no plugin `Nobody` in this binary; see what is linked: `gateway plugins list`"),
        ("ActSync", "plugin `ActSync` takes no configuration"),
        ("Life", "derive `JsonSchema` for `How`, with the feature `schemars` of `gateway-sdk`"),
    ];
    for (name, expected) in cases {
        let (code, out, err) = run(&["plugins", "schema", name]);
        assert_eq!((code, &*out), (Some(1), ""));
        assert!(err.contains(expected), "{err}");
    }
}

/// A reference is followed to its end.
fn at<'a>(schema: &'a Value, reference: &Value) -> &'a Value {
    let pointer = reference["$ref"].as_str().and_then(|text| text.strip_prefix('#')).expect("a reference of its own");
    schema.pointer(pointer).expect("it leads somewhere")
}

#[test]
fn the_schema_of_a_definition_has_those_of_all_plugins() {
    let schema = schema(&[]);
    let config = at(&schema, &schema["properties"]["config_data"]["properties"]["Strict"]);
    assert_eq!(config["required"], json!(["per_minute"]));
    // It is optional: a burst, or null.
    let burst = at(&schema, &config["properties"]["burst"]["anyOf"][0]);
    assert_eq!(burst["description"], "What may come at once.");
    let pre = at(&schema, &schema["properties"]["custom_middleware"]["properties"]["pre"]["items"]);
    let names = pre["properties"]["name"]["enum"].as_array().expect("a list");
    assert!(["Strict", "probe::Strict"].iter().all(|name| names.contains(&json!(name))));
    assert!(!names.contains(&json!("ResponseA")), "it serves another hook");
    let on_paths =
        at(&schema, &schema["$defs"]["version"]["properties"]["extended_paths"]["properties"]["go_plugin"]["items"]);
    assert!(at(&schema, &on_paths["properties"]["func_name"])["enum"].is_array());
}

#[test]
fn a_configuration_that_does_not_fit_is_told_with_its_place() {
    let text = r#"{
  "api_id": "a", "use_keyless": true,
  "proxy": { "listen_path": "/a/", "target_url": "http://localhost/" },
  "custom_middleware": { "driver": "goplugin", "pre": [{ "name": "Strict", "path": "plugin.so" }] },
  "config_data": { "Strict": {
    "per_minute": 5,
    "burst": { "size": 300 }
  } }
}"#;
    let output = Conf::default().file("a.json", text).command(&["check", "--apis", "apps"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let expected = "apps/a.json:7:24: config_data.Strict.burst.size: invalid value: integer `300`, expected u8, as plugin \
                    `Strict` expects it";
    assert!(told.contains(expected), "{told}");
}

fn readings(answer: &Answer) -> Vec<&str> {
    let all = answer.headers.get_all("x-reading").iter();
    all.map(|value| value.to_str().expect("a number")).collect()
}

#[tokio::test]
async fn a_configuration_is_read_once_for_each_load_of_its_api() {
    let upstream = Upstream::start();
    let definition = api("read", upstream.address).config("CountReadings", json!({"a": 1}));
    let definition =
        ["pre", "post", "response"].iter().fold(definition, |all, hook| all.plugins(hook, &["CountReadings"]));
    let gateway = Conf::default().with(&definition).start().await;
    for _ in 0..3 {
        assert_eq!(readings(&gateway.get("/read/").await), ["1"; 3]);
    }
    // The same text is the same API.
    gateway.reload().await;
    assert_eq!(readings(&gateway.get("/read/").await), ["1"; 3]);
    gateway.write(&definition.config("CountReadings", json!({"a": 2})));
    gateway.reload().await;
    assert_eq!(readings(&gateway.get("/read/").await), ["2"; 3]);
}
