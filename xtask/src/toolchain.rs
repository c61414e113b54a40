//! rustc and cargo, as the user has them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

use thiserror::Error;

/// What the compiler says about itself.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// `rustc 1.95.0 (59807616e 2026-04-14)`
    pub version: String,
    /// The triple of this machine.
    pub host: String,
}

/// Why the toolchain cannot be used.
#[derive(Debug, Error)]
pub enum ToolchainError {
    /// A program is not there.
    #[error("cannot run `{}`: is Rust installed, and is it in PATH?", program.display())]
    Missing {
        /// What was run.
        program: PathBuf,
        /// Why it did not run.
        source: io::Error,
    },
    /// rustc answers something else than it used to.
    #[error("`rustc -vV` names no host; it said:\n{0}")]
    NoHost(String),
    /// A triple that rustc has not heard of.
    #[error("rustc does not know the target `{target}`\n  = see `rustc --print target-list`")]
    UnknownTarget {
        /// As typed.
        target: String,
    },
    /// A triple whose standard library is not installed.
    #[error("the standard library for `{target}` is not installed\n  = run `rustup target add {target}`")]
    MissingTarget {
        /// As typed.
        target: String,
    },
}

impl Toolchain {
    /// Asks rustc.
    ///
    /// # Errors
    /// When there is no rustc.
    pub fn ask(directory: &Path) -> Result<Self, ToolchainError> {
        let output = run(rustc(directory).arg("-vV"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let host = text.lines().find_map(|line| line.strip_prefix("host: "));
        let Some(host) = host else {
            return Err(ToolchainError::NoHost(text.into_owned()));
        };
        Ok(Self { version: text.lines().next().unwrap_or_default().to_owned(), host: host.to_owned() })
    }

    /// Checks that there is a standard library for `target`.
    ///
    /// # Errors
    /// When the target is unknown, or not installed.
    pub fn check_target(directory: &Path, target: &str) -> Result<(), ToolchainError> {
        let output = run(rustc(directory).args(["--print", "target-libdir", "--target", target]))?;
        if !output.status.success() {
            return Err(ToolchainError::UnknownTarget { target: target.to_owned() });
        }
        if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
            Ok(())
        } else {
            Err(ToolchainError::MissingTarget { target: target.to_owned() })
        }
    }
}

/// `git describe` in short: the commit, and whether something differs from it. `None` outside of git.
#[must_use]
pub fn commit(directory: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(directory).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if dirty.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// Variables that would change flags, target or folder behind our back.
pub(crate) const FLAG_VARIABLES: &[&str] = &["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];

/// The variable that would replace the flags of one target.
pub(crate) fn target_flags_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_RUSTFLAGS", target.replace(['-', '.'], "_").to_uppercase())
}

/// cargo, in a directory, without what the environment would add.
#[must_use]
pub fn cargo(directory: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(directory);
    for name in FLAG_VARIABLES.iter().chain(&["CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]) {
        command.env_remove(name);
    }
    command
}

fn rustc(directory: &Path) -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    command.current_dir(directory);
    command
}

/// Runs a program to its end; that it fails is for the caller to judge.
pub(crate) fn run(command: &mut Command) -> Result<Output, ToolchainError> {
    command.output().map_err(|source| ToolchainError::Missing { program: PathBuf::from(command.get_program()), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_an_installed_target() {
        let here = Path::new(".");
        let toolchain = Toolchain::ask(here).expect("rustc runs");
        assert!(toolchain.version.starts_with("rustc 1."), "{toolchain:?}");
        Toolchain::check_target(here, &toolchain.host).expect("installed");
    }

    #[test]
    fn an_unknown_target_names_the_list() {
        let error = Toolchain::check_target(Path::new("."), "x86_64-moon-gnu").expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "rustc does not know the target `x86_64-moon-gnu`\n  = see `rustc --print target-list`"
        );
    }

    #[test]
    fn a_missing_target_names_the_command_that_adds_it() {
        let error = Toolchain::check_target(Path::new("."), "sparc64-unknown-linux-gnu").expect_err("missing");
        assert!(error.to_string().ends_with("run `rustup target add sparc64-unknown-linux-gnu`"), "{error}");
    }
}
