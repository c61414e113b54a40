//! Plugins chosen by definitions, and what is read in sources held against what is linked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gateway_tests::binary;
use tempfile::TempDir;
use xtask::apis::{Candidate, choose, names, offers};
use xtask::build::build;
use xtask::cli::{BuildArgs, Selection};
use xtask::gateway::prove::inspect;
use xtask::report::Report;
use xtask::repository::Repository;

use super::{same_bytes, scene};

/// A folder with the definitions that plugins of `plugins/` bring to be pasted.
fn definitions(plugins: &[&str]) -> TempDir {
    let folder = tempfile::Builder::new().prefix("gw-apis-").tempdir().expect("a temporary folder");
    for plugin in plugins {
        let from = Repository::of_xtask().plugins().join(plugin).join("api.json");
        fs::copy(from, folder.path().join(format!("{plugin}.json"))).expect("every plugin has a definition");
    }
    folder
}

fn from_apis(apis: &Path, output: PathBuf) -> BuildArgs {
    let selection =
        Selection { from_apis: Some(apis.to_owned()), profile: Some(binary::profile()), ..Selection::default() };
    BuildArgs { selection, output: Some(output), ..BuildArgs::default() }
}

#[test]
fn the_definitions_of_the_examples_build_the_gateway_of_their_list() {
    let listed = binary::examples();
    let folder = definitions(&binary::EXAMPLES);
    let args = from_apis(folder.path(), folder.path().join("out/gateway"));
    let (placed, _) =
        build(&Repository::of_xtask(), &args, &Report::silent()).unwrap_or_else(|error| scene::failed(&error));
    let mut expected = binary::EXAMPLES.map(|name| format!("{name} {}", env!("CARGO_PKG_VERSION")));
    expected.sort_unstable();
    assert_eq!(placed.plugins, expected);
    same_bytes(listed, &placed.path);
}

#[test]
fn a_misspelt_name_ends_the_build_with_its_place_and_the_nearest() {
    let folder = definitions(&["add-foo-bar-header", "token-auth"]);
    let file = folder.path().join("add-foo-bar-header.json");
    let text = fs::read_to_string(&file).expect("a file of ours");
    let line = text.lines().position(|line| line.contains("\"AddFooBarHeader\"")).expect("it is named") + 1;
    let column = text.lines().nth(line - 1).and_then(|line| line.find("\"AddFooBarHeader\"")).expect("there") + 1;
    fs::write(&file, text.replacen("AddFooBarHeader", "AddFooBarHeadr", 1)).expect("a file of ours");
    let output = folder.path().join("out/gateway");
    let error = build(&Repository::of_xtask(), &from_apis(folder.path(), output.clone()), &Report::silent());
    let error = error.expect_err("nobody has the name").to_string();
    let place = format!("{}:{line}:{column}: custom_middleware.post[0].name: ", file.display());
    let reason = "no plugin `AddFooBarHeadr` for hook `post`; nearest: `AddFooBarHeader` (add-foo-bar-header)";
    assert!(error.starts_with(&format!("{place}{reason}")), "{error}");
    assert_eq!(error.lines().count(), 2, "a line for the name and one for the remedy: {error}");
    assert!(!output.exists());
}

/// Each definition names its own plugin, and who lets callers in before it.
#[test]
fn every_definition_to_paste_chooses_its_plugin() {
    let candidates = Candidate::all_in(&Repository::of_xtask().plugins()).expect("crates");
    for Candidate { package, .. } in &candidates {
        let folder = definitions(&[package]);
        let chosen = choose(&names(folder.path()).expect("a definition"), &candidates);
        let chosen = chosen.unwrap_or_else(|error| scene::failed(&error));
        let chosen: Vec<&str> = chosen.into_iter().map(|at| candidates[at].package.as_str()).collect();
        let mut expected = vec![package.as_str()];
        if package == "session-metadata" {
            expected.push("token-auth");
        }
        assert_eq!(chosen, expected, "{package}/api.json");
    }
}

/// Otherwise a gateway chosen by definitions would lack what they ask for.
#[test]
fn what_is_read_in_sources_is_what_is_linked() {
    let root = Repository::of_xtask().root().to_owned();
    let mut read = BTreeSet::new();
    for folder in ["plugins", "tests/plugins"] {
        for Candidate { package, dir } in Candidate::all_in(&root.join(folder)).expect("crates") {
            for offer in offers(&dir).unwrap_or_else(|error| scene::failed(&error)) {
                let hooks: BTreeSet<String> = offer.hooks.iter().map(ToString::to_string).collect();
                assert!(read.insert((package.clone(), offer.name, hooks)), "{package} offers it twice");
            }
        }
    }
    let records = inspect(binary::everything()).expect("a gateway").records;
    let count = records.len();
    let linked: BTreeSet<_> =
        records.into_iter().map(|record| (record.package, record.name, BTreeSet::from_iter(record.hooks))).collect();
    assert_eq!(linked.len(), count, "nothing is registered twice");
    assert_eq!(read, linked);
}
