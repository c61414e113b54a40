//! What is said of plugins before anything is compiled, through the program: problems stop the build, warnings are
//! repeated by each build, notes are for whoever has just changed something.

use std::fs;

use crate::graph::{SDK, World};
use crate::ran::{Ran, has_compiled, refused, xtask};
use crate::standin::registration;

/// A plugin that registers.
fn plugin(world: &World, name: &str, more: &str, dependencies: &str) {
    world.here.package(&format!("plugins/{name}"), name, "0.1.0", more, &format!("{SDK}\n{dependencies}"));
    world.here.write(&format!("plugins/{name}/src/lib.rs"), &registration(name));
}

fn build(world: &World, plugins: &str) -> Ran {
    xtask(&world.here, &["build", "--plugins", plugins, "--offline"])
}

fn refused_with_manifest(world: &World, manifest: &str) -> String {
    world.here.write("gw.toml", manifest);
    let text = refused(&world.here, xtask::FAILED, &["build", "--manifest", "gw.toml", "--offline"]);
    assert!(!has_compiled(&world.here));
    text
}

const MINE: &str = "[plugins]\nmine = { path = \"plugins/mine\" }\n";

#[test]
fn a_dependency_for_a_newer_compiler_stops_the_build() {
    let world = World::new();
    world.published("modern", "3.1.0", "rust-version = \"1.999\"", "");
    plugin(&world, "mine", "", "modern = \"3\"");
    let text = refused(&world.here, xtask::FAILED, &["build", "--plugins", "mine", "--offline"]);
    assert!(text.starts_with("error: modern 3.1.0 needs Rust 1.999.0, and 1."), "{text}");
    let way = "\n  plugin `mine` 0.1.0 brings it: mine 0.1.0 → modern 3.1.0\n  = run `rustup update`, or take an older modern";
    assert!(text.ends_with(way), "{text}");
    assert!(!has_compiled(&world.here));
    refused(&world.here, xtask::FAILED, &["build", "--plugins", "mine", "--offline"]);
}

#[test]
fn a_denied_licence_stops_the_build() {
    let world = World::new();
    world.published("strict", "1.0.0", "license = \"GPL-3.0-only\"", "");
    plugin(&world, "mine", "license = \"MIT\"", "strict = \"1\"");
    assert_eq!(
        refused_with_manifest(&world, &format!("{MINE}[licenses]\ndeny = [\"GPL-3.0\"]\n")),
        "error: strict 1.0.0 has the licence `GPL-3.0-only`, which licenses.deny names\n  plugin `mine` 0.1.0 brings it: \
         mine 0.1.0 → strict 1.0.0\n  = do without it, or take its licence off `licenses.deny`"
    );
    let text = refused_with_manifest(&world, &format!("{MINE}[licenses]\nallow = [\"MIT\"]\n"));
    assert!(text.contains("which licenses.allow does not name\n"), "{text}");

    world.here.write("gw.toml", &format!("{MINE}[licenses]\nallow = [\"MIT\", \"GPL-3.0\"]\n"));
    let said = xtask(&world.here, &["build", "--manifest", "gw.toml", "--offline"]).succeeded();
    assert_eq!(said.warnings(), Vec::<&str>::new(), "the policy has decided");
}

#[test]
fn copyleft_without_a_policy_is_warned_about_by_each_build() {
    let world = World::new();
    world.published("network", "1.0.0", "license = \"AGPL-3.0-only\"", "");
    plugin(&world, "mine", "", "network = \"1\"");
    let expected = "plugin `mine` 0.1.0 links network 1.0.0, whose licence is AGPL-3.0-only: it reaches the whole gateway \
                    when you pass the binary on";
    for _ in 0..3 {
        let said = build(&world, "mine").succeeded();
        assert_eq!(said.warnings(), [expected], "{}", said.stderr);
        assert!(
            said.stderr.contains("\n  by: mine 0.1.0 → network 1.0.0\n  = do without it, or name"),
            "{}",
            said.stderr
        );
    }
    world.here.write("gw.toml", &format!("{MINE}[licenses]\nallow = [\"AGPL-3.0\"]\n"));
    let said = xtask(&world.here, &["build", "--manifest", "gw.toml", "--offline"]).succeeded();
    assert_eq!(said.warnings(), Vec::<&str>::new(), "it is accepted by name");
}

/// A plugin with a build script, which also switches on a feature in a crate of the gateway's SDK.
fn meddler() -> World {
    let world = World::new();
    world.published("json", "1.0.0", "[features]\norder = []", "");
    let dependencies = "gateway-model = { path = \"../model\" }\njson = \"1\"";
    world.here.package("gateway-runtime/sdk", "gateway-sdk", "0.1.0", "links = \"gw_sdk\"", dependencies);
    plugin(&world, "mine", "", "json = { version = \"1\", features = [\"order\"] }");
    world.here.write("plugins/mine/build.rs", "fn main() {}");
    world
}

const SCRIPT: &str =
    "plugin `mine` 0.1.0 brings code that runs on the machine that builds: mine 0.1.0 (build script)\n";
const FEATURE: &str =
    "plugin `mine` 0.1.0 switches on json/order: json and what depends on it are compiled again, for everybody\n";

#[test]
fn notes_are_for_whoever_has_changed_something() {
    let world = meddler();
    let first = build(&world, "mine").succeeded();
    assert!(first.stderr.contains(SCRIPT) && first.stderr.contains(FEATURE), "{}", first.stderr);
    let second = build(&world, "mine").succeeded();
    assert!(!second.stderr.contains(SCRIPT) && !second.stderr.contains(FEATURE), "told already: {}", second.stderr);
    assert_eq!(second.warnings(), Vec::<&str>::new());

    let manifest = fs::read_to_string(world.here.path("plugins/mine/Cargo.toml")).expect("there");
    world.here.write("plugins/mine/Cargo.toml", &manifest.replace("features = [\"order\"]", "features = []"));
    let third = build(&world, "mine").succeeded();
    assert!(third.stderr.contains(SCRIPT), "something is new: {}", third.stderr);
    assert!(!third.stderr.contains(FEATURE), "and this is not so any more: {}", third.stderr);
}

#[test]
fn notes_come_before_the_compiler() {
    let world = meddler();
    let said = build(&world, "mine").succeeded().stderr;
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text}: {said}"));
    assert!(at("[4/7] check") < at(SCRIPT) && at(SCRIPT) < at("[5/7] compile"), "{said}");
}
