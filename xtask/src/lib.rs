//! The commands of this repository.
//!
//! ```text
//! cli.rs            what may be typed
//! build.rs          cargo xtask build: the six steps, in order
//! run.rs            cargo xtask run: build, then serve samples with an echo upstream
//! new.rs            cargo xtask new: a plugin crate from gateway-template/plugin
//!
//! gateway/plan.rs       what is asked for, checked against the disk
//! gateway/plugin.rs     one plugin crate, as cargo sees it
//! gateway/generate.rs   the small crate that names the plugins, from gateway-template/gateway
//! gateway/resolve.rs    one version of everything, or a sentence that says why not
//! gateway/compile.rs    cargo build
//! gateway/prove.rs      the plugin table read back out of the binary
//! gateway/place.rs      copied beside the output, then renamed over it
//!
//! repository.rs  toolchain.rs  metadata.rs    this checkout; rustc and cargo; what cargo metadata says
//! sample.rs  echo.rs  report.rs               the definitions of `run`; its upstream; all that is printed
//! ```
//!
//! Invariants: only `report.rs` prints. No step knows the step after it. A build that fails leaves the previous output
//! where it is, and the generated crate too, to be looked at.

use std::process::ExitCode;

use clap::Parser;

pub mod build;
pub mod cli;
mod echo;
pub mod gateway;
mod metadata;
pub mod new;
pub mod report;
pub mod repository;
pub mod run;
mod sample;
pub mod toolchain;

/// The product is wrong, or could not be made.
pub const FAILED: u8 = 1;
/// What was typed cannot be understood.
pub const USAGE: u8 = 2;

/// Parses the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let report = report::Report::to_terminal();
    match cli.command {
        cli::Command::Build(args) => report.exit(build::command(&args, &report)),
        cli::Command::Run(args) => report.exit(run::command(&args, &report)),
        cli::Command::New(args) => report.exit(new::command(&args, &report)),
    }
}
