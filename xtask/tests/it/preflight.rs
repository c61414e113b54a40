//! What is said before anything is compiled.

use semver::Version;
use xtask::gateway::graph::Graph;
use xtask::gateway::preflight::{Policy, Preflight, check};

use crate::graph::{World, real};

fn rustc() -> Version {
    Version::new(1, 95, 0)
}

fn look(graph: &Graph, policy: &Policy) -> Preflight {
    check(graph, None, policy, &rustc())
}

fn policy(allow: &[&str], deny: &[&str]) -> Policy {
    let owned = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
    Policy { allow: owned(allow), deny: owned(deny) }
}

fn problems(found: &Preflight) -> Vec<String> {
    found.problems.iter().map(ToString::to_string).collect()
}

/// With the folders of this machine written as `$ROOT`.
fn shown(world: &World, text: &str) -> String {
    text.replace(world.here.path("").display().to_string().trim_end_matches('/'), "$ROOT")
}

#[test]
fn a_second_model_names_its_plugin_its_way_and_what_to_write() {
    let world = World::new();
    world.published("gateway-model", "0.2.0", "", "");
    world.published("toolbox", "1.0.0", "", "gateway-model = \"0.2\"");
    world.plugin("direct", "", "gateway-model = \"0.2\"");
    world.plugin("deep", "", "toolbox = \"1\"");
    world.plugin("fine", "", "");
    let found = look(&world.graph(&["direct", "deep", "fine"]), &Policy::default());
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let problems = problems(&found);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        shown(&world, &problems[0]),
        format!(
            "a gateway holds one gateway-model, and this has 2:\n  gateway-model 0.1.0 ($ROOT/gateway-runtime/model)\n    \
             the gateway: gateway-runtime 0.1.0 → gateway-sdk 0.1.0 → gateway-model 0.1.0\n    plugin `fine` 0.1.0: \
             fine 0.1.0 → gateway-sdk 0.1.0 → gateway-model 0.1.0\n  gateway-model 0.2.0 ({registry})\n    plugin `deep` \
             0.1.0: deep 0.1.0 → toolbox 1.0.0 → gateway-model 0.2.0\n    plugin `direct` 0.1.0: direct 0.1.0 → \
             gateway-model 0.2.0\n  = let `deep` use a release of toolbox 1.0.0 that takes gateway-model 0.1.0\n  = in \
             $ROOT/away/direct/Cargo.toml write: gateway-model = {{ path = \"$ROOT/gateway-runtime/model\" }}"
        )
    );
}

#[test]
fn a_package_for_a_newer_compiler_names_plugin_way_and_remedy() {
    let world = World::new();
    world.published("modern", "3.1.0", "rust-version = \"1.96\"", "");
    world.published("old", "1.0.0", "rust-version = \"1.95.0\"", "modern = \"3\"");
    world.plugin("a", "", "old = \"1\"");
    let graph = world.graph(&["a"]);
    assert_eq!(
        problems(&look(&graph, &Policy::default())),
        [
            "modern 3.1.0 needs Rust 1.96.0, and 1.95.0 is installed\n  plugin `a` 0.1.0 brings it: a 0.1.0 → old 1.0.0 → \
          modern 3.1.0\n  = run `rustup update`, or take an older modern"
        ]
    );
    let nightly = Version::parse("1.96.0-nightly").expect("a version");
    assert!(problems(&check(&graph, None, &Policy::default(), &nightly)).is_empty(), "a nightly counts as its release");
}

