//! Which files a gateway is made from, as far as they may change on this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, path};

use crate::build;
use crate::cli::{BuildArgs, PluginArg, Selection};
use crate::repository::Repository;

/// The name by which `--replace` calls the server itself.
const GATEWAY: &str = "gateway";

/// Folders of crates, and single files. None of them lies in another one.
///
/// They are found anew before each build, as Cargo.toml and gw.toml may have changed too.
pub(super) fn watched(repository: &Repository, args: &BuildArgs) -> Vec<PathBuf> {
    let planned = build::folders(repository, args).map(|dirs| dirs.iter().map(|dir| settled(dir)).collect());
    // Something is wrong just now, and is going to be mended in one of the files that can be guessed.
    outermost(&planned.unwrap_or_else(|_| guessed(repository, &args.selection)))
}

/// Those that lie in no other one.
fn outermost(all: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let inside = |path: &PathBuf| all.iter().any(|other| other != path && path.starts_with(other));
    all.iter().filter(|path| !inside(path)).cloned().collect()
}

/// What is named on the command line and in the manifest, with what it names by path.
fn guessed(repository: &Repository, selection: &Selection) -> BTreeSet<PathBuf> {
    let mut checkouts = vec![repository.root().to_owned()];
    let mut crates = Vec::new();
    for plugin in &selection.plugins {
        match plugin {
            PluginArg::Folder(name) => crates.push(repository.plugins().join(name)),
            PluginArg::Path(dir) => crates.push(dir.clone()),
            PluginArg::Git { .. } | PluginArg::Registry { .. } => {}
        }
    }
    for replacement in &selection.replace {
        let list = if replacement.name == GATEWAY { &mut checkouts } else { &mut crates };
        list.push(replacement.dir.clone());
    }
    let mut found = BTreeSet::new();
    for checkout in &checkouts {
        for part in ["Cargo.toml", "gateway-runtime", "plugin-macros", "gateway-template/gateway"] {
            found.insert(settled(&checkout.join(part)));
        }
    }
    if let Some(manifest) = &selection.manifest {
        let manifest = settled(manifest);
        crates.extend(crates_named_in(&manifest));
        found.insert(manifest);
    }
    while let Some(dir) = crates.pop() {
        let dir = settled(&dir);
        if !found.iter().any(|known| dir.starts_with(known)) {
            crates.extend(crates_named_in(&dir.join("Cargo.toml")));
            found.insert(dir);
        }
    }
    found
}

/// As the system will call it in its events: absolute, and without links.
pub(super) fn settled(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// The folder of each `path = "…"` in a Cargo.toml or gw.toml, whatever table it is in, if there is a crate.
fn crates_named_in(file: &Path) -> Vec<PathBuf> {
    // A file that cannot be read now is the builder's to complain about.
    let table = fs::read_to_string(file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let mut paths = Vec::new();
    for value in table.unwrap_or_default().values() {
        collect_paths(value, &mut paths);
    }
    let dir = file.parent().unwrap_or(Path::new("."));
    paths.into_iter().map(|path| dir.join(path)).filter(|dir| dir.join("Cargo.toml").is_file()).collect()
}

fn collect_paths(value: &toml::Value, paths: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                match value {
                    toml::Value::String(path) if key == "path" => paths.push(path.clone()),
                    other => collect_paths(other, paths),
                }
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Replacement;

    /// A crate in a folder, with its dependencies.
    fn package(dir: &Path, dependencies: &str) {
        fs::create_dir_all(dir).expect("made");
        let manifest = format!("[package]\nname = \"x\"\n[dependencies]\n{dependencies}\n");
        fs::write(dir.join("Cargo.toml"), manifest).expect("written");
    }

    fn check(root: &Path, selection: &Selection, expected: &[&str]) {
        let root = settled(root);
        let found = outermost(&guessed(&Repository::at(root.clone()), selection));
        let gateway = ["Cargo.toml", "gateway-runtime", "gateway-template/gateway", "plugin-macros"];
        let mut all: Vec<PathBuf> = expected.iter().chain(&gateway).map(|part| root.join(part)).collect();
        all.sort();
        assert_eq!(found, all);
    }

    #[test]
    fn plugins_are_watched_with_the_crates_that_they_take_by_path() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        package(&root.join("plugins/a"), "b = { path = \"../../shared/b\" }\nnone = { path = \"../gone\" }");
        package(&root.join("shared/b"), "a = { path = \"../../plugins/a\" }");
        package(&root.join("mine"), "sdk = { path = \"../gateway-runtime/sdk\" }");
        package(&root.join("gateway-runtime/sdk"), "");
        let plugins = vec![PluginArg::Folder("a".into()), PluginArg::Path(root.join("mine"))];
        let selection = Selection { plugins, ..Selection::default() };
        check(root, &selection, &["mine", "plugins/a", "shared/b"]);
    }

    #[test]
    fn the_manifest_and_what_it_names_are_watched() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        package(&root.join("there/mine"), "");
        fs::write(root.join("there/gw.toml"), "[plugins]\nmine = { path = \"mine\" }\n").expect("written");
        let selection = Selection { manifest: Some(root.join("there/gw.toml")), ..Selection::default() };
        check(root, &selection, &["there/gw.toml", "there/mine"]);
    }

    #[test]
    fn what_is_taken_instead_is_watched() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        package(&root.join("mine"), "");
        let replace = [("mine", "mine"), ("gateway", "other")]
            .map(|(name, dir)| Replacement { name: name.into(), dir: root.join(dir) });
        let selection = Selection { replace: replace.into(), ..Selection::default() };
        let other = ["Cargo.toml", "gateway-runtime", "gateway-template/gateway", "plugin-macros"]
            .map(|part| format!("other/{part}"));
        let expected: Vec<&str> = other.iter().map(String::as_str).chain(["mine"]).collect();
        check(root, &selection, &expected);
    }
}
