//! What a gateway says about itself, for its sections: how it was built, its SBOM, and the list that auditors read.
//!
//! The same graph gives the same bytes on every machine: no time, no path of this machine, nothing in the order in which
//! cargo happened to name it.

mod auditable;
mod sbom;

use std::path::{Path, PathBuf};

use semver::Version;
use serde::Serialize;

use super::graph::{Graph, PluginNode, PluginOrigin};

/// What the graph does not know.
#[derive(Debug, Clone)]
pub struct About {
    /// Of the gateway.
    pub version: Version,
    /// Of the gateway's checkout, if it is one.
    pub commit: Option<String>,
    /// `rustc 1.95.0 (59807616e 2026-04-14)`
    pub rustc: String,
    /// The triple.
    pub target: String,
    /// `fast` or `ship`.
    pub profile: String,
    /// Of the lock file, in hex.
    pub lock_sha256: String,
    /// The folder of the gateway's checkout: plugins inside of it are named by their place in it.
    pub checkout: PathBuf,
}

/// The contents of three sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// `.gw_build`: JSON.
    pub build: String,
    /// `.gw_sbom`: CycloneDX 1.5, JSON.
    pub sbom: String,
    /// `.dep-v0`: what cargo-auditable would have put there, compressed.
    pub auditable: Vec<u8>,
}

/// Why a gateway cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The data does not fit the format.
    #[error("cannot write the description of the gateway as JSON")]
    Json(#[from] serde_json::Error),
    /// The compressor fails.
    #[error("cannot compress the description of the gateway")]
    Compress(#[from] std::io::Error),
}

#[derive(Serialize)]
struct Build<'a> {
    version: &'a Version,
    commit: Option<&'a str>,
    rustc: &'a str,
    target: &'a str,
    profile: &'a str,
    lock: String,
    plugins: Vec<Plugin<'a>>,
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    version: &'a Version,
    source: String,
    checksum: &'a str,
    license: Option<&'a str>,
}

/// Describes a gateway.
///
/// # Errors
/// When something cannot be written as JSON, which does not happen with what cargo accepts.
pub fn describe(graph: &Graph, about: &About) -> Result<Described, DescribeError> {
    let plugin = |node: &'_ PluginNode| source_of(node, &about.checkout);
    let plugins = graph.plugins().iter().map(|node| Plugin {
        name: &node.package,
        version: &node.version,
        source: plugin(node),
        checksum: &node.checksum,
        license: node.license.as_deref(),
    });
    let build = Build {
        version: &about.version,
        commit: about.commit.as_deref(),
        rustc: &about.rustc,
        target: &about.target,
        profile: &about.profile,
        lock: format!("sha256:{}", about.lock_sha256),
        plugins: plugins.collect(),
    };
    Ok(Described {
        build: serde_json::to_string(&build)?,
        sbom: sbom::sbom(graph, about)?,
        auditable: auditable::auditable(graph, about)?,
    })
}

/// As cargo writes sources, except that a folder is named by its place in the checkout, or by its package.
fn source_of(node: &PluginNode, checkout: &Path) -> String {
    match &node.origin {
        PluginOrigin::Path(dir) => match dir.strip_prefix(checkout) {
            Ok(inside) if !inside.as_os_str().is_empty() => {
                let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
                format!("path+{}", parts.join("/"))
            }
            _ => format!("path+{}", node.package),
        },
        PluginOrigin::Git { url, reference: Some(reference), commit } => format!("git+{url}?{reference}#{commit}"),
        PluginOrigin::Git { url, reference: None, commit } => format!("git+{url}#{commit}"),
        PluginOrigin::Registry { url } => format!("registry+{url}"),
    }
}