#[test]
fn a_licence_is_refused_only_when_no_alternative_is_left() {
    let world = World::new();
    world.published("choice", "1.0.0", "license = \"GPL-3.0-only OR MIT\"", "");
    world.published("both", "1.0.0", "license = \"GPL-3.0-or-later AND MIT\"", "");
    world.published("old-style", "1.0.0", "license = \"MIT/Apache-2.0\"", "");
    world.published("excepted", "1.0.0", "license = \"Apache-2.0 WITH LLVM-exception\"", "");
    world.plugin("a", "", "choice = \"1\"\nboth = \"1\"\nold-style = \"1\"\nexcepted = \"1\"");
    let graph = world.graph(&["a"]);
    let expected = |rule: &str, permit: &str| {
        format!(
            "both 1.0.0 has the licence `GPL-3.0-or-later AND MIT`, which {rule}\n  plugin `a` 0.1.0 brings it: a 0.1.0 → \
             both 1.0.0\n  = do without it, or {permit}"
        )
    };
    let denied = expected("licenses.deny names", "take its licence off `licenses.deny`");
    assert_eq!(problems(&look(&graph, &policy(&[], &["GPL-3.0"]))), [denied.as_str()]);
    let missing = expected("licenses.allow does not name", "add `GPL-3.0-or-later AND MIT` to `licenses.allow`");
    assert_eq!(problems(&look(&graph, &policy(&["MIT", "Apache-2.0"], &[]))), [missing]);
    assert!(problems(&look(&graph, &policy(&["MIT", "Apache-2.0", "GPL-3.0-or-later"], &[]))).is_empty());
    let found = look(&graph, &policy(&["MIT", "Apache-2.0", "GPL-3.0-or-later"], &["GPL-3.0-or-later"]));
    assert_eq!(problems(&found), [denied], "what is denied is not allowed");
    assert!(found.warnings.is_empty(), "with a policy, the policy decides: {:?}", found.warnings);
}

#[test]
fn an_exact_exception_is_stronger_than_a_denied_licence() {
    let world = World::new();
    world.published("jvm", "1.0.0", "license = \"GPL-2.0-only WITH Classpath-exception-2.0\"", "");
    world.plugin("a", "", "jvm = \"1\"");
    let graph = world.graph(&["a"]);
    assert_eq!(look(&graph, &policy(&[], &["GPL-2.0"])).problems.len(), 1);
    let allowed = policy(&["GPL-2.0-only WITH Classpath-exception-2.0"], &["GPL-2.0"]);
    assert!(problems(&look(&graph, &allowed)).is_empty());
    assert!(look(&graph, &Policy::default()).warnings.is_empty(), "and it is no surprise: linking does not count");
}

#[test]
fn a_foreign_package_without_a_licence_is_not_let_in_by_a_list() {
    let world = World::new();
    world.published("silent", "1.0.0", "", "");
    world.plugin("a", "", "silent = \"1\"");
    let graph = world.graph(&["a"]);
    let found = look(&graph, &policy(&["MIT"], &[]));
    assert_eq!(
        problems(&found),
        [
            "silent 1.0.0 has the licence `none`, which licenses.allow cannot name\n  plugin `a` 0.1.0 brings it: a 0.1.0 → \
          silent 1.0.0\n  = do without it, or ask its author to name it in Cargo.toml, as an SPDX expression"
        ]
    );
    let found = look(&graph, &policy(&[], &["MIT"]));
    assert!(found.problems.is_empty());
    assert!(found.notes.iter().any(|note| note.ends_with("name no licence: silent 1.0.0")), "{:?}", found.notes);
}

#[test]
fn copyleft_that_a_plugin_brings_is_warned_about() {
    let world = World::new();
    world.published("strict", "2.0.0", "license = \"AGPL-3.0-only\"", "");
    world.published("lesser", "1.0.0", "license = \"LGPL-2.1-or-later\"", "");
    world.published("choice", "1.0.0", "license = \"MIT OR GPL-2.0-only\"", "");
    world.plugin("a", "", "strict = \"2\"\nlesser = \"1\"\nchoice = \"1\"\n[build-dependencies]\nstrict-tool = \"1\"");
    world.published("strict-tool", "1.0.0", "license = \"GPL-3.0-only\"", "");
    let found = look(&world.graph(&["a"]), &Policy::default());
    assert_eq!(
        found.warnings,
        [
            "plugin `a` 0.1.0 links strict 2.0.0, whose licence is AGPL-3.0-only: it reaches the whole gateway when you pass \
          the binary on\n  by: a 0.1.0 → strict 2.0.0\n  = do without it, or name what you accept in [licenses] of gw.toml"
        ]
    );
    assert!(found.notes.iter().any(|note| note.contains("lesser 1.0.0") && note.contains("link it again")));
    assert_eq!(found.licences.get("AGPL-3.0-only"), Some(&1));
    assert!(found.problems.is_empty());
}

