//! The real runtime, SDK and plugins: what is asked for is in the binary, or there is no binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::build::build;
use xtask::gateway::generate::generate;
use xtask::gateway::plan::plan;
use xtask::gateway::prove::Linkage;
use xtask::report::Report;
use xtask::repository::Repository;

use crate::cli::free_port;
use crate::standin::{Settled, args, second_checkout};

/// One test, as all of it works on one generated crate; a plugin of its own, so that nobody else builds that crate.
#[test]
fn a_plugin_whose_use_line_is_deleted_fails_the_build() {
    let repository = Repository::of_xtask();
    let report = Report::silent();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mine = my_plugin(dir.path());
    let mut args = args(&["add-foo-bar-header", &mine.display().to_string()]);
    args.selection.offline = false;
    args.output = Some(dir.path().join("gateway"));

    let (placed, proof) = build(&repository, &args, &report).expect("built");
    assert_eq!(proof.linkage, Linkage::Static);
    let mut linked: Vec<_> = proof.records.into_iter().map(|record| (record.name, record.package)).collect();
    linked.sort_unstable();
    let expected = [("AddFooBarHeader", "add-foo-bar-header"), ("Mine", "my-plugin")];
    assert_eq!(linked, expected.map(|(name, package)| (name.to_owned(), package.to_owned())));
    assert_eq!(listed_by(&placed.path), linked, "the running binary says the same");

    let settled = Settled::of(&repository, &args);
    let plan = &settled.plan;
    let file = plan.dir().join("src/plugins.rs");
    let source = fs::read_to_string(&file).expect("generated");
    fs::write(&file, source.replace("use ::my_plugin as _;", "")).expect("sabotaged");
    let product = settled.compile().expect("it compiles, that is the danger");
    let error = settled.prove(&product).expect_err("not proven").to_string();
    assert_eq!(
        error,
        format!(
            "plugin `my-plugin` was asked for but is not in the binary: `use ::my_plugin as _;` is missing in {}",
            file.display()
        )
    );
    fs::remove_dir_all(plan.dir()).expect("the generated crate names a folder that is about to go");
}

/// A plugin outside of the repository.
fn my_plugin(dir: &Path) -> PathBuf {
    let dir = fs::canonicalize(dir).expect("there").join("my-plugin");
    let sdk = Repository::of_xtask().root().join("gateway-runtime/sdk");
    let manifest = format!(
        "[package]\nname = \"my-plugin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         gateway-sdk = {{ path = {:?} }}\n",
        sdk.display().to_string()
    );
    let source =
        "use gateway_sdk::prelude::*;\n#[gw_plugin(hook = \"post\", name = \"Mine\")]\nfn mine(_: &Request) {}\n";
    fs::create_dir_all(dir.join("src")).expect("made");
    fs::write(dir.join("Cargo.toml"), manifest).expect("written");
    fs::write(dir.join("src/lib.rs"), source).expect("written");
    dir
}

/// Name and package of what `gateway plugins list --json` tells.
fn listed_by(gateway: &Path) -> Vec<(String, String)> {
    let output = Command::new(gateway).args(["plugins", "list", "--json"]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = list.as_array().or_else(|| list["plugins"].as_array()).expect("a list");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let mut listed: Vec<_> = list.iter().map(|plugin| (text(&plugin["name"]), text(&plugin["crate"]))).collect();
    listed.sort_unstable();
    listed
}

#[test]
fn a_plugin_with_the_sdk_of_another_checkout_is_refused_by_name() {
    let repository = Repository::of_xtask();
    let other = second_checkout("9.9.9");
    let sdk = other.path("gateway-runtime/sdk").display().to_string();
    let plugin = other.package("mine", "mine", "0.1.0", "[workspace]", &format!("gateway-sdk = {{ path = {sdk:?} }}"));
    let mut args = args(&["add-foo-bar-header", &plugin.display().to_string()]);
    args.selection.offline = false;
    let plan = plan(&repository, &args).expect("planned");
    let error = generate(&plan).expect_err("two SDKs").to_string();
    assert!(error.starts_with("a gateway holds one gateway-sdk, and these would be two:\n"), "{error}");
    assert!(error.contains(&format!("\n  plugin `mine` brings gateway-sdk 9.9.9 ({sdk})\n")), "{error}");
    let ours = repository.root().join("gateway-runtime/sdk").display().to_string();
    let remedy = format!("in {}/Cargo.toml write: gateway-sdk = {{ path = \"{ours}\" }}", plugin.display());
    assert!(error.contains(&remedy), "{error}");
}

#[test]
fn the_samples_of_run_show_their_plugins() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "--once", "--plugins", "add-foo-bar-header,send-current-time,token-auth", "--port", &free_port()])
        .arg("--output")
        .arg(dir.path().join("gateway"))
        .current_dir(Repository::of_xtask().root())
        .output()
        .expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<&str> = said.lines().filter(|line| line.starts_with("200 {")).collect();
    assert_eq!(answers.len(), 3, "{said}");
    assert!(answers[0].to_lowercase().contains(r#""foo":"bar""#), "{said}");
    assert!(answers[1].contains("current_time"), "{said}");
    assert!(answers[2].contains(r#""Method":"GET""#), "{said}");
}
