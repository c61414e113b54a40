//! `--from-apis`, `--apis` and `check`, through the program: definitions choose plugins, or are checked against them.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use xtask::gateway::prove::inspect;
use xtask::repository::Repository;

use crate::apis::{asks_for, classic, folder};
use crate::graph::World;
use crate::ran::{Ran, has_compiled, offering, refused, xtask};
use crate::standin::{SDK_BY_PATH, StandIn};

const USAGE: u8 = xtask::USAGE;
const FAILED: u8 = xtask::FAILED;

/// Three plugins in `plugins/`, of which two have a function `Check`.
fn three() -> StandIn {
    let here = StandIn::new();
    offering(&here, "plugins/add-foo", "add-foo", SDK_BY_PATH, &[("AddFoo", &["pre", "post"])]);
    offering(&here, "plugins/checker", "checker", SDK_BY_PATH, &[("Check", &["pre"])]);
    offering(&here, "plugins/other", "other", SDK_BY_PATH, &[("Check", &["pre"]), ("Other", &["post"])]);
    here
}

/// The packages that registered in the gateway.
fn linked(here: &StandIn) -> Vec<String> {
    let proof = inspect(&here.path("dist/gateway")).expect("readable");
    let mut packages: Vec<String> = proof.records.into_iter().map(|record| record.package).collect();
    packages.sort();
    packages
}

const BUILD: &[&str] = &["build", "--from-apis", "apps", "--offline"];
const CHECK: &[&str] = &["check", "--from-apis", "apps", "--offline"];

#[test]
fn definitions_choose_exactly_their_plugins() {
    let here = three();
    here.write("apps/one.json", &asks_for("pre", "AddFoo", "add-foo.so"));
    here.write("apps/two.json", &asks_for("post", "Other", ""));
    let said = xtask(&here, BUILD).succeeded();
    assert!(said.stdout.contains("  plugins: add-foo 0.1.0, other 0.1.0\n"), "{}", said.stdout);
    assert_eq!(linked(&here), ["add-foo", "other"]);

    fs::remove_file(here.path("apps/two.json")).expect("removed");
    xtask(&here, BUILD).succeeded();
    assert_eq!(linked(&here), ["add-foo"], "what nobody names is not linked");
}

#[test]
fn definitions_without_plugins_choose_none() {
    let here = three();
    here.write("apps/plain.json", &classic(""));
    assert_eq!(xtask(&here, CHECK).succeeded().stdout, "the definitions need: none\n");
}

#[test]
fn a_misspelt_name_stops_the_build_before_anything_is_compiled() {
    let here = three();
    here.write("apps/good.json", &asks_for("post", "Other", ""));
    here.write("apps/wrong.json", &asks_for("pre", "AddFooo", "add-foo.so"));
    let text = refused(&here, FAILED, BUILD);
    assert_eq!(
        text,
        "error: apps/wrong.json:2:57: custom_middleware.pre[0].name: no plugin `AddFooo` for hook `pre`; nearest: `AddFoo` \
         (add-foo)\n  = correct the name, or add the crate that has it: `--plugins ./FOLDER`"
    );
    assert!(!has_compiled(&here));
    let ran = xtask(&here, BUILD);
    assert!(!ran.stderr.contains("compile"), "{}", ran.stderr);
}

#[test]
fn a_name_under_a_hook_that_its_plugin_does_not_serve_is_refused() {
    let here = three();
    here.write("apps/wrong.json", &asks_for("response", "AddFoo", ""));
    let text = refused(&here, FAILED, BUILD);
    let place = "error: apps/wrong.json:2:62: custom_middleware.response[0].name: ";
    assert!(text.starts_with(place), "{text}");
    assert!(text.contains("plugin `AddFoo` of crate `add-foo` serves `pre`, `post`, not `response`"), "{text}");
}

#[test]
fn a_name_in_two_crates_is_chosen_by_its_file_or_refused() {
    let here = three();
    here.write("apps/a.json", &asks_for("pre", "Check", "/opt/tyk/checker.so"));
    assert_eq!(xtask(&here, CHECK).succeeded().stdout, "the definitions need: checker 0.1.0\n");
    here.write("apps/a.json", &asks_for("pre", "other::Check", ""));
    assert_eq!(xtask(&here, CHECK).succeeded().stdout, "the definitions need: other 0.1.0\n");

    here.write("apps/a.json", &asks_for("pre", "Check", ""));
    assert_eq!(
        refused(&here, FAILED, BUILD),
        "error: apps/a.json:2:57: custom_middleware.pre[0].name: plugin `Check` is in several crates: checker, other\n  = \
         name one, such as `checker::Check`, or let its path end in its crate's name"
    );
    assert!(!has_compiled(&here));
}

