//! Source: plugin-system.md §6.3; §7.6; §10.4, multi_bundle_test.go:158-500, coprocess_bundle_test.go:822.

use gateway_model::Hook;
use gateway_model::bundle::parse;
use serde_json::{Value, json};

use super::*;

fn part(name: &str, within: Option<&str>, section: &Value) -> Part {
    let manifest = parse(json!({"custom_middleware": section}).to_string().as_bytes()).expect("a manifest");
    Part { name: name.to_owned(), within: within.map(str::to_owned), manifest }
}

fn merged(parts: Vec<Part>) -> Result<Merged, String> {
    merge(Path::new("/store/x"), parts).map_err(|(_, error)| error.to_string())
}

fn entries(merged: &Merged, hook: Hook) -> Vec<(&str, &str)> {
    merged.section.entries(hook).iter().map(|entry| (entry.name.as_str(), entry.path.as_str())).collect()
}

#[test]
fn paths_are_within_the_bundle_even_if_they_look_absolute() {
    let section = json!({
        "driver": "goplugin", "pre": [{"name": "A", "path": "a.so"}], "auth_check": {"name": "B", "path": "/b/b.so"},
        "post_key_auth": [{"name": "C", "path": "./c.so"}], "post": [{"name": "D"}],
        "response": [{"name": "E", "path": "e//f.so"}],
    });
    let found = merged(vec![part("b.zip", None, &section)]).expect("merged");
    assert_eq!(entries(&found, Hook::Pre), [("A", "/store/x/a.so")]);
    assert_eq!(entries(&found, Hook::AuthCheck), [("B", "/store/x/b/b.so")]);
    assert_eq!(entries(&found, Hook::PostKeyAuth), [("C", "/store/x/c.so")]);
    assert_eq!(entries(&found, Hook::Post), [("D", "")]);
    assert_eq!(entries(&found, Hook::Response), [("E", "/store/x/e/f.so")]);
    let grpc = json!({"driver": "grpc", "pre": [{"name": "A", "path": "/a.so"}]});
    let found = merged(vec![part("b.zip", None, &grpc)]).expect("merged");
    assert_eq!(entries(&found, Hook::Pre), [("A", "/a.so")], "paths of other drivers are theirs");
    let out = json!({"driver": "goplugin", "pre": [{"name": "A", "path": "../a.so"}]});
    let told = merged(vec![part("b.zip", None, &out)]).expect_err("refused");
    assert!(told.starts_with("the path `../a.so` of a plugin leads out of the bundle"), "{told}");
}

#[test]
fn the_plugin_of_analytics_comes_from_one_bundle_alone() {
    let section =
        |path: &str, off| json!({"driver": "goplugin", "traffic_logs": {"name": "T", "path": path, "disabled": off}});
    let of = |section: Value| merged(vec![part("b.zip", None, &section)]).expect("merged").analytics;
    let plugin = |path: &str| AnalyticsPlugin { enable: true, plugin_path: path.to_owned(), func_name: "T".to_owned() };
    assert_eq!(of(section("t.so", false)), Some(plugin("/store/x/t.so")));
    assert_eq!(of(section("/abs/t.so", false)), Some(plugin("/abs/t.so")));
    assert_eq!(of(section("t.so", true)), None);
    assert_eq!(of(json!({"driver": "goplugin"})), None);
    let several = merged(vec![part("a.zip", Some("a"), &section("t.so", false)), part("b.zip", Some("b"), &json!({}))]);
    assert_eq!(several.expect("merged").analytics, None);
}

#[test]
fn several_are_put_together_in_their_order() {
    let section = |name: &str, driver: &str| {
        let of = |hook: &str| json!([{"name": format!("{name}-{hook}"), "path": "p.so", "code": "Y29kZQ=="}]);
        json!({"driver": driver, "pre": of("pre"), "post": of("post"), "post_key_auth": of("pka"), "response": of("res")})
    };
    let parts = vec![
        part("one.zip", Some("one"), &section("1", "")),
        part("two.zip", Some("two"), &section("2", "goplugin")),
        part(
            "three.zip",
            Some("three"),
            &json!({"driver": "goplugin", "auth_check": {"name": "auth", "path": "/a.so"}}),
        ),
    ];
    let found = merged(parts).expect("merged");
    let expected = [(Hook::Pre, "pre"), (Hook::Post, "post"), (Hook::PostKeyAuth, "pka"), (Hook::Response, "res")];
    for (hook, name) in expected {
        let names = [format!("1-{name}"), format!("2-{name}")];
        assert_eq!(
            entries(&found, hook),
            [(names[0].as_str(), "/store/x/one/p.so"), (names[1].as_str(), "/store/x/two/p.so")]
        );
        assert!(found.section.entries(hook).iter().all(|entry| entry.code == "Y29kZQ=="));
    }
    assert_eq!(entries(&found, Hook::AuthCheck), [("auth", "/store/x/three/a.so")]);
    assert_eq!(found.section.driver, "goplugin");
}

#[test]
fn several_have_one_auth_check_and_one_driver() {
    let auth = json!({"driver": "goplugin", "auth_check": {"name": "a"}});
    let told = merged(vec![part("a.zip", Some("a"), &auth), part("b.zip", Some("b"), &auth)]).expect_err("refused");
    assert!(told.contains("auth_check"), "{told}");
    let parts = |other: &str| {
        vec![part("a.zip", Some("a"), &json!({"driver": "y"})), part("b", Some("b"), &json!({"driver": other}))]
    };
    let told = merged(parts("x")).expect_err("refused");
    assert!(told.starts_with("bundle \"b\" declares driver \"x\" but earlier bundles set \"y\""), "{told}");
    assert!(merged(parts("")).is_ok() && merged(parts("y")).is_ok());
}
