//! Each sentence that `plan` can say.

use std::path::Path;

use xtask::gateway::plan::{PlanError, plan, probe};
use xtask::report::Failure;

use crate::standin::{SDK_BY_PATH, StandIn, args};

/// Plans, and compares the sentence. `$ROOT` is the repository.
fn check(here: &StandIn, plugins: &[&str], code: u8, expected: &str) {
    let root = here.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let typed: Vec<String> = plugins.iter().map(|item| item.replace("$ROOT", root)).collect();
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    let error = plan(&here.repository(), &args(&typed)).expect_err("refused");
    assert_eq!(error.to_string().replace(root, "$ROOT"), expected);
    assert_eq!(error.exit_code(), code);
}

#[test]
fn an_unknown_plugin_names_the_nearest_and_all() {
    let here = StandIn::new();
    here.plugin("plugins/add-header", "add-header", SDK_BY_PATH);
    here.plugin("plugins/zip", "zip", SDK_BY_PATH);
    check(
        &here,
        &["add-headr"],
        xtask::USAGE,
        "no plugin `add-headr` in $ROOT/plugins\n  = nearest: add-header\n  = there are: add-header, zip\n  \
         = a crate elsewhere is named by its path: `--plugins ./add-headr`",
    );
}

#[test]
fn a_plugin_named_twice_is_refused_however_it_is_written() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    for item in ["a", "$ROOT/plugins/a", "$ROOT/plugins/../plugins/a/"] {
        let item = item.replace("$ROOT", here.path("").display().to_string().trim_end_matches('/'));
        let error = plan(&here.repository(), &args(&["a", &item])).expect_err("refused");
        assert!(matches!(error, PlanError::Twice { .. }), "{error}");
        assert_eq!(error.exit_code(), xtask::USAGE);
    }
}

#[test]
fn a_folder_without_a_crate_names_the_missing_file() {
    let here = StandIn::new();
    here.write("else/where/README.md", "");
    check(
        &here,
        &["$ROOT/else/where"],
        xtask::FAILED,
        "`$ROOT/else/where` is not a crate: there is no $ROOT/else/where/Cargo.toml\n  \
         = make one with `cargo xtask new NAME`",
    );
}

#[test]
fn a_workspace_is_refused_with_its_members() {
    let here = StandIn::new();
    here.write("space/Cargo.toml", "[workspace]\nmembers = [\"one\"]\n");
    here.package("space/one", "one", "0.1.0", "", "");
    check(
        &here,
        &["$ROOT/space"],
        xtask::FAILED,
        "`$ROOT/space` is a workspace, not a crate\n  = name one of its members by its path: $ROOT/space/one",
    );
}

#[test]
fn a_crate_without_a_library_cannot_be_linked() {
    let here = StandIn::new();
    let dir = here.plugin("plugins/tool", "tool", SDK_BY_PATH);
    std::fs::rename(dir.join("src/lib.rs"), dir.join("src/main.rs")).expect("renamed");
    check(
        &here,
        &["tool"],
        xtask::FAILED,
        "plugin `tool` has no library to link (it builds: bin)\n  = a plugin is an ordinary library: src/lib.rs, and \
         no `crate-type` in $ROOT/plugins/tool/Cargo.toml",
    );
}

#[test]
fn a_crate_that_is_only_a_shared_library_cannot_be_linked() {
    let here = StandIn::new();
    here.plugin("plugins/so", "so", &format!("{SDK_BY_PATH}\n[lib]\ncrate-type = [\"cdylib\"]"));
    let error = plan(&here.repository(), &args(&["so"])).expect_err("refused");
    assert!(error.to_string().starts_with("plugin `so` has no library to link (it builds: cdylib)"), "{error}");
}

#[test]
fn a_shared_library_beside_the_plain_one_is_warned_about() {
    let here = StandIn::new();
    here.plugin("plugins/both", "both", &format!("{SDK_BY_PATH}\n[lib]\ncrate-type = [\"rlib\", \"cdylib\"]"));
    let plan = plan(&here.repository(), &args(&["both"])).expect("planned");
    assert!(plan.warnings[0].starts_with("plugin `both` also asks for crate-type `cdylib`"), "{:?}", plan.warnings);
}

#[test]
fn a_crate_without_the_sdk_is_no_plugin() {
    let here = StandIn::new();
    here.package("plugins/lib", "lib-only", "0.1.0", "", "");
    check(
        &here,
        &["lib"],
        xtask::FAILED,
        "crate `lib-only` does not depend on gateway-sdk, so it is not a plugin\n  = add to [dependencies] in \
         $ROOT/plugins/lib/Cargo.toml: gateway-sdk = { path = \"$ROOT/gateway-runtime/sdk\" }",
    );
}