#[test]
fn plugins_of_paths_and_of_a_manifest_are_candidates_too() {
    let here = three();
    let sdk = format!("{SDK_BY_PATH}\n[workspace]");
    offering(&here, "away/typed", "typed", &sdk, &[("Typed", &["post"])]);
    offering(&here, "away/spare", "spare", &sdk, &[("Spare", &["post"])]);
    offering(&here, "away/written", "written", &sdk, &[("Written", &["post"])]);
    here.write("gw.toml", "[plugins]\nwritten = { path = \"away/written\" }\nadd-foo = { bundled = true }\n");
    here.write("apps/a.json", &asks_for("post", "Typed", ""));
    let text = refused(&here, FAILED, BUILD);
    assert!(text.contains("no plugin `Typed` for hook `post`"), "it is not in plugins/: {text}");

    let typed = ["--plugins", "./away/typed,./away/spare"];
    let said = xtask(&here, &[CHECK, &typed].concat()).succeeded();
    assert_eq!(said.stdout, "the definitions need: typed 0.1.0\n");
    here.write("apps/b.json", &asks_for("post", "Written", ""));
    let said = xtask(&here, &[BUILD, &typed, &["--manifest", "gw.toml"]].concat()).succeeded();
    assert!(said.stdout.contains("  plugins: typed 0.1.0, written 0.1.0\n"), "{}", said.stdout);
    assert_eq!(linked(&here), ["typed", "written"]);
}

#[test]
fn plugins_of_a_git_repository_are_candidates_too() {
    let world = World::new();
    let here = &world.here;
    offering(here, "plugins/add-foo", "add-foo", SDK_BY_PATH, &[("AddFoo", &["post"])]);
    offering(here, "repository", "fetched", "gateway-sdk = \"0.1\"", &[("Fetched", &["post"])]);
    let url = world.git("repository", "v1");
    here.write("apps/a.json", &asks_for("post", "Fetched", ""));
    let args = |definitions| ["check", "--from-apis", definitions, "--plugins"];
    let item = format!("git+{url}#v1");
    let said = xtask(here, &[&args("apps")[..], &[&item]].concat()).succeeded();
    assert_eq!(said.stdout, "the definitions need: fetched 0.1.0\n");
    here.write("none/a.json", &asks_for("post", "AddFoo", ""));
    let said = xtask(here, &[&args("none")[..], &[&item]].concat()).succeeded();
    assert_eq!(said.stdout, "the definitions need: add-foo 0.1.0\n");

    here.write("apps/a.json", &asks_for("post", "Fetchd", ""));
    let text = refused(here, FAILED, &["build", "--from-apis", "apps", "--plugins", &item]);
    assert!(text.contains("no plugin `Fetchd` for hook `post`; nearest: `Fetched` (fetched)"), "{text}");
    assert!(!has_compiled(here));
}

#[test]
fn an_openapi_document_names_plugins_too() {
    let here = three();
    let document = |name: &str| {
        format!(
            r#"{{"openapi":"3.0.3","info":{{"title":"t","version":"1"}},"paths":{{}},
"x-tyk-api-gateway":{{"info":{{"name":"t","state":{{"active":true}}}},
"server":{{"listenPath":{{"value":"/a/"}}}},"upstream":{{"url":"http://up/"}},
"middleware":{{"global":{{"pluginConfig":{{"driver":"goplugin"}},"postPlugins":[
{{"enabled":true,"functionName":"{name}","path":"other.so"}}]}}}}}}}}"#
        )
    };
    here.write("apps/a-oas.json", &document("Other"));
    let said = xtask(&here, CHECK).succeeded();
    assert_eq!(said.stdout, "the definitions need: other 0.1.0\n", "{}", said.stderr);
    here.write("apps/a-oas.json", &document("Othr"));
    let text = refused(&here, FAILED, BUILD);
    assert!(text.starts_with("error: apps/a-oas.json:5:"), "{text}");
    assert!(text.contains("no plugin `Othr` for hook `post`; nearest: `Other` (other)"), "{text}");
}

#[test]
fn definitions_are_checked_against_plugins_that_were_named() {
    let here = three();
    here.write("apps/a.json", &asks_for("post", "Other", ""));
    let build = ["build", "--apis", "apps", "--offline", "--plugins"];
    let text = refused(&here, FAILED, &[&build[..], &["add-foo"]].concat());
    assert!(text.starts_with("error: apps/a.json:2:58: "), "{text}");
    assert!(text.contains("no plugin `Other` for hook `post`"), "other is not asked for: {text}");
    assert!(!has_compiled(&here));

    xtask(&here, &[&build[..], &["add-foo,other"]].concat()).succeeded();
    assert_eq!(linked(&here), ["add-foo", "other"], "nothing is chosen: all that is named is linked");

    let both = xtask(&here, &["build", "--apis", "apps", "--from-apis", "apps"]);
    assert_eq!(both.code, Some(i32::from(USAGE)), "{}", both.stderr);
}

