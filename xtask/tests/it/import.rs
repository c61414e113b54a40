//! `cargo xtask import`, from outside: the manifest, what is said, and the exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::apis::{asks_for, classic, folder};

const OURS: &str = "#[gw_plugin(hook = \"pre\", name = \"Mine\")]\nfn f() {}\n";

/// A folder with definitions, and a crate of somebody's own.
fn place(files: &[(&str, &str)]) -> TempDir {
    let mut all = vec![("mine/Cargo.toml", "[package]\nname = \"my-own\"\n"), ("mine/src/lib.rs", OURS)];
    all.extend(files);
    folder(&all)
}

/// The code of this repository's `plugins/` is what is found without `--plugins`.
fn import(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("import").args(args).current_dir(dir).output().expect("xtask runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn manifest(dir: &Path, file: &str) -> toml::Table {
    fs::read_to_string(dir.join(file)).expect("written").parse().expect("TOML")
}

#[test]
fn the_manifest_names_the_crates_that_the_definitions_need() {
    let here = place(&[
        ("apps/a.json", &asks_for("post", "AddFooBarHeader", "add-foo-bar-header.so")),
        ("apps/b.json", &asks_for("pre", "Mine", "")),
        ("tyk.conf", r#"{"listen_port": 9000}"#),
        ("out/keep", ""),
    ]);
    let args = ["--apis", "apps", "--conf", "tyk.conf", "--plugins", "./mine", "--output", "out/gw.toml"];
    let output = import(here.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out/gw.toml: 2 plugins for 2 definitions\n");
    assert_eq!(stderr(&output), "");
    let expected = toml::toml! {
        [gateway]
        version = "0.1.0"
        [plugins]
        my-own = { path = "../mine" }
        add-foo-bar-header = { bundled = true }
        [build]
        profile = "ship"
        apis = "../apps"
        [image]
        port = 9000
    };
    assert_eq!(manifest(here.path(), "out/gw.toml"), expected);
}

#[test]
fn the_folder_of_the_manifest_is_made() {
    let here = place(&[("apps/a.json", &asks_for("pre", "Mine", ""))]);
    let args = ["--apis", "apps", "--plugins", "./mine", "--output"];
    let output = import(here.path(), &[&args[..], &["no/dir/gw.toml"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let manifest = manifest(here.path(), "no/dir/gw.toml");
    assert_eq!(manifest["plugins"]["my-own"]["path"].as_str(), Some("../../mine"));
    assert_eq!(manifest["build"]["apis"].as_str(), Some("../../apps"));
}

#[test]
fn an_existing_manifest_is_not_overwritten() {
    let here = place(&[("apps/a.json", &classic(""))]);
    let output = import(here.path(), &["--apis", "apps"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!manifest(here.path(), "gw.toml").contains_key("image"));
    let before = fs::read(here.path().join("gw.toml")).expect("written");
    // There would be something to say about this one.
    fs::write(here.path().join("apps/b.json"), classic(r#","tags":["x"]"#)).expect("written");
    let output = import(here.path(), &["--apis", "apps"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("error: `gw.toml` exists already\n  = write another file"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read(here.path().join("gw.toml")).expect("still there"), before);
}

#[test]
fn a_name_that_nothing_offers_is_a_comment_and_a_warning() {
    let here = place(&[
        ("apps/a.json", &asks_for("post", "AddFooBarHeadr", "")),
        ("apps/b.json", &asks_for("response", "Mine", "")),
        ("apps/c.json", &asks_for("pre", "Two\\nlines = 1", "")),
        ("apps/d.json", &asks_for("pre", "Mine", "")),
    ]);
    let output = import(here.path(), &["--apis", "apps", "--plugins", "./mine"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "gw.toml: 1 plugin for 4 definitions, 3 names unplaced\n");
    let nearest = "warning: apps/a.json:2:58: custom_middleware.post[0].name: no plugin `AddFooBarHeadr` for hook `post`; \
                   nearest: `AddFooBarHeader` (add-foo-bar-header)";
    assert!(stderr(&output).contains(nearest), "{}", stderr(&output));
    let text = fs::read_to_string(here.path().join("gw.toml")).expect("written all the same");
    for line in [
        "# unplaced: AddFooBarHeadr (apps/a.json:2:58, hook post): add its crate here",
        "# unplaced: Mine (apps/b.json:2:62, hook response): plugin `Mine` of crate `my-own` serves `pre`, not `response`",
        "# unplaced: Two\\nlines = 1 (apps/c.json:2:57, hook pre): add its crate here",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let plugins = manifest(here.path(), "gw.toml")["plugins"].as_table().expect("a table").clone();
    assert_eq!(plugins.keys().collect::<Vec<_>>(), ["my-own"]);
}

#[test]
fn every_field_that_is_not_honoured_is_named() {
    let conf = "{\n \"streams\": {\"type\": \"redis\"}, \"dns_cache\": true, \"enable_jsvm\": false,\n \"enable_key_logging\": true,\n \
                \"http_server_options\": {\"max_response_body_size\": 9, \"read_timeout\": 5},\n \
                \"opentelemetry\": {\"enabled\": false, \"span_batch_config\": {\"max_queue_size\": 9}}\n}";
    let here =
        place(&[("tyk.conf", conf), ("apps/a.json", &classic(",\n \"use_oauth2\": true, \"oauth_meta\": [\"x\"]"))]);
    let output = import(here.path(), &["--apis", "apps", "--conf", "tyk.conf"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    let told: Vec<_> = told.lines().map(|line| line.split(": not honoured").next().unwrap_or_default()).collect();
    assert_eq!(
        told,
        [
            "warning: tyk.conf:2:13: streams",
            "warning: tyk.conf:2:45: dns_cache",
            "warning: tyk.conf:3:24: enable_key_logging",
            "warning: tyk.conf:5:59: opentelemetry.span_batch_config",
            "warning: apps/a.json:2:16: use_oauth2",
            "warning: apps/a.json:2:36: oauth_meta",
        ]
    );
    let port = manifest(here.path(), "gw.toml")["image"]["port"].as_integer();
    assert_eq!(port, Some(8080), "Tyk's default, where none is set");
}

#[test]
fn a_definition_with_mistakes_is_told_and_the_manifest_is_written() {
    let here = place(&[("apps/a.json", "{"), ("apps/b.json", &asks_for("pre", "SendCurrentTime", ""))]);
    let output = import(here.path(), &["--apis", "apps"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: apps/a.json:1:1: EOF while parsing an object\n"),
        "{}",
        stderr(&output)
    );
    assert!(manifest(here.path(), "gw.toml")["plugins"].get("send-current-time").is_some());
    let text = fs::read_to_string(here.path().join("gw.toml")).expect("written");
    assert!(text.contains("\n# not read: apps/a.json has mistakes; "), "{text}");
}

#[test]
fn a_crate_of_ones_own_takes_the_place_of_a_bundled_one_of_its_name() {
    let here = place(&[
        ("own/Cargo.toml", "[package]\nname = \"token-auth\"\n"),
        ("own/src/lib.rs", "#[gw_plugin(hook = \"auth_check\")] fn Check() {}"),
        (
            "apps/a.json",
            &classic(
                r#","use_go_plugin_auth":true,"custom_middleware":{"driver":"goplugin","auth_check":{"name":"Check"}}"#,
            ),
        ),
    ]);
    let output = import(here.path(), &["--apis", "apps", "--plugins", "./own"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(manifest(here.path(), "gw.toml")["plugins"]["token-auth"]["path"].as_str(), Some("own"));
}

#[test]
fn what_cannot_be_imported_leaves_nothing_behind() {
    let here = place(&[
        ("apps/a.json", &classic("")),
        ("broken.conf", "{\n\"a\": }"),
        ("again/Cargo.toml", "[package]\nname = \"my-own\"\n"),
        ("empty/readme.txt", ""),
    ]);
    for (args, code, said) in [
        (&["--apis", "nowhere"][..], 1, "error: cannot read the API definitions in `nowhere`"),
        (&["--apis", "apps", "--conf", "nowhere"], 1, "error: cannot use `nowhere`"),
        (
            &["--apis", "apps", "--conf", "broken.conf"],
            1,
            "error: broken.conf:2:6: expected value\n  = `--conf` is a `tyk.conf`",
        ),
        (&["--apis", "apps", "--plugins", "./empty"], 2, "error: there is no crate in `./empty`"),
        (
            &["--apis", "apps", "--plugins", "nothing-of-that-name"],
            2,
            "error: there is no folder `nothing-of-that-name`",
        ),
        (&["--apis", "apps", "--plugins", "a@1"], 2, "error: `--plugins` of `import` are folders"),
        (&["--apis", "apps", "--plugins", "./mine,./again"], 2, "error: two crates are named `my-own`"),
        (&["--apis", "apps", "--output", "broken.conf/gw.toml"], 1, "error: cannot use `broken.conf`"),
    ] {
        let output = import(here.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with(said), "{args:?}: {}", stderr(&output));
        assert!(!here.path().join("gw.toml").exists(), "{args:?}");
    }
}
