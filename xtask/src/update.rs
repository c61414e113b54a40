//! `cargo xtask update`: plugins move to the newest versions that are asked for; nothing else moves them.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde::Serialize;
use thiserror::Error;

use crate::build;
use crate::cli::{BuildArgs, UpdateArgs};
use crate::gateway::BuildError;
use crate::gateway::lock::{self, LockError, Locked, packages};
use crate::gateway::plan::{self, Plan};
use crate::gateway::plugin::{Plugin, Source};
use crate::redact::redact;
use crate::report::{Failure, Report, indented};
use crate::repository::Repository;
use crate::toolchain::{ToolchainError, cargo, run};

const NOTHING: &str = "nothing to update: no plugins are asked for; name some with --plugins, or a manifest";

/// Why nothing has moved.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// The versions cannot be settled.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A name that is not asked for.
    #[error("no plugin `{name}` is asked for{}", there_are(plugins))]
    Unknown {
        /// As typed.
        name: String,
        /// What is asked for.
        plugins: Vec<String>,
    },
    /// cargo cannot find newer versions.
    #[error("the versions stay as they are; cargo says:\n{}", indented(stderr))]
    Cargo {
        /// cargo's words.
        stderr: String,
    },
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Failure for UpdateError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            Self::Unknown { .. } => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

/// What became of one package.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Moved {
    name: String,
    plugin: bool,
    old: Option<String>,
    new: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When there is nothing to update, or cargo cannot.
