//! The other commands of the gateway: what it is, and what is in it.

use gateway_tests::{Conf, binary};
use serde_json::{Value, json};
use xtask::cli::Profile;
use xtask::repository::Repository;
use xtask::toolchain::{Toolchain, commit};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Conf::of(binary::examples()).command(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_tells_how_the_binary_was_made() {
    let (code, out, err) = run(&["version", "--json", "-m"]);
    assert_eq!((code, &*err), (Some(0), ""));
    let version: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(version["Version"], concat!("v", env!("CARGO_PKG_VERSION")));
    let named = |plugin: &Value| (plugin["Name"].clone(), plugin["Version"].clone());
    let shown: Vec<_> = version["Plugins"].as_array().expect("a list").iter().map(named).collect();
    let mut plugins = binary::EXAMPLES.map(|name| (json!(name), json!(env!("CARGO_PKG_VERSION"))));
    plugins.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(shown, plugins);
    assert_eq!(version["Profile"], binary::profile().name());
    let toolchain = Toolchain::ask(Repository::of_xtask().root()).expect("rustc runs");
    assert_eq!(version["Rust"], toolchain.version);
    // Whoever edits while the tests run makes the checkout a dirty one.
    let clean = |commit: &str| commit.trim_end_matches("-dirty").to_owned();
    let ours = commit(Repository::of_xtask().root());
    assert_eq!(version["Commit"].as_str().map(clean), ours.as_deref().map(clean));
    let target = toolchain.default_target(Repository::of_xtask().root(), binary::profile() == Profile::Ship);
    assert_eq!(version["Target"], target);
    assert!(version["Lock"].as_str().is_some_and(|lock| lock.starts_with("sha256:")), "{version:#}");
    let (code, out, _) = run(&["version"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with(concat!("Release version: v", env!("CARGO_PKG_VERSION"), "\n")), "{out}");
    let (code, out, _) = run(&["version", "-m"]);
    assert_eq!(code, Some(0));
    let first = concat!("Plugin:          add-foo-bar-header ", env!("CARGO_PKG_VERSION"));
    assert!(out.lines().any(|line| line.starts_with(first)), "{out}");
}

#[tokio::test]
async fn the_log_begins_with_what_starts() {
    let gateway = Conf::of(binary::examples()).start().await;
    let lines = gateway.log().lines();
    let first = &lines[0];
    assert_eq!((first.message(), first.field("version")), ("gateway", concat!("v", env!("CARGO_PKG_VERSION"))));
    assert_eq!(first.json["plugins"], binary::EXAMPLES.len());
}

#[test]
fn plugins_list_tells_what_each_plugin_is() {
    let (code, out, err) = run(&["plugins", "list"]);
    assert_eq!((code, &*err), (Some(0), ""));
    let expected = format!(
        "MyPluginAuthCheck  (token-auth {})  auth_check\n    Lets in the tokens that the configuration lists.\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(out.contains(&expected), "{out}");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let (code, out, err) = run(&["plugin", "lst"]);
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("unrecognized subcommand"), "{err}");
}

#[test]
fn help_is_a_result() {
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.contains("Usage: gateway"), "{out}");
}
