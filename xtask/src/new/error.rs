//! What `cargo xtask new` refuses, and what can go wrong on the way.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::name::BadName;
use crate::report::{Failure, indented};
use crate::repository::shown;
use crate::toolchain::ToolchainError;

/// Why there is no new crate.
#[derive(Debug, Error)]
pub enum NewError {
    /// Cargo would not take it.
    #[error("`{name}` cannot be the name of a crate: {}", why.text())]
    Name {
        /// As typed.
        name: String,
        /// What is wrong with it.
        why: BadName,
    },
    /// Nothing is overwritten.
    #[error("`{}` exists already\n  = choose another name, or remove it first", shown(.0))]
    Exists(PathBuf),
    /// `my_plugin` beside `my-plugin`.
    #[error(
        "`{name}` and `{}` have one name in Rust, and no gateway could have both\n  = choose another name",
        shown(folder)
    )]
    Alike {
        /// As typed.
        name: String,
        /// What is there.
        folder: PathBuf,
    },
    /// `serde`
    #[error(
        "`{name}` cannot be the name of a plugin of this repository: Cargo.lock has a package `{package}`, and cargo \
         could not tell the two apart\n  = choose another name"
    )]
    Locked {
        /// As typed.
        name: String,
        /// What is there.
        package: String,
    },
    /// A project of its own where cargo looks for members of ours.
    #[error(
        "`{}` would be in `{member}`, which belongs to the workspace of this repository, and cargo takes nothing else \
         there\n  = choose another folder: --path DIR",
        shown(dir)
    )]
    InsideMember {
        /// What was asked for.
        dir: PathBuf,
        /// As the root's Cargo.toml has it.
        member: String,
    },
    /// The renderer does not compile.
    #[error("the template renderer (xtask/scaffold) cannot be built; cargo says:\n{}", indented(stderr))]
    Scaffold {
        /// cargo's words.
        stderr: String,
    },
    /// cargo-generate is not content.
    #[error("the template cannot be rendered; cargo-generate says:\n{}", indented(stderr))]
    Render {
        /// Its words.
        stderr: String,
    },
    /// The versions of a new gateway do not fit each other.
    #[error("cargo does not take the new gateway; it says:\n{}", indented(stderr))]
    Lock {
        /// cargo's words.
        stderr: String,
    },
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The disk says no.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Failure for NewError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Name { .. }
            | Self::Exists(_)
            | Self::Alike { .. }
            | Self::Locked { .. }
            | Self::InsideMember { .. } => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}