pub fn command(args: &UpdateArgs, report: &Report) -> Result<ExitCode, UpdateError> {
    let build = BuildArgs { selection: args.selection.clone(), ..BuildArgs::default() };
    let repository = Repository::discover();
    // What was typed is judged before anything is written. Definitions choose among those that are planned.
    let planned = plan::plan(&repository, &build).map_err(BuildError::from)?;
    names(&planned, &args.names)?;
    if planned.plugins.is_empty() && !args.all {
        report.result(NOTHING);
        return Ok(ExitCode::SUCCESS);
    }
    let (_turn, plan, resolved) = build::settled(&repository, &build, report, 4)?;
    let names = names(&plan, &args.names)?;
    report.step((4, 4), "update", || ask(&plan, &names, args.all), |()| String::new())?;
    let path = lock::of(&plan);
    let after = lock::keep(&plan, &resolved.lock)?;
    let (before, after) = (packages(&path, &resolved.lock)?, packages(&path, &after)?);
    let moves = moves(&plan, &before, &after);
    for moved in &moves {
        report.product("moved", &line(moved), moved);
    }
    if moves.is_empty() && plan.plugins.is_empty() {
        report.result(if args.all { "nothing to update: all of it is the newest that fits" } else { NOTHING });
    }
    // Of a plugin that was not named it is not known whether it could move.
    let named = plan.plugins.iter().filter(|plugin| args.names.is_empty() || args.names.contains(&plugin.package));
    for plugin in named.filter(|plugin| !plugin_moved(plugin, &before, &after)) {
        report.result(&format!("{} stays: {}", plugin.package, why(plugin)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Which plugins are to move: those that are not on this machine.
fn names(plan: &Plan, typed: &[String]) -> Result<Vec<String>, UpdateError> {
    let all: Vec<String> = plan.plugins.iter().map(|plugin| plugin.package.clone()).collect();
    if let Some(name) = typed.iter().find(|name| !all.contains(name)) {
        return Err(UpdateError::Unknown { name: name.clone(), plugins: all });
    }
    let elsewhere = plan.plugins.iter().filter(|plugin| plugin.local().is_none());
    let names = elsewhere.map(|plugin| plugin.package.clone());
    Ok(names.filter(|name| typed.is_empty() || typed.contains(name)).collect())
}

fn ask(plan: &Plan, names: &[String], all: bool) -> Result<(), UpdateError> {
    if names.is_empty() && !all {
        return Ok(());
    }
    let mut command = cargo(&plan.dir());
    command.arg("update");
    if !all {
        command.args(names);
    }
    if plan.offline {
        command.arg("--offline");
    }
    let output = run(&mut command)?;
    let stderr = || redact(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(UpdateError::Cargo { stderr: stderr() }) }
}

fn moves(plan: &Plan, before: &BTreeSet<Locked>, after: &BTreeSet<Locked>) -> Vec<Moved> {
    let gone: Vec<&Locked> = before.difference(after).collect();
    let come: Vec<&Locked> = after.difference(before).collect();
    let names: BTreeSet<&String> = gone.iter().chain(&come).map(|package| &package.name).collect();
    let version = |list: &[&Locked], name: &str| {
        let versions: Vec<String> =
            list.iter().filter(|package| package.name == name).map(|package| version(package)).collect();
        (!versions.is_empty()).then(|| versions.join(" and "))
    };
    let is_plugin = |name: &str| plan.plugins.iter().any(|plugin| plugin.package == name);
    let moved = names.into_iter().map(|name| Moved {
        name: name.clone(),
        plugin: is_plugin(name),
        old: version(&gone, name),
        new: version(&come, name),
    });
    let (plugins, others): (Vec<_>, Vec<_>) = moved.partition(|moved| moved.plugin);
    plugins.into_iter().chain(others).collect()
}

/// `1.2.0`, or `0.1.0 (0a1b2c3d4e5f)` for a commit.
fn version(package: &Locked) -> String {
    let commit = package.source.as_ref().and_then(|source| source.rsplit_once('#'));
    match commit {
        Some((_, commit)) => format!("{} ({})", package.version, commit.get(..12).unwrap_or(commit)),
        None => package.version.clone(),
    }
}

fn line(moved: &Moved) -> String {
    let kind = if moved.plugin { "" } else { "  " };
    match (&moved.old, &moved.new) {
        (Some(old), Some(new)) => format!("{kind}{} {old} → {new}", moved.name),
        (None, Some(new)) => format!("{kind}{} {new} is new", moved.name),
        (old, None) => format!("{kind}{} {} is not needed any more", moved.name, old.as_deref().unwrap_or_default()),
    }
}

fn plugin_moved(plugin: &Plugin, before: &BTreeSet<Locked>, after: &BTreeSet<Locked>) -> bool {
    let of = |set: &BTreeSet<Locked>| {
        set.iter().filter(|package| package.name == plugin.package).cloned().collect::<Vec<_>>()
    };
    of(before) != of(after)
}

fn why(plugin: &Plugin) -> String {
    match &plugin.source {
        Source::Path(local) => format!("{}, from its folder", local.version),
        Source::Git { reference, .. } => format!("it is the newest{}", at(&reference.to_string())),
        Source::Registry { requirement, .. } => format!("it is the newest of `{requirement}`"),
    }
}

fn at(reference: &str) -> String {
    if reference.is_empty() { String::new() } else { format!(" of {}", reference.trim_start_matches('#')) }
}

fn there_are(plugins: &[String]) -> String {
    if plugins.is_empty() {
        "; there are none\n  = name some with --plugins, or a manifest".to_owned()
    } else {
        format!("; there are: {}", plugins.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str, version: &str, source: &str) -> Locked {
        Locked { name: name.to_owned(), version: version.to_owned(), source: Some(source.to_owned()) }
    }

    #[test]
    fn a_commit_is_shown_beside_the_version() {
        assert_eq!(version(&locked("a", "0.1.0", "git+https://h/a#0a1b2c3d4e5f60718293")), "0.1.0 (0a1b2c3d4e5f)");
        assert_eq!(version(&locked("a", "0.1.0", "registry+https://h/i")), "0.1.0");
    }

    #[test]
    fn what_moves_comes_and_goes_is_told_apart() {
        let moved = |old: Option<&str>, new: Option<&str>| {
            line(&Moved { name: "a".into(), plugin: true, old: old.map(str::to_owned), new: new.map(str::to_owned) })
        };
        assert_eq!(moved(Some("1"), Some("2")), "a 1 → 2");
        assert_eq!(moved(None, Some("2")), "a 2 is new");
        assert_eq!(moved(Some("1"), None), "a 1 is not needed any more");
    }
}
