//! What `cargo metadata` says, as far as we ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::toolchain::{cargo, run};

/// The whole answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// All packages; with `--filter-platform`, those of one target.
    pub packages: Vec<Package>,
    /// Who depends upon whom; not with `--no-deps`.
    #[serde(default)]
    pub resolve: Option<Resolve>,
}

/// One package, as its Cargo.toml says.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// cargo's name for it in this answer.
    pub id: String,
    /// The name of the package.
    pub name: String,
    /// The version of the package.
    pub version: Version,
    /// Its Cargo.toml.
    pub manifest_path: PathBuf,
    /// `registry+…`, `git+…`; none for a folder.
    pub source: Option<String>,
    /// An SPDX expression, if the author wrote one.
    #[serde(default)]
    pub license: Option<String>,
    /// A file with the licence, for those that have no SPDX name.
    #[serde(default)]
    pub license_file: Option<PathBuf>,
    /// The oldest compiler that will do, as written: `1.85` or `1.85.0`.
    #[serde(default)]
    pub rust_version: Option<String>,
    /// What it asks for.
    pub dependencies: Vec<Dependency>,
    /// Libraries, programs and build scripts.
    pub targets: Vec<Target>,
    /// What each feature switches on.
    #[serde(default)]
    pub features: BTreeMap<String, Vec<String>>,
}

/// A line of `[dependencies]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// The name of the package.
    pub name: String,
    /// The versions that would do.
    pub req: VersionReq,
    /// `None`: an ordinary one; else `dev` or `build`.
    pub kind: Option<String>,
    /// Where it is to come from.
    pub source: Option<String>,
    /// Its folder, if it is one.
    pub path: Option<PathBuf>,
    /// What the dependent calls it, if not by its name.
    #[serde(default)]
    pub rename: Option<String>,
    /// Whether `default` is asked for.
    #[serde(default)]
    pub uses_default_features: bool,
    /// The features that are asked for.
    #[serde(default)]
    pub features: Vec<String>,
}

/// What cargo builds of a package.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    /// `lib`, `proc-macro`, `custom-build`, `bin`, …
    pub kind: Vec<String>,
}

/// The graph.
#[derive(Debug, Clone, Deserialize)]
pub struct Resolve {
    /// One per package.
    pub nodes: Vec<Node>,
    /// The package that was asked about; none for a workspace without one.
    #[serde(default)]
    pub root: Option<String>,
}

/// A package in the graph.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    /// Which package.
    pub id: String,
    /// The ids of what it depends upon.
    pub dependencies: Vec<String>,
    /// The same, with kinds.
    #[serde(default)]
    pub deps: Vec<Edge>,
    /// The features that are switched on, by whomever.
    #[serde(default)]
    pub features: Vec<String>,
}

/// An edge of the graph.
#[derive(Debug, Clone, Deserialize)]
pub struct Edge {
    /// The id of the package.
    pub pkg: String,
    /// Each line of the manifest that is behind it.
    #[serde(default)]
    pub dep_kinds: Vec<EdgeKind>,
}

/// Why there is an edge.
#[derive(Debug, Clone, Deserialize)]
pub struct EdgeKind {
    /// `None`: an ordinary dependency; else `dev` or `build`.
    pub kind: Option<String>,
}

/// The package whose Cargo.toml is in a folder, if cargo can read it.
pub(crate) fn package_at(dir: &Path) -> Option<Package> {
    let manifest = std::fs::canonicalize(dir.join("Cargo.toml")).ok()?;
    let mut question = cargo(manifest.parent()?);
    question.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let metadata: Metadata = serde_json::from_slice(&run(&mut question).ok()?.stdout).ok()?;
    metadata.packages.into_iter().find(|package| package.manifest_path == manifest)
}

impl Edge {
    /// Whether it is more than a dev-dependency.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }

    /// Whether it is an ordinary dependency: not only one of tests or of a build script.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.is_none())
    }
}

impl Package {
    /// `name version`
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The oldest compiler that will do, if it says so.
    #[must_use]
    pub fn oldest_rust(&self) -> Option<Version> {
        let mut numbers = self.rust_version.as_ref()?.split('.').map(|number| number.parse::<u64>().ok());
        let mut next = || numbers.next().map_or(Some(0), |number| number);
        Some(Version::new(next()?, next()?, next()?))
    }

    /// Whether one of its targets is of this kind.
    #[must_use]
    pub fn builds(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|one| one == kind))
    }

    /// Where it comes from, for people.
    pub(crate) fn origin(&self) -> String {
        match (&self.source, self.manifest_path.parent()) {
            (Some(source), _) => source.clone(),
            (None, Some(folder)) => folder.display().to_string(),
            (None, None) => self.manifest_path.display().to_string(),
        }
    }
}
