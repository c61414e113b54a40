//! `cargo xtask build-so`: plugins as files that a gateway loads.

use std::process::ExitCode;

use crate::build;
use crate::cli::{BuildArgs, BuildSoArgs, Selection};
use crate::gateway::BuildError;
use crate::gateway::place::Placed;
use crate::report::Report;
use crate::repository::Repository;

/// Runs the command.
///
/// # Errors
/// When one of the files cannot be made; those before it are there, and of the others what was there before.
pub fn command(args: &BuildSoArgs, report: &Report) -> Result<ExitCode, BuildError> {
    for placed in build(&Repository::discover(), args, report)? {
        report.product("plugin", &placed.to_string(), &placed);
    }
    Ok(ExitCode::SUCCESS)
}

/// The files, in the order in which they were asked for.
///
/// # Errors
/// As [`command`].
pub fn build(repository: &Repository, args: &BuildSoArgs, report: &Report) -> Result<Vec<Placed>, BuildError> {
    let BuildSoArgs { plugins, replace, profile, target, locked, offline, output } = args;
    let one = |plugin| {
        let selection = Selection {
            plugins: vec![plugin],
            replace: replace.clone(),
            profile: *profile,
            loadable: true,
            target: target.clone(),
            locked: *locked,
            offline: *offline,
            ..Selection::default()
        };
        let args = BuildArgs { selection, output: output.clone(), ..BuildArgs::default() };
        build::build(repository, &args, report).map(|(placed, _)| placed)
    };
    plugins.iter().cloned().map(one).collect()
}