#[test]
fn two_plugins_of_one_name_are_refused() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.plugin("plugins/z", "z", SDK_BY_PATH);
    here.plugin("other/z", "z", &format!("{SDK_BY_PATH}\n[workspace]"));
    check(
        &here,
        &["a", "z", "$ROOT/other/z"],
        xtask::FAILED,
        "two plugins are named `z`: $ROOT/plugins/z and $ROOT/other/z\n  = rename the package of one of them",
    );
}

#[test]
fn two_plugins_that_rust_calls_alike_are_refused() {
    let here = StandIn::new();
    for name in ["a-b", "a-c", "a_b"] {
        here.plugin(&format!("plugins/{name}"), name, SDK_BY_PATH);
    }
    check(
        &here,
        &["a_b", "a-c", "a-b"],
        xtask::FAILED,
        "plugins `a-b` and `a_b` have one name in Rust: $ROOT/plugins/a-b and $ROOT/plugins/a_b\n  \
         = rename the package of one of them",
    );
}

#[test]
fn a_plugin_for_another_release_is_refused() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.plugin("other/new", "new", "gateway-sdk = \"0.2\"\n[workspace]");
    check(
        &here,
        &["$ROOT/other/new"],
        xtask::FAILED,
        "plugin `new` asks for gateway-sdk `^0.2`, and this gateway has gateway-sdk 0.1.0\n  = in \
         $ROOT/other/new/Cargo.toml write gateway-sdk = \"0.1.0\", or build with the release that it wants",
    );
}

#[test]
fn a_manifest_that_cargo_cannot_read_is_shown_in_cargos_words() {
    let here = StandIn::new();
    here.write("other/bad/Cargo.toml", "[package\n");
    let bad = here.path("other/bad").display().to_string();
    let error = plan(&here.repository(), &args(&[&bad])).expect_err("refused").to_string();
    assert!(error.starts_with(&format!("cargo cannot read `{bad}`; it says:\n    error: ")), "{error}");
}

#[test]
fn an_output_that_is_a_folder_is_refused() {
    let here = StandIn::new();
    let mut args = args(&[]);
    args.output = Some(here.path("gateway-runtime"));
    let error = plan(&here.repository(), &args).expect_err("refused");
    assert!(error.to_string().ends_with("gateway-runtime/gateway`"), "{error}");
    assert_eq!(error.exit_code(), xtask::USAGE);
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_is_compiled() {
    let here = StandIn::new();
    here.write("file", "");
    let mut args = args(&[]);
    args.output = Some(here.path("file/gateway"));
    let try_output = |args: &_| plan(&here.repository(), args).and_then(|plan| probe(&plan.output));
    let error = try_output(&args).expect_err("refused").to_string();
    let folder = here.path("file").display().to_string();
    assert_eq!(error, format!("cannot write to the folder `{folder}`\n  = choose another: --output FILE"));

    args.output = Some(here.path("new/folder/gateway"));
    try_output(&args).expect("planned");
    assert_eq!(std::fs::read_dir(here.path("new/folder")).expect("made").count(), 0, "the probe is gone");
}

#[test]
fn plugins_are_sorted_so_that_their_order_on_the_command_line_is_nothing() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.plugin("plugins/b", "b", SDK_BY_PATH);
    let ab = plan(&here.repository(), &args(&["a", "b"])).expect("planned");
    let ba = plan(&here.repository(), &args(&["b", "a"])).expect("planned");
    assert_eq!(ab.plugin_list(), "a 0.1.0, b 0.1.0");
    assert_eq!(ab.dir(), ba.dir());
    assert_eq!(ab.output, here.path("dist/gateway"));
    assert!(ab.dir().starts_with(Path::new(&here.path("target/gw"))));
    let a = plan(&here.repository(), &args(&["a"])).expect("planned");
    assert_ne!(a.dir(), ab.dir());
}

#[test]
fn a_feature_of_the_server_is_switched_on_once_and_must_be_there() {
    let here = StandIn::new();
    here.package("gateway-runtime", "gateway-runtime", "0.1.0", "[features]\nredis = []\nother = []\n", "");
    let asked = |features: &[&str]| {
        let mut args = args(&[]);
        args.selection.features = features.iter().map(ToString::to_string).collect();
        plan(&here.repository(), &args)
    };
    let plain = asked(&[]).expect("planned");
    let with = asked(&["redis", "redis"]).expect("planned");
    assert_eq!(with.core_features, (vec!["redis".to_owned()], true));
    assert_ne!(plain.dir(), with.dir());
    let error = asked(&["redis", "reddis"]).expect_err("refused");
    let told = error.to_string();
    assert!(
        told.starts_with("--features reddis: the gateway has no such feature; there are: other, redis\n"),
        "{told}"
    );
    assert_eq!(error.exit_code(), xtask::USAGE);
}
