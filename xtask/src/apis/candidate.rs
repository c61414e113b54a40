//! Crates on this disk that may have plugins.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use thiserror::Error;

use crate::report::Failure;
use crate::repository::shown;

/// A crate that may have plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The name of the package.
    pub package: String,
    /// The folder of its Cargo.toml.
    pub dir: PathBuf,
}

/// Why a folder is no crate.
#[derive(Debug, Error)]
pub enum CandidateError {
    /// Neither a crate nor a folder of crates.
    #[error("there is no crate in `{}`: no Cargo.toml with a `[package]`, there or one folder below\n  = name the folder of a plugin's crate, or the folder around several", shown(.0))]
    NoCrate(PathBuf),
    /// Not TOML.
    #[error("`{}` cannot be read: {}", shown(manifest), .source.message())]
    Manifest {
        /// Its Cargo.toml.
        manifest: PathBuf,
        /// Why not.
        source: toml::de::Error,
    },
    /// The disk says no.
    #[error("cannot read `{}`", shown(path))]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Failure for CandidateError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoCrate(_) => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

impl Candidate {
    /// The crate in a folder; `None` if there is no Cargo.toml with a `[package]`.
    ///
    /// # Errors
    /// When Cargo.toml is there and cannot be read.
    pub fn at(dir: &Path) -> Result<Option<Self>, CandidateError> {
        let manifest = dir.join("Cargo.toml");
        let text = match fs::read_to_string(&manifest) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(source) => return Err(CandidateError::Io { path: manifest, source }),
        };
        let parsed: Manifest = toml::from_str(&text).map_err(|source| CandidateError::Manifest { manifest, source })?;
        Ok(parsed.package.map(|package| Self { package: package.name, dir: dir.to_owned() }))
    }

    /// The crates in the folders of a folder, in the order of their names.
    ///
    /// # Errors
    /// When the folder, or a Cargo.toml in it, cannot be read.
    pub fn all_in(dir: &Path) -> Result<Vec<Self>, CandidateError> {
        let fail = |source| CandidateError::Io { path: dir.to_owned(), source };
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            folders.push(entry.map_err(fail)?.path());
        }
        folders.sort();
        let found = folders.iter().filter_map(|folder| Self::at(folder).transpose());
        found.collect()
    }

    /// The crate in a folder, or those in its folders.
    ///
    /// # Errors
    /// When there is none.
    pub fn at_or_in(dir: &Path) -> Result<Vec<Self>, CandidateError> {
        if let Some(one) = Self::at(dir)? {
            return Ok(vec![one]);
        }
        let several = if dir.is_dir() { Self::all_in(dir)? } else { Vec::new() };
        if several.is_empty() { Err(CandidateError::NoCrate(dir.to_owned())) } else { Ok(several) }
    }
}
