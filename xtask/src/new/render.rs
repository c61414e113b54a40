//! cargo-generate, as a library in the crate `xtask/scaffold`, which is built by the first call.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::NewError;
use crate::report::Report;
use crate::repository::Repository;
use crate::toolchain::{cargo, run};

/// The program that renders templates, built if it is not there or old.
///
/// # Errors
/// When it does not compile.
pub fn scaffold(report: &Report) -> Result<PathBuf, NewError> {
    // It belongs to xtask, and so to xtask's own checkout.
    let repository = Repository::of_xtask();
    let target = repository.work_dir().join("scaffold");
    let binary = target.join("debug/scaffold");
    let mut build = cargo(repository.root());
    build.args(["build", "--locked", "--quiet", "--manifest-path", "xtask/scaffold/Cargo.toml", "--target-dir"]);
    if !binary.exists() {
        report.note("building the template renderer once; this takes a few minutes …");
    }
    let output = run(build.arg(&target))?;
    if output.status.success() {
        return Ok(binary);
    }
    Err(NewError::Scaffold { stderr: String::from_utf8_lossy(&output.stderr).into_owned() })
}

/// Makes `stage/name` from a template; what `values` does not say is as the template has it.
pub(super) fn render(
    scaffold: &Path,
    templates: &Path,
    template: &str,
    stage: &Path,
    name: &str,
    values: toml::Table,
) -> Result<(), NewError> {
    // In a file, as values may have several lines.
    let file = stage.join("values.toml");
    let text = toml::Table::from_iter([("values".to_owned(), toml::Value::Table(values))]).to_string();
    fs::write(&file, text).map_err(|source| NewError::Io { path: file.clone(), source })?;
    let mut command = Command::new(scaffold);
    command.arg(templates).args([template]).arg(stage).arg(name);
    command.env("CARGO_GENERATE_TEMPLATE_VALUES_FILE", &file);
    if env::var_os("USER").is_none() {
        // cargo-generate insists on an author, and no template names one.
        command.env("USER", "gw");
    }
    let output = run(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    // Before the error come all values, and warnings that the error repeats.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let error = stderr.rsplit_once("error: ").map_or(&*stderr, |(_, error)| error);
    Err(NewError::Render { stderr: error.to_owned() })
}
