//! The other commands of the gateway: what it is, and what is in it.

use gateway_tests::{Conf, binary};
use serde_json::{Value, json};

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
    let profile = std::env::var("GW_TEST_PROFILE").unwrap_or_else(|_| "fast".to_owned());
    assert_eq!(version["Profile"], profile);
    let mut plugins = binary::EXAMPLES.map(|name| format!("{name} {}", env!("CARGO_PKG_VERSION")));
    plugins.sort();
    assert_eq!(version["Plugins"], json!(plugins));
    let (code, out, _) = run(&["version"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with(concat!("Release version: v", env!("CARGO_PKG_VERSION"), "\n")), "{out}");
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
