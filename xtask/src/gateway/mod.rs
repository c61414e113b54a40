//! From names of plugins to a binary, in six steps that can be called one by one.

pub mod compile;
pub mod generate;
pub mod place;
pub mod plan;
pub mod plugin;
pub mod prove;
pub mod resolve;

use thiserror::Error;

use crate::report::Failure;

/// Why there is no gateway.
#[derive(Debug, Error)]
pub enum BuildError {
    /// What was asked for does not fit the disk.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The crate could not be written.
    #[error(transparent)]
    Generate(#[from] generate::GenerateError),
    /// The versions do not fit each other.
    #[error(transparent)]
    Resolve(#[from] resolve::ResolveError),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] compile::CompileError),
    /// It is not what was asked for.
    #[error(transparent)]
    Prove(#[from] prove::ProveError),
    /// It could not be put where it belongs.
    #[error(transparent)]
    Place(#[from] place::PlaceError),
}

impl Failure for BuildError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}
