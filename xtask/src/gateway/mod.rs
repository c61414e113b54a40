//! From names of plugins to a binary, in steps that can be called one by one.

pub mod advice;
pub mod compile;
pub mod describe;
pub mod explain;
pub mod foreign;
pub mod generate;
mod git;
pub mod graph;
pub mod lock;
pub mod manifest;
mod origins;
pub mod place;
pub mod plan;
pub mod plugin;
pub mod preflight;
pub mod prove;
pub mod recording;
pub mod resolve;
pub mod stage;
mod sweep;
pub mod turn;
pub mod values;
pub mod verify;

use thiserror::Error;

use crate::report::Failure;

/// Why there is no gateway.
#[derive(Debug, Error)]
pub enum BuildError {
    /// What was asked for does not fit the disk.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// Another build cannot be awaited.
    #[error(transparent)]
    Turn(#[from] turn::TurnError),
    /// The crate could not be written.
    #[error(transparent)]
    Generate(#[from] generate::GenerateError),
    /// The versions do not fit each other.
    #[error(transparent)]
    Resolve(#[from] resolve::ResolveError),
    /// The versions are right, and something else is not.
    #[error(transparent)]
    Advice(#[from] advice::AdviceError),
    /// Definitions cannot be read.
    #[error(transparent)]
    Apis(#[from] crate::apis::ApisError),
    /// Definitions name what no plugin has.
    #[error(transparent)]
    Unplaced(#[from] crate::apis::Unplaced),
    /// What was recorded cannot be read.
    #[error(transparent)]
    Recording(#[from] recording::RecordingError),
    /// It cannot say what it is.
    #[error(transparent)]
    Describe(#[from] describe::DescribeError),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] compile::CompileError),
    /// It is not what was asked for.
    #[error(transparent)]
    Prove(#[from] prove::ProveError),
    /// It could not be put where it belongs.
    #[error(transparent)]
    Place(#[from] place::PlaceError),
    /// Built again, it is another one.
    #[error(transparent)]
    Verify(#[from] verify::VerifyError),
}

impl Failure for BuildError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}