#[test]
fn definitions_that_a_manifest_names_are_checked_by_each_build() {
    let here = three();
    let manifest = "[plugins]\nadd-foo = { bundled = true }\n[build]\napis = \"../apps\"\n";
    here.write("own/gw.toml", manifest);
    here.write("apps/a.json", &asks_for("post", "Other", ""));
    let args = ["--manifest", "own/gw.toml", "--offline"];
    let ran = xtask(&here, &[&["build"], &args[..]].concat());
    assert_eq!(ran.code, Some(i32::from(FAILED)), "{}", ran.stderr);
    assert!(ran.error().contains("no plugin `Other` for hook `post`"), "{}", ran.error());
    assert!(!has_compiled(&here));

    here.write("apps/a.json", &asks_for("post", "AddFoo", ""));
    let said = xtask(&here, &[&["check"], &args[..]].concat()).succeeded();
    assert_eq!(said.stdout, "1 names, all of them served by: add-foo 0.1.0\n");
    xtask(&here, &[&["build"], &args[..]].concat()).succeeded();
    assert!(here.path("own/dist/gateway").is_file());
}

#[test]
fn nothing_to_check_is_said() {
    let here = three();
    here.write("gw.toml", "[plugins]\nadd-foo = { bundled = true }\n");
    for args in [&["check", "--plugins", "add-foo"][..], &["check", "--manifest", "gw.toml"]] {
        let ran = xtask(&here, &[args, &["--offline"]].concat());
        assert_eq!(ran.code, Some(i32::from(USAGE)), "{}", ran.stderr);
        assert!(ran.error().starts_with("error: no definitions are named\n  = name their folder: "), "{}", ran.error());
    }
    let text = refused(&here, FAILED, &["build", "--from-apis", "no/where", "--offline"]);
    let said = "error: cannot read the API definitions in `no/where`\n  = name the folder that holds them";
    assert!(text.starts_with(said), "{text}");
}

#[test]
fn nothing_is_written_where_there_is_nothing_to_check() {
    let here = three();
    here.write("gw.toml", "[plugins]\nadd-foo = { bundled = true }\n");
    let ran = xtask(&here, &["check", "--manifest", "gw.toml", "--offline"]);
    assert_eq!(ran.code, Some(i32::from(USAGE)), "{}", ran.stderr);
    assert!(!here.path("gw.lock").exists() && !here.path("target/gw").exists());
}

#[test]
fn a_check_leaves_the_lock_of_the_manifest_as_it_is() {
    let here = three();
    here.write("gw.toml", "[plugins]\nadd-foo = { bundled = true }\n[build]\napis = \"apps\"\n");
    here.write("apps/a.json", &asks_for("post", "AddFoo", ""));
    let check = ["check", "--manifest", "gw.toml", "--offline"];
    xtask(&here, &check).succeeded();
    assert!(!here.path("gw.lock").exists(), "none was there");
    let ran = xtask(&here, &[&check[..], &["--locked"]].concat());
    assert!(ran.error().starts_with("error: --locked: there is no gw.lock"), "{}", ran.error());

    xtask(&here, &["build", "--manifest", "gw.toml", "--offline"]).succeeded();
    here.write(
        "gw.toml",
        "[plugins]\nadd-foo = { bundled = true }\nother = { bundled = true }\n[build]\napis = \"apps\"\n",
    );
    let lock = fs::read_to_string(here.path("gw.lock")).expect("built");
    xtask(&here, &check).succeeded();
    assert_eq!(fs::read_to_string(here.path("gw.lock")).expect("still there"), lock);
}

#[test]
fn a_crate_of_plugins_that_would_serve_a_name_is_told() {
    let here = three();
    here.write("apps/a.json", &asks_for("post", "Other", ""));
    let text = refused(&here, FAILED, &["check", "--apis", "apps", "--offline", "--plugins", "add-foo"]);
    assert_eq!(
        text,
        "error: apps/a.json:2:58: custom_middleware.post[0].name: no plugin `Other` for hook `post`: it is in `other`, \
         which is not asked for\n  = add `other` to --plugins, or to [plugins] of the manifest"
    );
}

