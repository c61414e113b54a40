//! Why a bundle cannot be had, in the words that are known for it. Source: plugin-system.md §7.3, §7.6.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gateway_model::bundle::{Bundles, MANIFEST, ManifestError};

use super::BundleError;
use super::fetch::FetchError;
use super::merge::MergeError;
use super::place::Place;
use super::unpack::UnpackError;
use super::verify::VerifyError;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Load,
    Fetch,
    Create,
    Save,
    Merge,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load bundle",
            Self::Fetch => "fetch bundle",
            Self::Create => "create bundle directory",
            Self::Save => "save bundle",
            Self::Merge => "merge bundle",
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Manifest(ManifestError),
    #[error(
        "{MANIFEST}: file does not exist in {}; build the bundle with `gateway bundle build`; if the folder is left of \
         another gateway, remove it, and the bundle is fetched again",
        .0.display()
    )]
    NoManifest(PathBuf),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("`{0}` and `{1}` would have the same folder; rename one of them")]
    SameFolder(String, String),
    #[error("{}: {error}; let the gateway read and write there", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl BundleError {
    /// One of several is told by its name.
    pub(super) fn failed(act: Act, place: &Place, reason: Reason) -> Self {
        let name = place.within.as_ref().map(|_| place.name.clone());
        Self::Failed { act, name, reason: Arc::new(reason) }
    }

    pub(super) fn merge(wanted: &Bundles, name: String, error: MergeError) -> Self {
        let name = Some(name).filter(|name| !name.is_empty() && matches!(wanted, Bundles::Several { .. }));
        Self::Failed { act: Act::Merge, name, reason: Arc::new(error.into()) }
    }
}

/// A name, as it is told of one of several.
pub(super) fn quoted(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" \"{name}\""))
}