#[test]
fn what_is_no_licence_is_said_with_what_was_perhaps_meant() {
    let world = World::new();
    world.published("odd", "1.0.0", "license = \"Do What You Like\"", "");
    world.plugin("a", "", "odd = \"1\"");
    let found = look(&world.graph(&["a"]), &policy(&["apache2"], &["Nonsense"]));
    let problems = problems(&found);
    assert!(problems.contains(
        &"licenses.allow: `apache2` is not in the SPDX list of licences\n  = did you mean `Apache-2.0`?".to_owned()
    ));
    assert!(problems.iter().any(|problem| problem.starts_with("licenses.deny: `Nonsense` is not in the SPDX list")));
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
    assert!(
        found.warnings[0]
            .starts_with("the licence `Do What You Like` of odd 1.0.0 (plugin `a` 0.1.0) cannot be read: ")
    );
}

#[test]
fn a_policy_with_an_unknown_key_is_refused() {
    assert_eq!(toml::from_str::<Policy>("allow = [\"MIT\"]").expect("understood"), policy(&["MIT"], &[]));
    assert!(toml::from_str::<Policy>("alow = [\"MIT\"]").is_err());
}

#[test]
fn code_that_runs_while_building_is_noted_per_plugin() {
    let world = World::new();
    let dir = world.published("native", "1.0.0", "", "");
    std::fs::write(dir.join("build.rs"), "fn main() {}").expect("written");
    world.published("derive", "1.0.0", "[lib]\nproc-macro = true", "");
    world.plugin("a", "", "native = \"1\"\nderive = \"1\"");
    world.plugin("b", "", "native = \"1\"");
    let core = world.graph(&[]);
    let graph = world.graph(&["a", "b"]);
    let about = |found: &Preflight| -> Vec<String> {
        found.notes.iter().filter(|note| note.contains("runs on the machine")).cloned().collect()
    };
    let expected = [
        "plugin `a` 0.1.0 brings code that runs on the machine that builds: derive 1.0.0 (macro), native 1.0.0 (build \
         script)",
        "plugin `b` 0.1.0 brings code that runs on the machine that builds: native 1.0.0 (build script)",
    ];
    assert_eq!(about(&look(&graph, &Policy::default())), expected);
    assert_eq!(about(&check(&graph, Some(&core), &Policy::default(), &rustc())), expected);
    assert!(graph.members().iter().any(|m| m.package.name == "gateway-sdk" && m.package.builds("custom-build")));
}

/// A gateway whose SDK uses `json` 1.0.0, of which 1.1.0 exists.
fn with_json() -> World {
    let world = World::new();
    let features = "[features]\ndefault = [\"std\"]\nstd = []\norder = [\"map\"]\nmap = []\nraw = []\nloud = []";
    world.published("json", "1.0.0", features, "");
    world.published("wrap", "1.0.0", "[features]\ndeep = [\"json/raw\"]", "json = \"1\"");
    world.here.package(
        "gateway-runtime/sdk",
        "gateway-sdk",
        "0.1.0",
        "links = \"gw_sdk\"\n[features]\nloud = [\"json/loud\"]",
        "gateway-model = { path = \"../model\" }\njson = { version = \"1\", default-features = false }",
    );
    world
}

fn changes(graph: &Graph, core: &Graph) -> Vec<String> {
    let found = check(graph, Some(core), &Policy::default(), &rustc());
    found.notes.into_iter().filter(|note| note.contains("for everybody")).collect()
}