#[test]
fn each_mistake_is_an_event() {
    let here = three();
    here.write("apps/a.json", &asks_for("post", "Othr", ""));
    here.write("apps/b.json", &asks_for("pre", "Zzz", ""));
    let findings = |args: &[&str]| {
        let ran = xtask(&here, &[args, &["--offline", "--json"]].concat());
        assert_eq!(ran.code, Some(i32::from(FAILED)), "{}", ran.stderr);
        let events = ran.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let events: Vec<_> = events.collect();
        assert_eq!(events.last().expect("some")["event"], "error");
        events.into_iter().filter(|event| event["event"] == "finding").collect::<Vec<_>>()
    };
    let expected = |file: &str, line: u8, column: u8, text: &str| serde_json::json!({ "event": "finding", "file": file, "line": line, "column": column, "text": text });
    let both = [
        expected("apps/a.json", 2, 58, "no plugin `Othr` for hook `post`; nearest: `Other` (other)"),
        expected("apps/b.json", 2, 57, "no plugin `Zzz` for hook `pre`"),
    ];
    assert_eq!(findings(&["check", "--apis", "apps", "--plugins", "other"]), both);
    assert_eq!(findings(&["check", "--from-apis", "apps"]), both);

    here.write("apps/a.json", &classic(",\n\"active\": \"yes\""));
    let wrong = findings(&["check", "--apis", "apps", "--plugins", "other"]);
    assert_eq!((wrong.len(), &wrong[0]["line"], &wrong[0]["column"]), (1, &2.into(), &11.into()), "{wrong:?}");
}

#[test]
fn a_definition_that_the_gateway_would_refuse_is_refused() {
    let here = three();
    here.write("apps/a.json", &classic(",\n\"active\": \"yes\""));
    let text = refused(&here, FAILED, BUILD);
    assert!(text.starts_with("error: apps/a.json:2:11: active: "), "{text}");
    assert!(text.ends_with("\n  = the gateway would refuse these definitions: mend them first"), "{text}");
}

/// The definitions of the plugins in this checkout, and the names of their packages.
fn published() -> (TempDir, Vec<String>) {
    let repository = Repository::of_xtask();
    let dir = folder(&[]);
    let mut packages = Vec::new();
    for plugin in repository.plugin_folders().expect("a folder") {
        let home = repository.plugins().join(&plugin);
        if let Ok(definition) = fs::read(home.join("api.json")) {
            fs::write(dir.path().join(format!("{plugin}.json")), definition).expect("written");
            packages.push(plugin);
        }
    }
    assert!(packages.len() > 5, "{packages:?}");
    (dir, packages)
}

/// In this checkout itself.
fn real(args: &[&str], definitions: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).arg(definitions).arg("--offline");
    Ran::of(command.current_dir(Repository::of_xtask().root()))
}

#[test]
fn the_published_examples_choose_their_plugins() {
    let (dir, packages) = published();
    let version = Repository::of_xtask().version().expect("a version");
    let need = |packages: &[String]| {
        let titles: Vec<String> = packages.iter().map(|package| format!("{package} {version}")).collect();
        format!("the definitions need: {}\n", titles.join(", "))
    };
    assert_eq!(real(&["check", "--from-apis"], dir.path()).succeeded().stdout, need(&packages));

    // Without one of them, its plugin is not needed.
    fs::remove_file(dir.path().join("hit-counter.json")).expect("removed");
    let fewer: Vec<String> = packages.into_iter().filter(|package| package != "hit-counter").collect();
    assert_eq!(real(&["check", "--from-apis"], dir.path()).succeeded().stdout, need(&fewer));
}

#[test]
fn a_misspelt_name_in_a_published_example_stops_the_build() {
    let (dir, _) = published();
    let file = dir.path().join("add-foo-bar-header.json");
    let text = fs::read_to_string(&file).expect("there");
    let name = "AddFooBarHeader";
    let at = text.find(&format!("\"{name}\"")).expect("it names its plugin");
    let line = text[..at].lines().count();
    let column = at - text[..at].rfind('\n').expect("not in the first line");
    fs::write(&file, text.replace(name, "AddFooBarHaeder")).expect("written");
    let ran = real(&["build", "--from-apis"], dir.path());
    assert_eq!(ran.code, Some(i32::from(FAILED)), "{}", ran.stderr);
    let error = ran.error();
    assert!(error.starts_with(&format!("error: {}:{line}:{column}: custom_middleware.", file.display())), "{error}");
    assert!(error.contains("no plugin `AddFooBarHaeder` for hook `"), "{error}");
    assert!(error.contains("; nearest: `AddFooBarHeader` (add-foo-bar-header)"), "{error}");
    assert!(!ran.stderr.contains("compile"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("generate"), "it is the first step that fails: {}", ran.stderr);
}
