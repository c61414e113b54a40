//! Where a plugin comes from, and the hash that tells it from another one of the same name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use semver::Version;
use serde::Deserialize;

use super::GraphError;
use crate::hash::tree;
use crate::metadata::Package;
use crate::redact::redact;

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginOrigin {
    /// A folder of this machine.
    Path(PathBuf),
    /// A git repository.
    Git {
        /// Without credentials, and without the reference.
        url: String,
        /// As asked for: `tag=v1`, `branch=main`, `rev=abc`. None: the default branch.
        reference: Option<String>,
        /// The commit that was taken.
        commit: String,
    },
    /// A registry.
    Registry {
        /// Of its index, without credentials.
        url: String,
    },
}

impl PluginOrigin {
    /// What cargo's `source` says. `None` when it says something unknown.
    pub(super) fn of(package: &Package, dir: &Path) -> Option<Self> {
        let Some(source) = &package.source else {
            return Some(Self::Path(dir.to_owned()));
        };
        if let Some(git) = source.strip_prefix("git+") {
            let (place, commit) = git.split_once('#')?;
            let (url, query) = place.split_once('?').map_or((place, None), |(url, query)| (url, Some(query)));
            let is_reference = |part: &&str| ["tag=", "branch=", "rev="].iter().any(|key| part.starts_with(key));
            let reference = query.and_then(|query| query.split('&').find(is_reference)).map(str::to_owned);
            return Some(Self::Git { url: redact(url), reference, commit: commit.to_owned() });
        }
        let registry = source.strip_prefix("registry+").or_else(|| source.strip_prefix("sparse+"));
        registry.map(|url| Self::Registry { url: redact(url) })
    }
}

/// The checksums of a Cargo.lock.
#[derive(Debug)]
pub(super) struct Lock {
    checksums: HashMap<(String, Version, String), String>,
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<LockPackage>,
}

#[derive(Deserialize)]
struct LockPackage {
    name: String,
    version: Version,
    source: Option<String>,
    checksum: Option<String>,
}

impl Lock {
    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: LockFile = toml::from_str(text)?;
        let known = |package: LockPackage| Some(((package.name, package.version, package.source?), package.checksum?));
        Ok(Self { checksums: file.package.into_iter().filter_map(known).collect() })
    }

    pub(super) fn checksum(&self, package: &Package) -> Option<&str> {
        let source = package.source.clone()?;
        self.checksums.get(&(package.name.clone(), package.version.clone(), source)).map(String::as_str)
    }
}

/// `sha256:…` over names and contents of a crate's files.
pub(super) fn tree_hash(dir: &Path) -> Result<String, GraphError> {
    let hash = tree(dir).map_err(|(path, source)| GraphError::Io { path, source })?;
    Ok(format!("sha256:{hash}"))
}