#[test]
fn features_that_a_plugin_switches_on_for_everybody_are_noted() {
    let world = with_json();
    let core = world.graph(&[]);
    world.plugin("quiet", "", "json = { version = \"1\", default-features = false }");
    assert_eq!(changes(&world.graph(&["quiet"]), &core), Vec::<String>::new());

    world.plugin("a", "", "json = { version = \"1\", default-features = false, features = [\"order\"] }");
    world.plugin("b", "", "wrap = { version = \"1\", features = [\"deep\"] }");
    assert_eq!(
        changes(&world.graph(&["a", "b", "quiet"]), &core),
        [
            "plugin `a` 0.1.0 switches on json/order: json and what depends on it are compiled again, for everybody",
            "plugin `b` 0.1.0 switches on json/default, json/raw: json and what depends on it are compiled again, for \
             everybody",
        ]
    );
}

#[test]
fn a_feature_that_is_switched_on_through_the_sdk_is_the_plugins_too() {
    let world = with_json();
    let core = world.graph(&[]);
    let sdk = "gateway-sdk = { path = \"../../gateway-runtime/sdk\", features = [\"loud\"] }";
    world.here.package("away/a", "a", "0.1.0", "", sdk);
    assert_eq!(
        changes(&world.graph(&["a"]), &core),
        [
            "plugin `a` 0.1.0 switches on gateway-sdk/loud: gateway-sdk and what depends on it are compiled again, for \
             everybody",
            "plugin `a` 0.1.0 switches on json/loud: json and what depends on it are compiled again, for everybody",
        ]
    );
}

#[test]
fn a_version_that_a_plugin_moves_is_noted() {
    let world = with_json();
    let core = world.graph(&[]);
    world.published("json", "1.1.0", "", "");
    world.plugin("a", "", "json = { version = \"1.1\", default-features = false }");
    world.plugin("b", "", "json = { version = \"1\", default-features = false }");
    assert_eq!(
        changes(&world.graph(&["a", "b"]), &core),
        ["plugin `a` 0.1.0 moves json from 1.0.0 to 1.1.0, for everybody: the gateway was tried with 1.0.0"]
    );
}

#[test]
fn a_second_version_of_a_crate_in_the_sdks_signatures_is_noted_and_of_others_not() {
    let world = World::new();
    world.published("http", "1.3.0", "", "");
    world.published("http", "0.2.12", "", "");
    world.published("other", "1.0.0", "", "");
    world.published("other", "2.0.0", "", "");
    let both = "gateway-model = { path = \"../model\" }\nhttp = \"1\"\nother = \"1\"";
    world.here.package("gateway-runtime/sdk", "gateway-sdk", "0.1.0", "links = \"gw_sdk\"", both);
    world.published("client", "4.0.0", "", "http = \"0.2\"\nother = \"2\"");
    world.plugin("a", "", "client = \"4\"");
    let found = look(&world.graph(&["a"]), &Policy::default());
    let notes: Vec<&String> = found.notes.iter().filter(|note| note.contains("do not fit")).collect();
    assert_eq!(
        notes,
        [
            "plugin `a` 0.1.0 brings http 0.2.12 beside the 1.3.0 of gateway-sdk: its types do not fit the SDK's\n  by: a \
          0.1.0 → client 4.0.0 → http 0.2.12"
        ]
    );
}

#[test]
fn the_real_gateway_has_no_problems() {
    let (_core, core) = real(&[]);
    let (_dir, graph) = real(&["add-foo-bar-header", "token-auth"]);
    let found = check(&graph, Some(&core), &policy(&[], &["GPL-3.0", "AGPL-3.0"]), &rustc());
    assert_eq!(problems(&found), Vec::<String>::new());
    assert_eq!(found.warnings, Vec::<String>::new());
    assert!(found.licences.get("MIT OR Apache-2.0").is_some_and(|count| *count > 20), "{:?}", found.licences);
}
