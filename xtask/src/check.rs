//! `cargo xtask check`: the names in API definitions against plugins, without compiling.

use std::path::Path;
use std::process::ExitCode;

use gateway_model::Position;
use serde::Serialize;
use thiserror::Error;

use crate::apis::{ApisError, Named, Remark};
use crate::build;
use crate::cli::{BuildArgs, Selection};
use crate::gateway::BuildError;
use crate::gateway::plan::Plan;
use crate::report::{Failure, Report};
use crate::repository::Repository;
use crate::run;

/// Why the names are not known to be right.
#[derive(Debug, Error)]
pub enum CheckError {
    /// They are not, or the plugins cannot be looked at.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nothing to check.
    #[error(
        "no definitions are named\n  = name their folder: `cargo xtask check --apis DIR --plugins a,b`, or with a manifest `apis` in [build]"
    )]
    NoDefinitions,
}

impl Failure for CheckError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            Self::NoDefinitions => crate::USAGE,
        }
    }
}

/// One mistake in a definition, for programs.
#[derive(Debug, Serialize)]
struct Found<'a> {
    file: &'a Path,
    line: usize,
    column: usize,
    text: String,
}

/// Runs the command.
///
/// # Errors
/// When a name fits no plugin.
pub fn command(selection: &Selection, report: &Report) -> Result<ExitCode, CheckError> {
    check(&Repository::discover(), selection, report).inspect_err(|error| tell(error, report))
}

fn check(repository: &Repository, selection: &Selection, report: &Report) -> Result<ExitCode, CheckError> {
    if run::definitions(selection)?.is_none() {
        return Err(CheckError::NoDefinitions);
    }
    let args = BuildArgs { selection: selection.clone(), ..BuildArgs::default() };
    // With `--locked` the lock file of a manifest is compared; it is not written in any case.
    let reads_only = |plan: &mut Plan| plan.is_manifests &= plan.locked;
    let (_turn, plan, resolved) = build::settled_as(repository, &args, report, 4, reads_only)?;
    let names = report.step((4, 4), "check", || build::check_names(&plan, &resolved), |_| String::new())?;
    let plugins: Vec<String> =
        resolved.graph.plugins().iter().map(|plugin| format!("{} {}", plugin.package, plugin.version)).collect();
    let plugins = if plugins.is_empty() { "none".to_owned() } else { plugins.join(", ") };
    report.result(&match names {
        0 => format!("the definitions need: {plugins}"),
        names => format!("{names} names, all of them served by: {plugins}"),
    });
    Ok(ExitCode::SUCCESS)
}

/// One event for each mistake; the error has them all in one text.
fn tell(error: &CheckError, report: &Report) {
    match error {
        CheckError::Build(BuildError::Unplaced(unplaced)) => {
            for name in &unplaced.names {
                let Named { file, line, column, .. } = &name.named;
                report.fact("finding", &Found { file, line: *line, column: *column, text: name.reason() });
            }
        }
        CheckError::Build(BuildError::Apis(ApisError::Wrong(remarks))) => {
            for Remark { file, finding } in remarks {
                let Position { line, column } = finding.position;
                report.fact("finding", &Found { file, line, column, text: finding.reason.clone() });
            }
        }
        _ => {}
    }
}
