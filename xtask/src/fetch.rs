//! `cargo xtask fetch`: all that a build needs, so that the next one can do without the network.

use std::process::ExitCode;

use thiserror::Error;

use crate::build;
use crate::cli::{BuildArgs, Selection};
use crate::gateway::BuildError;
use crate::gateway::manifest::ManifestFile;
use crate::redact::redact;
use crate::report::{Failure, Report, indented};
use crate::repository::{Repository, shown};
use crate::toolchain::{ToolchainError, cargo, run};

/// Why something is missing still.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The versions cannot be settled.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// cargo cannot download.
    #[error("not everything could be downloaded; cargo says:\n{}", indented(stderr))]
    Cargo {
        /// cargo's words.
        stderr: String,
    },
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
}

impl Failure for FetchError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When something cannot be downloaded.
pub fn command(selection: &Selection, report: &Report) -> Result<ExitCode, FetchError> {
    let args = BuildArgs { selection: selection.clone(), ..BuildArgs::default() };
    let (_turn, plan, resolved) = build::settled(&Repository::discover(), &args, report, 4)?;
    let download = || {
        let mut command = cargo(&plan.dir());
        command.args(["fetch", "--locked", "--target", &plan.target]);
        // Build scripts and macros run here.
        if plan.target != plan.toolchain.host {
            command.args(["--target", &plan.toolchain.host]);
        }
        if plan.offline {
            command.arg("--offline");
        }
        let output = run(&mut command)?;
        let stderr = || redact(&String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(()) } else { Err(FetchError::Cargo { stderr: stderr() }) }
    };
    report.step((4, 4), "download", download, |()| String::new())?;
    let packages = resolved.packages;
    let line = match plan.manifest.as_ref().filter(|_| plan.is_manifests).map(ManifestFile::lock) {
        Some(lock) => format!("{packages} packages are here, in the versions of {}", shown(&lock)),
        None => format!("{packages} packages are here"),
    };
    report.result(&line);
    Ok(ExitCode::SUCCESS)
}
