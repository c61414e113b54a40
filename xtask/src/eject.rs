//! `cargo xtask eject`: the generated crate as an ordinary project, for whoever wants to go on without the builder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use thiserror::Error;

use crate::build;
use crate::cli::{BuildArgs, EjectArgs};
use crate::gateway::BuildError;
use crate::gateway::generate::{self, GenerateError, render};
use crate::gateway::lock::{LockError, packages};
use crate::gateway::plan::Plan;
use crate::gateway::resolve::Resolved;
use crate::gateway::values::own_project;
use crate::new::is_reserved;
use crate::redact::redact;
use crate::report::{Failure, Report, indented};
use crate::repository::{Repository, shown};
use crate::toolchain::{ToolchainError, cargo, run};

/// What the generated crate is called in its lock file.
const GENERATED: &str = "gateway";

/// What an ordinary project consists of.
const FILES: &[&str] = &["Cargo.toml", "src/main.rs", "src/plugins.rs", "src/about.rs", ".cargo/config.toml"];

/// Why there is no project.
#[derive(Debug, Error)]
pub enum EjectError {
    /// The gateway is none.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nothing is overwritten.
    #[error("`{}` exists, and is not empty\n  = name another folder, or empty it first", shown(.0))]
    Exists(PathBuf),
    /// A project is a folder.
    #[error("`{}` is a file\n  = name a folder, which must not exist, or be empty", shown(.0))]
    File(PathBuf),
    /// cargo would not build it.
    #[error("cargo does not accept the project, so it is removed again; it says:\n{}", indented(stderr))]
    Refused {
        /// cargo's words.
        stderr: String,
    },
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The template cannot be used.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The disk says no.
    #[error("cannot write to `{}`", shown(path))]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Failure for EjectError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            Self::Exists(_) | Self::File(_) => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the project cannot be written, or cargo would not build it. Then nothing is left behind.
pub fn command(args: &EjectArgs, report: &Report) -> Result<ExitCode, EjectError> {
    let dir = &args.dir;
    let failed = |source| EjectError::Io { path: dir.clone(), source };
    if let Some(file) = dir.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir()) {
        return Err(EjectError::File(file.to_owned()));
    }
    let there = dir.exists();
    if there && fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(EjectError::Exists(dir.clone()));
    }
    let build = BuildArgs { selection: args.selection.clone(), ..BuildArgs::default() };
    let (_turn, plan, resolved) = build::settled(&Repository::discover(), &build, report, 4)?;
    let name = free_name(dir, &resolved.lock)?;
    let make = || write(dir, &name, &plan, &resolved).and_then(|()| accepted(dir, &plan));
    report.step((4, 4), "eject", || make().inspect_err(|_| clean(dir, there)), |()| format!("package `{name}`"))?;
    let target = &plan.target;
    report.result(&format!("{} is a project of its own; build it there with", shown(dir)));
    report.result(&format!("  cargo build --locked --profile {} --target {target}", plan.profile.name()));
    Ok(ExitCode::SUCCESS)
}

fn write(dir: &Path, name: &str, plan: &Plan, resolved: &Resolved) -> Result<(), EjectError> {
    let failed = |source| EjectError::Io { path: dir.to_owned(), source };
    let values = own_project(plan, &resolved.graph, name)?;
    for file in FILES {
        let source = plan.core.templates().join("gateway").join(file);
        let text = fs::read_to_string(&source).map_err(failed)?;
        generate::write_if_changed(&dir.join(file), &render(&source, &text, &values)?)?;
    }
    fs::write(dir.join("Cargo.lock"), lock_of(&resolved.lock, name)).map_err(failed)?;
    fs::write(dir.join(".gitignore"), "/target\n").map_err(failed)
}

/// Asks cargo whether it would build what was written, with these versions. All of them are on this machine by now.
fn accepted(dir: &Path, plan: &Plan) -> Result<(), EjectError> {
    let mut question = cargo(dir);
    question.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &plan.target]);
    let answer = run(&mut question)?;
    let stderr = || redact(&String::from_utf8_lossy(&answer.stderr));
    if answer.status.success() { Ok(()) } else { Err(EjectError::Refused { stderr: stderr() }) }
}

/// Best effort: the error that is told is the first one. A folder that was there, and empty, is so again.
fn clean(dir: &Path, there: bool) {
    let removed = fs::remove_dir_all(dir);
    let _ = if there { removed.and_then(|()| fs::create_dir(dir)) } else { removed };
}

/// A name for the package of the project: its folder's, unless a package in the lock file has that one, or it means
/// something else to cargo.
fn free_name(dir: &Path, lock: &str) -> Result<String, EjectError> {
    let plain = |name: &str| name.replace('-', "_");
    let locked = packages(&dir.join("Cargo.lock"), lock)?;
    let names: BTreeSet<String> =
        locked.into_iter().map(|package| plain(&package.name)).filter(|name| name != GENERATED).collect();
    // `.` has no name of its own.
    let folder = fs::canonicalize(dir).or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned());
    let mut name = package_name(&folder.file_name().unwrap_or_default().to_string_lossy());
    while names.contains(&plain(&name)) || is_reserved(&name) {
        name = format!("{GENERATED}-{name}");
    }
    Ok(name)
}

/// A folder's name as that of a package.
fn package_name(folder: &str) -> String {
    let letters =
        folder.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' });
    let name: String = letters.collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("{GENERATED}-{name}") }
}

/// The lock file names the package that it belongs to.
fn lock_of(lock: &str, name: &str) -> String {
    lock.replace(&format!("\nname = \"{GENERATED}\"\n"), &format!("\nname = \"{name}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_name_to_the_package() {
        assert_eq!(package_name("my-gateway"), "my-gateway");
        assert_eq!(package_name("my gateway"), "my_gateway");
        assert_eq!(package_name("1"), "gateway-1");
    }

    #[test]
    fn a_name_that_is_taken_gets_another_one() {
        let lock = "[[package]]\nname = \"token-auth\"\nversion = \"1.0.0\"\n[[package]]\nname = \"gateway-two\"\n\
                    version = \"1.0.0\"\n[[package]]\nname = \"two\"\nversion = \"1.0.0\"\n[[package]]\nname = \
                    \"gateway\"\nversion = \"0.1.0\"\n";
        let name = |dir: &str| free_name(Path::new(dir), lock).expect("a lock");
        assert_eq!(name("new/mine"), "mine");
        assert_eq!(name("new/gateway"), "gateway");
        assert_eq!(name("new/token-auth"), "gateway-token-auth");
        assert_eq!(name("new/token_auth"), "gateway-token_auth");
        assert_eq!(name("new/two"), "gateway-gateway-two");
        assert_eq!(name("new/deps"), "gateway-deps");
        assert_eq!(name("."), "xtask", "the current folder has a name");
    }
}
