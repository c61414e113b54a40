//! Why the bench stops.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

use crate::gateway::BuildError;
use crate::report::{Failure, indented};
use crate::repository::shown;
use crate::toolchain::ToolchainError;

/// Why the bench stops. What it has started is ended all the same.
#[derive(Debug, Error)]
pub enum BenchError {
    /// There is no gateway to measure.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A program of the toolchain does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Tools that are not there, and cannot be installed.
    #[error(
        "cannot install {}:\n{}\n  = install them by other means, or leave peers out: --peers none",
        tools.join(", "), indented(said)
    )]
    Install {
        /// As xtask/bench/install-peers calls them.
        tools: Vec<&'static str>,
        /// What it said.
        said: String,
    },
    /// The script was content, and the program is not there.
    #[error("`{program}` was installed and is neither in PATH nor in /usr/sbin\n  = put its folder into PATH")]
    Lost {
        /// Its name.
        program: &'static str,
    },
    /// A crate of xtask/bench.
    #[error(
        "the bench's own `{package}` does not compile:\n{}\n  = after a change there: cargo build --manifest-path xtask/bench/Cargo.toml",
        indented(stderr)
    )]
    Helper {
        /// Its name.
        package: &'static str,
        /// What cargo said.
        stderr: String,
    },
    /// The file of `--gateway` is none.
    #[error("`{}` cannot be asked for its plugins, so it is no gateway that can be measured\n  = name the file that `cargo xtask build --profile ship` has made", path.display())]
    NoGateway {
        /// As typed.
        path: PathBuf,
    },
    /// A process ended before it served.
    #[error(
        "{name} ended before it served ({status}); it said:\n{}\n  = all of it: {}; if its port was taken meanwhile, run the bench again",
        indented(said),
        shown(log)
    )]
    Ended {
        /// Who.
        name: String,
        /// How.
        status: ExitStatus,
        /// Its last words.
        said: String,
        /// All its words.
        log: PathBuf,
    },
    /// A process is there and does not answer.
    #[error("{name} did not answer with 200 within {seconds} s\n  = what it said: {}", shown(log))]
    Silent {
        /// Who.
        name: String,
        /// How long it was asked.
        seconds: u64,
        /// All its words.
        log: PathBuf,
    },
    /// A proxy passes something else on than it should.
    #[error("{name} is no proxy that can be measured: {what}\n  = what it said: {}", shown(log))]
    Wrong {
        /// Who.
        name: String,
        /// What was asked, and what came.
        what: String,
        /// All its words.
        log: PathBuf,
    },
    /// The load generator stopped.
    #[error("the load generator stopped: {said}\n  = what the proxy said: {}", shown(log))]
    Load {
        /// Its last words.
        said: String,
        /// The words of the proxy.
        log: PathBuf,
    },
    /// A counting tool has not counted.
    #[error("{tool} counted nothing of {name}\n  = what it left is in {}; try `{tool} true`", shown(dir))]
    NoCount {
        /// Which.
        tool: &'static str,
        /// Of whom.
        name: String,
        /// Its folder.
        dir: PathBuf,
    },
    /// What the compiler counts with is not there.
    #[error(
        "neither rustup's `llvm-profdata` nor `{program}` is there\n  = run `rustup component add llvm-tools`, or install the package of LLVM that has `{program}`"
    )]
    NoProfdata {
        /// As packages call it.
        program: String,
    },
    /// What was counted cannot be put together.
    #[error("`{}` makes no recording:\n{}\n  = what was counted is in {}", program.display(), indented(stderr), shown(dir))]
    Unrecorded {
        /// What was run.
        program: PathBuf,
        /// What it said.
        stderr: String,
        /// Where the gateways have written.
        dir: PathBuf,
    },
    /// A signal to reload came to nothing.
    #[error(
        "SIGHUP was sent to the gateway, and five seconds later it had not loaded the definitions of then\n  = what it logged: {}",
        shown(log)
    )]
    Deaf {
        /// Its log.
        log: PathBuf,
    },
    /// A reload was refused.
    #[error("the gateway does not reload: {said}\n  = what it logged: {}", shown(log))]
    Reload {
        /// Its answer.
        said: String,
        /// Its log.
        log: PathBuf,
    },
    /// The system says no.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

impl BenchError {
    /// For `map_err`: what was tried with a path.
    pub(super) fn io(what: &str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{what} `{}`", path.display());
        move |source| Self::Io { what, source }
    }
}

impl Failure for BenchError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}
