//! Plugin bundles: zip files with a manifest, which takes the place of the plugins in a definition. Source:
//! plugin-system.md §6.3, §7.
//!
//! ```text
//! library.rs   which bundles are here, which are on their way, and who waits for them
//! url.rs       bundle_base_url and a name become a place to ask
//! fetch.rs     several attempts to have what is there
//! shelf.rs     unpacked, verified and renamed into its place; read from there
//! unpack.rs    a zip file becomes a folder
//! verify.rs    checksum and signature
//! place.rs     the folders of bundles
//! merge.rs     what the manifests say together
//! build.rs     `gateway bundle build`
//! ```
//!
//! A gateway without the feature `bundles` refuses a definition that names one (`absent.rs`).

#[cfg(not(feature = "bundles"))]
mod absent;
#[cfg(feature = "bundles")]
pub(crate) mod build;
#[cfg(feature = "bundles")]
mod fetch;
#[cfg(feature = "bundles")]
mod library;
#[cfg(feature = "bundles")]
mod merge;
#[cfg(feature = "bundles")]
mod place;
#[cfg(feature = "bundles")]
mod reason;
#[cfg(feature = "bundles")]
mod shelf;
#[cfg(all(test, feature = "bundles"))]
mod testing;
#[cfg(feature = "bundles")]
mod unpack;
#[cfg(feature = "bundles")]
mod url;
#[cfg(feature = "bundles")]
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_model::custom_middleware::HONOURED_DRIVERS;
use gateway_model::{AnalyticsPlugin, ApiDefinition, MiddlewareSection, Severity};

use crate::storage::PublicKey;

#[cfg(not(feature = "bundles"))]
pub(crate) use absent::{Library, on_disk};
#[cfg(feature = "bundles")]
pub(crate) use library::{Library, on_disk};
#[cfg(feature = "bundles")]
use reason::{Act, Reason};

/// What to do about a gateway that has no bundles in it.
pub(crate) const NO_BUNDLES: &str =
    "bundles are not in this binary: build one that has them with `cargo xtask build --features bundles`";

/// The field of a definition that names them.
pub(crate) const FIELD: &str = "custom_middleware_bundle";

/// What the configuration says of bundles. Source: plugin-system.md §7.2.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// They may be fetched.
    pub(crate) downloads: bool,
    pub(crate) base_url: String,
    /// Whoever answers is believed.
    pub(crate) insecure: bool,
    /// What is on disk is not verified.
    pub(crate) trusts_existing: bool,
    /// Of whom bundles must be signed.
    pub(crate) key: Option<PublicKey>,
    /// The folder of all bundles.
    pub(crate) store: PathBuf,
    /// No API is given its bundle.
    pub(crate) is_off: bool,
    pub(crate) limits: Limits,
    /// How long one attempt may take, and how long an API waits when it loads.
    pub(crate) timeout: Duration,
    /// Between the first attempt and the second.
    pub(crate) pause: Duration,
}

/// How large a bundle may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// As it is fetched.
    pub(crate) bytes: u64,
    /// All files in it together.
    pub(crate) unpacked_bytes: u64,
    /// Files and folders in it.
    pub(crate) files: usize,
}

/// What there is of the bundles that a definition names.
#[derive(Debug, Clone)]
pub(crate) enum Looked {
    /// It names none.
    Nothing,
    /// This gateway gives APIs no bundles.
    Off,
    Found(Arc<Bundle>),
    /// Nobody has fetched them, and nobody does now; why, and what that means.
    Unknown(String),
    Failed(BundleError),
}

impl Looked {
    /// Changes a definition by what was found. Without its bundle nothing is known of an API's plugins.
    pub(crate) fn take_up(&self, api: &mut ApiDefinition) {
        match self {
            Self::Found(bundle) => bundle.apply(api),
            Self::Unknown(_) | Self::Failed(_) => api.custom_middleware = MiddlewareSection::default(),
            Self::Nothing | Self::Off => {}
        }
    }

    /// What is to be said of it.
    pub(crate) fn told(&self) -> Option<(Severity, String)> {
        match self {
            Self::Nothing | Self::Found(_) => None,
            Self::Unknown(told) => Some((Severity::Warning, told.clone())),
            Self::Failed(error) => Some((Severity::Error, error.to_string())),
            Self::Off => {
                let reason = "has no effect: `management_node` is set, and such a gateway loads no bundles; the API is \
                              served without the plugins in it";
                Some((Severity::Warning, reason.to_owned()))
            }
        }
    }

    /// Where something is that is wrong with what is at a path: what a manifest says is not in the definition.
    pub(crate) fn place(&self, path: &str, reason: String) -> (String, String) {
        match self {
            Self::Found(bundle) if bundle.says(path) => {
                let (text, folder) = (&bundle.text, bundle.folder.display());
                (FIELD.to_owned(), format!("bundle `{text}`, in {folder}: {path}: {reason}"))
            }
            _ => (path.to_owned(), reason),
        }
    }
}

/// What takes the place of a definition's own plugins.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// As the definition names it.
    pub(crate) text: String,
    /// What its plugins' paths are within.
    pub(crate) folder: PathBuf,
    pub(crate) section: MiddlewareSection,
    pub(crate) analytics: Option<AnalyticsPlugin>,
    /// What it says in vain, and what is doubtful about it.
    pub(crate) warnings: Vec<String>,
    /// Another one has other manifests, or is elsewhere.
    pub(crate) mark: Vec<u8>,
}

impl Bundle {
    /// Whether what is at a path of the definition came from here.
    fn says(&self, path: &str) -> bool {
        let is_in =
            |member: &str| path.strip_prefix(member).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        is_in("custom_middleware") || (self.analytics.is_some() && is_in("analytics_plugin"))
    }

    /// Source: plugin-system.md §7.3; §5 (a relative path is one within the bundle).
    pub(crate) fn apply(&self, api: &mut ApiDefinition) {
        api.custom_middleware = self.section.clone();
        if let Some(analytics) = &self.analytics {
            api.analytics_plugin = analytics.clone();
            return;
        }
        let path = &mut api.analytics_plugin.plugin_path;
        let is_ours = HONOURED_DRIVERS.contains(&self.section.driver.as_str());
        if is_ours && !path.is_empty() && !path.starts_with('/') {
            *path = self.folder.join(&*path).to_string_lossy().into_owned();
        }
    }
}

/// A bundle cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BundleError {
    #[cfg(not(feature = "bundles"))]
    #[error("{NO_BUNDLES}")]
    NotHere,
    #[cfg(feature = "bundles")]
    #[error(
        "No bundle base URL set, skipping bundle; set `bundle_base_url`, such as `https://bundles.example.com/`, or switch \
         the bundle off with `custom_middleware_bundle_disabled`"
    )]
    NoBase,
    #[cfg(feature = "bundles")]
    #[error("Couldn't {act}{}: {reason}", reason::quoted(name.as_deref()))]
    Failed { act: Act, name: Option<String>, reason: Arc<Reason> },
    #[cfg(feature = "bundles")]
    #[error("bundle `{name}` is on its way; the API is served when it has come, by a reload that nobody need ask for")]
    Coming { name: String },
    #[cfg(feature = "bundles")]
    #[error("loading bundle `{name}` ended in a mistake of ours; report it, with the log")]
    Ended { name: String },
}
