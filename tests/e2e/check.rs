//! `gateway check`: what loading would find, with exit codes and positions.

use std::process::Output;

use gateway_tests::{Conf, binary};
use serde_json::{Value, json};

const GOOD: &str = r#"{
  "api_id": "good",
  "use_keyless": true,
  "proxy": { "listen_path": "/good/", "target_url": "http://localhost/" },
  "custom_middleware": { "driver": "goplugin", "post": [{ "name": "AddFooBarHeader", "path": "plugin.so" }] }
}
"#;

/// A type, a name, and a field without effect.
const BAD: &str = r#"{
  "api_id": "bad",
  "use_keyless": "yes",
  "enable_batch_request_support": true,
  "proxy": { "listen_path": "/bad/", "target_url": "localhost" },
  "custom_middleware": { "driver": "goplugin" }
}
"#;

const LOST: &str = r#"{
  "api_id": "lost",
  "use_keyless": true,
  "proxy": { "listen_path": "/lost/", "target_url": "http://localhost/" },
  "custom_middleware": {
    "driver": "goplugin",
    "pre": [{ "name": "SendCurrentTme", "path": "plugin.so" }],
    "response": [{ "name": "Qqq", "path": "other.so" }]
  }
}
"#;

const CRATES: &str = "add-foo-bar-header,hit-counter,per-path,response-rewrite,send-current-time,token-auth";

fn conf(files: &[(&str, &str)]) -> Conf {
    files.iter().fold(Conf::of(binary::examples()), |conf, (name, text)| conf.file(name, text))
}

fn check(files: &[(&str, &str)]) -> (Option<i32>, String, String) {
    told(&conf(files).command(&["check", "--apis", "apps"]))
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_right_is_said_in_one_line() {
    let expected = (Some(0), "1 definition, 0 errors, 0 warnings\n".to_owned(), String::new());
    assert_eq!(check(&[("good.json", GOOD)]), expected);
}

#[test]
fn every_mistake_comes_with_its_position_in_one_run() {
    let (code, out, err) = check(&[("good.json", GOOD), ("bad.json", BAD)]);
    let expected = "\
error: apps/bad.json:3:18: use_keyless: invalid type: string \"yes\", expected a boolean
warning: apps/bad.json:4:35: enable_batch_request_support: not honoured by this gateway; the field has no effect
error: apps/bad.json:5:52: proxy.target_url: `localhost` is not of the form `scheme://host[:port][/path]`
";
    assert_eq!((code, &*out, &*err), (Some(1), "2 definitions, 2 errors, 1 warning\n", expected));
}

#[test]
fn an_unresolved_plugin_is_an_error() {
    let (code, out, err) = check(&[("lost.json", LOST)]);
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "\
error: apps/lost.json:7:23: custom_middleware.pre[0].name: no plugin `SendCurrentTme` for hook `pre` in this binary; \
nearest: `SendCurrentTime` (send-current-time {version}); add it with `cargo xtask build --plugins {CRATES},<crate>`, or \
see what is linked: `gateway plugins list`
error: apps/lost.json:8:28: custom_middleware.response[0].name: no plugin `Qqq` for hook `response` in this binary; add it \
with `cargo xtask build --plugins {CRATES},other`, or see what is linked: `gateway plugins list`
"
    );
    assert_eq!((code, &*out, err), (Some(1), "1 definition, 2 errors, 0 warnings\n", expected));
}

#[test]
fn a_mistake_of_syntax_has_its_position() {
    let (code, _, err) = check(&[("torn.json", "{\n  \"api_id\": \"torn\",\n  \"name\" \"x\"\n}\n")]);
    assert_eq!((code, &*err), (Some(1), "error: apps/torn.json:3:10: expected `:`\n"));
}

#[test]
fn an_id_or_a_listen_path_that_is_anothers_is_an_error() {
    let (code, _, err) = check(&[("a.json", GOOD), ("b.json", GOOD)]);
    let expected = "\
error: apps/b.json:2:13: api_id: `good` is taken by apps/a.json; give this API one of its own
error: apps/b.json:4:29: proxy.listen_path: `/good/` is taken by apps/a.json; give this API one of its own
";
    assert_eq!((code, &*err), (Some(1), expected));
}

#[test]
fn json_says_the_same() {
    let (code, out, err) = told(&conf(&[("bad.json", BAD)]).command(&["check", "--apis", "apps", "--json"]));
    assert_eq!((code, &*err), (Some(1), ""));
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&report["files"], &report["errors"], &report["warnings"]), (&json!(1), &json!(2), &json!(1)));
    let expected = json!({
        "file": "apps/bad.json", "line": 3, "column": 18, "path": "use_keyless", "severity": "error",
        "reason": "invalid type: string \"yes\", expected a boolean",
    });
    assert_eq!(report["findings"][0], expected);
}

#[test]
fn without_apis_the_configured_folder_is_checked() {
    let conf = conf(&[("bad.json", BAD)]);
    let (code, _, err) = told(&conf.command(&["check"]));
    assert_eq!(code, Some(1));
    assert!(err.starts_with(&format!("error: {}:3:18: use_keyless", conf.apps().join("bad.json").display())), "{err}");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let (code, _, err) = told(&conf(&[]).command(&["check", "--apis", "nowhere"]));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("`app_path` nowhere: No such file or directory"), "{err}");
}

#[test]
fn a_mistake_in_the_configuration_has_its_position() {
    let conf = conf(&[]).set("log_level", "loud");
    let (code, _, err) = told(&conf.command(&["check"]));
    assert_eq!(code, Some(1));
    let place = conf.folder().join("tyk.conf");
    assert!(err.starts_with(&format!("{}:", place.display())), "{err}");
    assert!(err.ends_with("log_level: `loud` is not one of `debug`, `info`, `warn`, `error`\n"), "{err}");
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let (code, _, err) = told(&conf(&[]).command(&["check", "--api", "apps"]));
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn openapi_documents_hidden_files_and_other_files_are_no_definitions() {
    let others = [("good-oas.json", "{"), (".good.json", "{"), ("good.json.bak", "{"), ("README.md", "{")];
    let files: Vec<_> = others.into_iter().chain([("good.json", GOOD)]).collect();
    assert_eq!(check(&files), (Some(0), "1 definition, 0 errors, 0 warnings\n".to_owned(), String::new()));
}
