//! What `cargo metadata` says, as far as we ask.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::toolchain::{cargo, run};

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    #[serde(default)]
    pub(crate) resolve: Option<Resolve>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) manifest_path: PathBuf,
    pub(crate) source: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) req: VersionReq,
    /// `None`: an ordinary one; else `dev` or `build`.
    pub(crate) kind: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) dependencies: Vec<String>,
}

/// The package whose Cargo.toml is in a folder, if cargo can read it.
pub(crate) fn package_at(dir: &Path) -> Option<Package> {
    let manifest = std::fs::canonicalize(dir.join("Cargo.toml")).ok()?;
    let mut question = cargo(manifest.parent()?);
    question.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let metadata: Metadata = serde_json::from_slice(&run(&mut question).ok()?.stdout).ok()?;
    metadata.packages.into_iter().find(|package| package.manifest_path == manifest)
}

impl Metadata {
    /// `package name version` of everything that depends on the package with this id.
    pub(crate) fn dependents(&self, id: &str) -> Vec<String> {
        let by_id: HashMap<&str, &Package> =
            self.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let nodes = self.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let users = nodes.filter(|node| node.dependencies.iter().any(|dependency| dependency == id));
        let mut names: Vec<String> = users
            .filter_map(|node| by_id.get(node.id.as_str()))
            .map(|package| format!("{} {}", package.name, package.version))
            .collect();
        names.sort();
        names
    }
}

impl Package {
    /// Where it comes from, for people.
    pub(crate) fn origin(&self) -> String {
        match (&self.source, self.manifest_path.parent()) {
            (Some(source), _) => source.clone(),
            (None, Some(folder)) => folder.display().to_string(),
            (None, None) => self.manifest_path.display().to_string(),
        }
    }
}
