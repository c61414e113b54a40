//! What is built: how large, how soon again, and of how many packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use super::Effort;
use super::budgets::Row;
use super::error::BenchError;
use super::outcome::Outcome;
use super::tools::fresh;
use super::value::Value;
use crate::build;
use crate::cli::{BuildArgs, PluginArg, Profile, Selection};
use crate::report::Report;
use crate::repository::Repository;
use crate::toolchain::{cargo, run};

/// The size of the binary, and the packages behind it.
///
/// # Errors
/// When the binary or the graph cannot be read.
pub(super) fn count(repository: &Repository, binary: &Path, outcome: &mut Outcome) -> Result<(), BenchError> {
    let size = fs::metadata(binary).map_err(BenchError::io("read", binary))?.len();
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    outcome.put_one(Row::Binary, size as f64 / f64::from(1 << 20));
    for (row, package) in [(Row::SdkPackages, "gateway-sdk"), (Row::RuntimePackages, "gateway-runtime")] {
        let mut tree = cargo(repository.root());
        tree.args(["tree", "--locked", "--package", package, "--edges", "no-dev", "--prefix", "none"]);
        let output = run(tree.args(["--format", "{p}"]))?;
        let text = String::from_utf8_lossy(&output.stdout);
        // `name v1.2.3 (/path) (*)`
        let names = text.lines().filter_map(|line| {
            Some(line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty())
        });
        let packages: BTreeSet<String> = names.collect();
        if output.status.success() && !packages.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
            outcome.put_one(row, packages.len() as f64);
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            outcome.notes.push(format!("`cargo tree` does not know {package}: {}", said.trim()));
        }
    }
    Ok(())
}

/// A plugin of nobody's, made to be edited: whoever measures keeps the sources that are there.
const MANIFEST: &str = r#"[workspace]

[package]
name = "edited"
version = "0.1.0"
edition = "2024"

[dependencies]
gateway-sdk = { path = "@SDK@" }
"#;

/// What it does.
const SOURCE: &str = include_str!("../../../tests/plugins/measured/src/lib.rs");

/// As [`SOURCE`], with another value in its header.
fn edited(edit: usize) -> String {
    SOURCE.replace("from_static(\"1\")", &format!("from_static(\"{}\")", edit + 1))
}

/// Builds again after an edit.
///
/// # Errors
/// As `cargo xtask build`.
pub(super) fn rebuild(
    repository: &Repository,
    effort: Effort,
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    let dir = repository.work_dir().join("bench/edited");
    fresh(&dir.join("src"))?;
    let write = |name: &str, text: &str| {
        let file = dir.join(name);
        fs::write(&file, text).map_err(BenchError::io("write", &file))
    };
    let sdk = repository.published("gateway-sdk").unwrap_or_default();
    write("Cargo.toml", &MANIFEST.replace("@SDK@", &sdk.display().to_string()))?;
    let selection =
        Selection { plugins: vec![PluginArg::Path(dir.clone())], profile: Some(Profile::Fast), ..Selection::default() };
    let output = repository.work_dir().join("bench/gateway-fast");
    let args = BuildArgs { selection, output: Some(output), verify: false };
    write("src/lib.rs", SOURCE)?;
    build::build(repository, &args, report)?;
    let mut took = Vec::new();
    for edit in 1..=effort.rounds() {
        write("src/lib.rs", &edited(edit))?;
        let began = Instant::now();
        build::build(repository, &args, &Report::silent())?;
        took.push(began.elapsed().as_secs_f64());
    }
    outcome.put(Row::Rebuild, Value::of(took));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_changes_the_code() {
        assert_ne!(edited(1), SOURCE);
        assert_ne!(edited(1), edited(2));
    }
}
