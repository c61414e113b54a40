//! What is linked, and how it is told.

use gateway_sdk::Hook;
use gateway_sdk::prelude::*;
use gateway_sdk::registry::{Access, Package, Plugin, plugins};

///
/// Says which hooks it serves,
/// on two lines.
///
/// And more that nobody needs in a list.
#[gw_plugin(hook = ["post", "pre"], name = "Recorded")]
fn recorded() {}

/** A block comment
on two lines.

And more. */
#[gw_plugin(hook = "response")]
async fn response_only(_req: &Request) {}

#[gw_plugin(hook = "response")]
fn without_request(_res: &mut Response) {}

/// A block that is told.
#[derive(Default)]
struct Told;

/// Told by its block.
#[gw_plugin(name = "Told")]
impl Told {
    #[hook("post")]
    fn second(&self) {}

    #[hook("pre")]
    #[hook("endpoint")]
    fn first(&self) {}
}

fn find(name: &str) -> &'static Plugin {
    let found = plugins().iter().find(|plugin| plugin.name == name);
    found.expect("it is linked")
}

#[test]
fn plugins_are_sorted_by_crate_and_name() {
    assert!(plugins().is_sorted_by_key(|plugin| (plugin.package, plugin.name)));
    assert!(plugins().len() > 50, "the whole test binary is linked");
}

#[test]
fn a_record_is_a_line_of_json() {
    let version = env!("CARGO_PKG_VERSION");
    let check = |name: &str, hooks: &str| {
        let expected = format!(
            "{{\"crate\":\"gateway-sdk\",\"version\":\"{version}\",\"name\":\"{name}\",\"hooks\":[{hooks}]}}\n"
        );
        let record = find(name).record;
        assert_eq!(String::from_utf8_lossy(record), expected);
        serde_json::from_slice::<serde_json::Value>(record).expect("it is JSON");
    };
    check("Recorded", r#""post","pre""#);
    check("Told", r#""post","pre","endpoint""#);
    check("grüße.v2", r#""post""#);
}

#[test]
fn every_record_says_what_the_registration_says() {
    for plugin in plugins() {
        let record: serde_json::Value = serde_json::from_slice(plugin.record).expect("it is JSON");
        let hooks: Vec<_> = plugin.hooks.iter().map(|entry| entry.hook.as_str()).collect();
        assert_eq!(record["name"], plugin.name);
        assert_eq!(record["crate"], plugin.package.name);
        assert_eq!(record["hooks"], serde_json::json!(hooks));
    }
}

#[test]
fn a_plugin_tells_its_crate() {
    let plugin = find("Recorded");
    let package = Package { name: "gateway-sdk", version: env!("CARGO_PKG_VERSION") };
    assert_eq!(plugin.package, package);
    assert_eq!(plugin.module, "sdk::registry");
    let about = plugin.about().expect("a crate with a plugin is described");
    assert_eq!(about.package, package);
    assert_eq!(about.description, env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(about.repository, env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(about.license, env!("CARGO_PKG_LICENSE"));
}

#[test]
fn the_first_paragraph_of_the_doc_comment_is_told() {
    assert_eq!(find("Recorded").doc, "Says which hooks it serves, on two lines.");
    assert_eq!(find("response_only").doc, "A block comment on two lines.");
    assert_eq!(find("without_request").doc, "");
    assert_eq!(find("Told").doc, "Told by its block.");
}

#[test]
fn an_entry_names_its_function_and_what_it_takes() {
    let entry = |name: &str, hook| *find(name).hook(hook).expect("it serves the hook");
    assert_eq!(entry("Recorded", Hook::Pre).function, "recorded");
    assert_eq!(entry("Told", Hook::Endpoint).function, "first");
    assert_eq!(entry("Told", Hook::Post).function, "second");
    assert_eq!(entry("response_only", Hook::Response).takes.request, Access::Reads);
    assert_eq!(entry("without_request", Hook::Response).takes.request, Access::Nothing);
    assert!(find("Recorded").hook(Hook::Response).is_none());
}
