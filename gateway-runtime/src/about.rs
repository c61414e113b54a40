//! What a binary knows of its own making, as its builder wrote it down.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a binary knows of its own making.
#[derive(Debug, Clone, Copy, Default)]
pub struct Build {
    /// The plugin crates that must be linked, as `(name, version)`.
    pub expected: &'static [(&'static str, &'static str)],
    /// What it was built from, as a JSON object: `version`, `commit`, `rustc`, `target`, `profile`, `lock`, and `plugins`,
    /// each with `name`, `version`, `source`, `checksum`, `license`.
    pub about: Option<&'static str>,
    /// Everything that is in it, as CycloneDX JSON.
    pub sbom: Option<&'static str>,
}

/// What a binary was built from. It is written in snake case, and shown in Pascal case, as Tyk shows its own.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(serialize = "PascalCase"))]
pub(crate) struct About {
    pub(crate) version: String,
    /// The commit of the sources; `None` outside a repository.
    pub(crate) commit: Option<String>,
    /// The compiler.
    #[serde(rename(serialize = "Rust"))]
    pub(crate) rustc: Option<String>,
    /// The target triple.
    pub(crate) target: Option<String>,
    /// The build profile: `fast` or `ship`.
    pub(crate) profile: Option<String>,
    /// The digest of the lock file.
    pub(crate) lock: Option<String>,
    /// The crates of the plugins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plugins: Option<Vec<Source>>,
}

/// The crate of a plugin, and where it came from.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(serialize = "PascalCase"))]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) version: String,
    /// As in a lock file: `path+…`, `git+…#commit`, `registry+…`.
    pub(crate) source: Option<String>,
    /// Of its sources.
    pub(crate) checksum: Option<String>,
    /// As in its `Cargo.toml`.
    pub(crate) license: Option<String>,
}

/// The builder wrote something else than [`About`].
#[derive(Debug, thiserror::Error)]
#[error("what this binary says of its own making cannot be read: {0}; build it again with `cargo xtask build`")]
pub(crate) struct AboutError(#[from] serde_json::Error);

impl Build {
    /// What the builder wrote; nothing, if the binary was built without it.
    ///
    /// # Errors
    /// When it is not what we read.
    pub(crate) fn about(&self) -> Result<Option<About>, AboutError> {
        Ok(self.about.map(serde_json::from_str).transpose()?)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, source, checksum, .. } = self;
        write!(f, "{name} {version}")?;
        [source, checksum].into_iter().flatten().try_for_each(|known| write!(f, " {known}"))
    }
}
