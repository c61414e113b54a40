//! The steps, one by one and sabotaged, in a stand-in repository.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use xtask::build::build;
use xtask::gateway::compile::CompileError;
use xtask::gateway::generate::generate;
use xtask::gateway::plan::{Plan, plan};
use xtask::gateway::prove::{ProveError, inspect};
use xtask::gateway::resolve::resolve;
use xtask::report::Report;

use crate::standin::{SDK_BY_PATH, Settled, StandIn, args};

fn two_plugins() -> StandIn {
    let here = StandIn::new();
    here.plugin("plugins/add-foo", "add-foo", SDK_BY_PATH);
    // The library has a name of its own: the generated crate must not care.
    here.plugin("plugins/other", "other", &format!("{SDK_BY_PATH}\n[lib]\nname = \"not_other\""));
    here
}

fn generated(here: &StandIn, plugins: &[&str]) -> Plan {
    let plan = plan(&here.repository(), &args(plugins)).expect("planned");
    generate(&plan).expect("generated");
    plan
}

#[test]
fn a_gateway_is_built_proven_and_placed() {
    let here = two_plugins();
    let (placed, proof) = build(&here.repository(), &args(&["other", "add-foo"]), &Report::silent()).expect("built");
    let line = placed.to_string();
    assert!(line.ends_with(" MiB  fast  static  plugins: add-foo 0.1.0, other 0.1.0"), "{line}");
    assert!(line.starts_with(&here.path("dist/gateway  ").display().to_string()), "{line}");
    assert_eq!(proof.records.len(), 2);

    let said = Command::new(here.path("dist/gateway")).output().expect("it runs").stdout;
    let said = String::from_utf8(said).expect("text");
    let (expected, about) = said.split_once('\n').expect("two lines");
    assert_eq!(expected, r#"[("add-foo", "0.1.0"), ("other", "0.1.0")]"#);
    let about: serde_json::Value = serde_json::from_str(about).expect("JSON");
    assert_eq!(about["profile"], "fast");
    assert!(about["rustc"].as_str().is_some_and(|rustc| rustc.starts_with("rustc 1.")), "{about}");
    assert!(about["commit"].is_null(), "there is no git here: {about}");
    assert_eq!(about["plugins"][0]["name"], "add-foo");
}

#[test]
fn a_second_build_writes_and_compiles_nothing() {
    let here = two_plugins();
    let settled = Settled::of(&here.repository(), &args(&["add-foo"]));
    let plan = &settled.plan;
    let first = settled.compile().expect("compiled");
    assert!(first.compiled > 0);
    let dir = plan.dir();
    let written = |file: &str| fs::metadata(dir.join(file)).and_then(|file| file.modified()).expect("there");
    let before: Vec<SystemTime> = ["Cargo.toml", "Cargo.lock", "src/main.rs", "src/plugins.rs"].map(written).into();

    assert!(generate(plan).expect("generated").written.is_empty());
    drop(settled);
    let again = Settled::of(&here.repository(), &args(&["add-foo"]));
    assert_eq!(again.compile().expect("compiled").compiled, 0);
    let after: Vec<SystemTime> = ["Cargo.toml", "Cargo.lock", "src/main.rs", "src/plugins.rs"].map(written).into();
    assert_eq!(before, after);
}

#[test]
fn no_plugins_make_a_gateway_too() {
    let here = StandIn::new();
    let (placed, _) = build(&here.repository(), &args(&[]), &Report::silent()).expect("built");
    assert!(placed.to_string().ends_with("static  plugins: none"), "{placed}");
}

#[test]
fn a_plugin_may_have_any_name_that_a_crate_may_have() {
    let names = ["async", "bench", "derive", "gen", "main", "test", "u8"];
    let here = StandIn::new();
    for name in names {
        here.plugin(&format!("plugins/{name}"), name, SDK_BY_PATH);
    }
    let (_, proof) = build(&here.repository(), &args(&names), &Report::silent()).expect("built");
    let mut linked: Vec<String> = proof.records.into_iter().map(|record| record.package).collect();
    linked.sort();
    assert_eq!(linked, names);
}

#[test]
fn a_plugin_that_is_not_linked_fails_the_build() {
    let here = two_plugins();
    let settled = Settled::of(&here.repository(), &args(&["add-foo", "other"]));
    let file = settled.plan.dir().join("src/plugins.rs");
    let source = fs::read_to_string(&file).expect("generated");
    fs::write(&file, source.replace("use ::add_foo as _;\n", "")).expect("sabotaged");
    let product = settled.compile().expect("it compiles, that is the danger");
    let error = settled.prove(&product).expect_err("not proven");
    assert_eq!(
        error.to_string(),
        format!(
            "plugin `add-foo` was asked for but is not in the binary: `use ::add_foo as _;` is missing in {}",
            file.display()
        )
    );
}

#[test]
fn a_plugin_that_registers_nothing_fails_the_build_and_the_previous_output_stays() {
    let here = two_plugins();
    here.write("dist/gateway", "previous");
    here.write("plugins/other/src/lib.rs", "");
    let error = build(&here.repository(), &args(&["add-foo", "other"]), &Report::silent()).expect_err("not proven");
    assert_eq!(
        error.to_string(),
        format!(
            "plugin `other` was asked for but is not in the binary: it is linked, and nothing in it registers\n  = \
             does it have a function marked #[gw_plugin]? look into {}",
            here.path("plugins/other/src").display()
        )
    );
    assert_eq!(fs::read_to_string(here.path("dist/gateway")).expect("there"), "previous");
}

#[test]
fn a_plugin_of_another_version_than_planned_is_not_proven() {
    let here = two_plugins();
    let earlier = Settled::of(&here.repository(), &args(&["add-foo"]));
    let product = earlier.compile().expect("compiled");
    let manifest = fs::read_to_string(here.path("plugins/add-foo/Cargo.toml")).expect("there");
    here.write("plugins/add-foo/Cargo.toml", &manifest.replace("0.1.0", "9.0.0"));
    drop(earlier);
    let later = Settled::of(&here.repository(), &args(&["add-foo"]));
    let error = later.prove(&product).expect_err("not proven");
    assert!(matches!(error, ProveError::Version { .. }), "{error}");
}

#[test]
fn two_sdks_are_refused_in_terms_of_plugins() {
    let here = two_plugins();
    here.package("old/sdk", "gateway-sdk", "0.0.9", "links = \"gw_sdk\"\n[workspace]", "");
    here.write("old/sdk/build.rs", "fn main() {}");
    here.plugin("old/plugin", "old-plugin", "gateway-sdk = { path = \"../sdk\" }\n[workspace]");
    let old = here.path("old").display().to_string();
    let plan = plan(&here.repository(), &args(&["add-foo", &format!("{old}/plugin")])).expect("planned");
    let error = generate(&plan).expect_err("refused").to_string();
    let sdk = here.path("gateway-runtime/sdk").display().to_string();
    assert_eq!(
        error,
        format!(
            "a gateway holds one gateway-sdk, and these would be two:\n  the gateway has gateway-sdk 0.1.0 ({sdk})\n  \
             plugin `old-plugin` brings gateway-sdk 0.0.9 ({old}/sdk)\n  = in {old}/plugin/Cargo.toml write: \
             gateway-sdk = {{ path = \"{sdk}\" }}, or build with the other gateway: --replace gateway={}",
            sdk.trim_end_matches("/gateway-runtime/sdk")
        )
    );
}

#[test]
fn two_models_are_refused_with_who_uses_which() {
    let here = two_plugins();
    here.package("old/model", "gateway-model", "0.0.9", "[workspace]", "");
    let dependencies = format!("{SDK_BY_PATH}\ngateway-model = {{ path = \"../model\" }}\n[workspace]");
    let old = here.plugin("old/plugin", "old", &dependencies).display().to_string();
    let plan = plan(&here.repository(), &args(&[&old])).expect("planned");
    let error = generate(&plan).expect_err("refused").to_string();
    assert!(error.starts_with("a gateway holds one gateway-model, and these would be two:\n"), "{error}");
    let theirs = here.path("old/model").display().to_string();
    assert!(error.contains(&format!("\n  plugin `old` brings gateway-model 0.0.9 ({theirs})\n")), "{error}");
}

#[test]
fn an_sdk_from_a_registry_is_replaced_by_ours() {
    let here = two_plugins();
    here.plugin("plugins/published", "published", "gateway-sdk = \"0.1\"");
    // The members of the repository are never resolved here: there is no network.
    let plan = generated(&here, &["published"]);
    let manifest = fs::read_to_string(plan.dir().join("Cargo.toml")).expect("generated");
    let patch = "[patch.crates-io]\ngateway-sdk = { path = \"crates/gateway-sdk\" }";
    assert!(manifest.contains(patch), "{manifest}");
    resolve(&plan).expect("resolved");

    let plan = generated(&here, &["add-foo"]);
    let manifest = fs::read_to_string(plan.dir().join("Cargo.toml")).expect("generated");
    assert!(!manifest.contains("[patch"), "cargo warns about patches that nobody needs: {manifest}");
}

#[test]
fn a_plugin_that_does_not_compile_is_named() {
    let here = two_plugins();
    here.write("plugins/other/src/lib.rs", "fn broken( {}\n");
    let error = Settled::of(&here.repository(), &args(&["add-foo", "other"])).compile().expect_err("refused");
    assert!(matches!(&error, CompileError::Plugin { package, .. } if package == "other"), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("plugin `other` does not compile ("), "{text}");
    assert!(text.contains("\n    error: "), "the compiler is quoted: {text}");
}

#[test]
fn what_cannot_be_resolved_is_shown_in_cargos_words() {
    let here = two_plugins();
    here.plugin("plugins/lost", "lost", &format!("{SDK_BY_PATH}\nno-such-crate-of-anybody = \"1\""));
    let plan = generated(&here, &["lost"]);
    let error = resolve(&plan).expect_err("refused").to_string();
    assert!(error.starts_with("plugin `lost` finds no package named `no-such-crate-of-anybody` in "), "{error}");
    assert!(error.contains("\n  cargo says:\n    error: "), "{error}");
}

/// Both binaries are linked to one name in the target folder.
#[test]
fn two_builds_at_the_same_time_do_not_get_each_others_binary() {
    let here = two_plugins();
    let build_one = |name: &str| {
        let mut args = args(&[name]);
        args.output = Some(here.path(&format!("out/{name}")));
        build(&here.repository(), &args, &Report::silent()).map(|(placed, _)| placed.path)
    };
    for _ in 0..3 {
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| build_one("add-foo"));
            let other = scope.spawn(|| build_one("other"));
            (one.join().expect("no panic"), other.join().expect("no panic"))
        });
        for (output, package) in [(one, "add-foo"), (other, "other")] {
            let proof = inspect(&output.expect("built")).expect("readable");
            let packages: Vec<&str> = proof.records.iter().map(|record| record.package.as_str()).collect();
            assert_eq!(packages, [package]);
        }
    }
}
