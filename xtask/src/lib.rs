//! The commands of this repository.
//!
//! ```text
//! cli.rs                what may be typed
//! build.rs              cargo xtask build: the steps, in order
//! build_so.rs           cargo xtask build-so: the same steps, for each plugin
//! run.rs  dev/          build, then serve samples with an echo upstream; and again whenever something is saved
//! check.rs  import.rs   names in API definitions against plugins; a manifest made from definitions
//! fetch.rs  update.rs   what a build needs is here; plugins move
//! image/  inspect.rs    a container image; what a binary says of itself
//! bench/                what a gateway costs, beside its budgets and other proxies
//! new/  eject.rs        a crate from a template; the generated crate as a project
//! doctor/               what is missing on this machine
//!
//! gateway/manifest.rs   gw.toml
//! gateway/plan.rs       what is asked for, checked against the disk
//! gateway/plugin.rs  git.rs    one plugin crate, and what can be known of it before cargo is asked
//! gateway/stage.rs      the crates of this machine, put beside the generated crate
//! gateway/generate.rs   the small crate that names the plugins, from gateway-template/gateway; sweep.rs removes old ones
//! gateway/resolve.rs    one version of everything, or a sentence that says why not; lock.rs keeps it
//! gateway/foreign.rs    the SDK that a plugin from elsewhere brings, which is replaced by ours
//! gateway/graph.rs      what is linked, and which plugin brings it
//! gateway/advice.rs  preflight/  explain.rs    what is wrong with it, in terms of plugins
//! gateway/describe/     what the binary says of itself: versions, sources, checksums, SBOM
//! gateway/compile.rs    cargo build; origins.rs tells folders apart that cargo would not
//! gateway/prove.rs      the plugin table read back out of the binary
//! gateway/place.rs      copied beside the output, then renamed over it
//! gateway/verify.rs     built again elsewhere, and compared
//!
//! apis/                 the names in definitions, and the plugins that sources offer
//! repository.rs  toolchain.rs  metadata.rs    this checkout; rustc and cargo; what cargo metadata says
//! sample.rs  echo.rs    the definitions of `run`; its upstream
//! report.rs  redact.rs  all that is printed; no secret is
//! ```
//!
//! Invariants: only `report.rs` prints. No step knows the step after it. A build that fails leaves the previous output
//! where it is, and the generated crate too, to be looked at.

use std::process::ExitCode;

use clap::Parser;

pub mod apis;
pub mod bench;
pub mod build;
pub mod build_so;
pub mod check;
pub mod cli;
pub mod dev;
pub mod doctor;
mod echo;
pub mod eject;
pub mod elf;
pub mod fetch;
pub mod gateway;
mod hash;
pub mod image;
pub mod import;
pub mod inspect;
pub mod metadata;
pub mod new;
pub mod redact;
pub mod report;
pub mod repository;
pub mod run;
mod sample;
pub mod toolchain;
pub mod update;

/// The product is wrong, or could not be made.
pub const FAILED: u8 = 1;
/// What was typed cannot be understood.
pub const USAGE: u8 = 2;

/// Parses the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let report = if cli.json { report::Report::as_json() } else { report::Report::to_terminal() };
    let code = match cli.command {
        cli::Command::Build(args) => report.exit(build::command(&args, &report)),
        cli::Command::BuildSo(args) => report.exit(build_so::command(&args, &report)),
        cli::Command::Run(args) => report.exit(run::command(&args, &report)),
        cli::Command::Dev(args) => report.exit(dev::command(&args, &report)),
        cli::Command::New(args) => report.exit(new::command(&args, &report)),
        cli::Command::Check(selection) => report.exit(check::command(&selection, &report)),
        cli::Command::Image(args) => report.exit(image::command(&args, &report)),
        cli::Command::Inspect(args) => report.exit(inspect::command(&args, &report)),
        cli::Command::Import(args) => report.exit(import::command(&args, &report)),
        cli::Command::Fetch(selection) => report.exit(fetch::command(&selection, &report)),
        cli::Command::Update(args) => report.exit(update::command(&args, &report)),
        cli::Command::Eject(args) => report.exit(eject::command(&args, &report)),
        cli::Command::Bench(args) => report.exit(bench::command(&args, &report)),
        cli::Command::Doctor(args) => doctor::command(&args, &report),
        cli::Command::Schema => {
            report.result(&gateway::manifest::schema());
            ExitCode::SUCCESS
        }
    };
    report.end(code)
}
