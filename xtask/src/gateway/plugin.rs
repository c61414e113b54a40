//! One plugin crate, as cargo sees it.

use std::fs;
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};

use super::plan::{Mismatch, PlanError};
use crate::cli::PluginArg;
use crate::metadata::{Dependency, Metadata, Package};
use crate::repository::{Repository, shown};
use crate::toolchain::{cargo, run};

/// A crate that registers plugins.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The name of the package.
    pub package: String,
    /// The version of the package.
    pub version: Version,
    /// The folder of its Cargo.toml.
    pub dir: PathBuf,
    /// What it takes of ours, and from where.
    pub ours: Vec<OurCrate>,
}

/// A dependency on gateway-sdk, gateway-model or plugin-macros.
#[derive(Debug, Clone)]
pub struct OurCrate {
    /// The name of the package.
    pub package: String,
    /// The versions that would do.
    pub requirement: VersionReq,
    /// Where it is taken from.
    pub from: Origin,
}

/// Where a plugin takes one of our crates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A folder.
    Path(PathBuf),
    /// A registry: ours is put in its place.
    Registry,
    /// Anything else, such as git, as cargo writes it.
    Other(String),
}
impl Plugin {
    /// The name by which Rust code calls the crate, whatever its library is named.
    #[must_use]
    pub fn ident(&self) -> String {
        self.package.replace('-', "_")
    }

    /// Its Cargo.toml.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.dir.join("Cargo.toml")
    }
}
/// Reads plugin crates, and remembers what cargo has told.
pub(super) struct Reader<'a> {
    repository: &'a Repository,
    seen: Vec<Package>,
    folders: Vec<(PathBuf, String)>,
    /// What will probably be regretted.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(repository: &'a Repository) -> Self {
        Self { repository, seen: Vec::new(), folders: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn plugin(&mut self, arg: &PluginArg) -> Result<Plugin, PlanError> {
        let (item, dir) = self.folder(arg)?;
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(PlanError::NoManifest { item, manifest });
        }
        let dir = fs::canonicalize(&dir).map_err(|source| PlanError::Io { path: dir, source })?;
        if let Some((_, earlier)) = self.folders.iter().find(|(folder, _)| *folder == dir) {
            return Err(PlanError::Twice { item, earlier: earlier.clone() });
        }
        self.folders.push((dir.clone(), item.clone()));
        let package = self.package(&item, &dir)?;
        self.check(&package, &dir)?;
        let ours = package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        let ours = ours.filter(|dependency| self.repository.published(&dependency.name).is_some());
        Ok(Plugin { ours: ours.map(our_crate).collect(), package: package.name, version: package.version, dir })
    }

    fn folder(&self, arg: &PluginArg) -> Result<(String, PathBuf), PlanError> {
        let name = match arg {
            PluginArg::Path(path) => return Ok((path.display().to_string(), path.clone())),
            PluginArg::Folder(name) => name,
        };
        let folder = self.repository.plugins();
        let dir = folder.join(name);
        if dir.is_dir() {
            return Ok((name.clone(), dir));
        }
        let all = self.repository.plugin_folders().map_err(|source| PlanError::Io { path: folder.clone(), source })?;
        Err(PlanError::UnknownPlugin { name: name.clone(), folder, candidates: alike(name, &all), all })
    }

    /// One question to cargo answers for all members of a workspace.
    fn package(&mut self, item: &str, dir: &Path) -> Result<Package, PlanError> {
        let manifest = dir.join("Cargo.toml");
        let find = |seen: &[Package]| seen.iter().find(|package| package.manifest_path == manifest).cloned();
        if let Some(package) = find(&self.seen) {
            return Ok(package);
        }
        let mut question = cargo(dir);
        question.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
        let answer = run(&mut question)?;
        if !answer.status.success() {
            let stderr = String::from_utf8_lossy(&answer.stderr).into_owned();
            return Err(PlanError::Unreadable { item: item.to_owned(), stderr });
        }
        let metadata: Metadata = serde_json::from_slice(&answer.stdout)
            .map_err(|source| PlanError::Metadata { item: item.to_owned(), source })?;
        let folders = metadata.packages.iter().filter_map(|package| package.manifest_path.parent());
        let members = folders.map(shown).collect();
        self.seen.extend(metadata.packages);
        find(&self.seen).ok_or(PlanError::VirtualManifest { item: item.to_owned(), members })
    }

    fn check(&mut self, package: &Package, dir: &Path) -> Result<(), PlanError> {
        let manifest = dir.join("Cargo.toml");
        let kinds: Vec<String> = package.targets.iter().flat_map(|target| target.kind.clone()).collect();
        if !kinds.iter().any(|kind| kind == "lib" || kind == "rlib") {
            return Err(PlanError::NoLibrary { package: package.name.clone(), manifest, kinds });
        }
        if let Some(kind) = kinds.iter().find(|kind| ["cdylib", "dylib", "staticlib"].contains(&kind.as_str())) {
            self.warnings.push(format!(
                "plugin `{}` also asks for crate-type `{kind}`, which a linked plugin does not need\n  = remove \
                 `crate-type` from {}",
                package.name,
                shown(&manifest)
            ));
        }
        let sdk = self.repository.published("gateway-sdk").unwrap_or_default();
        let uses = |dependency: &Dependency| dependency.name == "gateway-sdk" && dependency.kind.is_none();
        if !package.dependencies.iter().any(uses) {
            return Err(PlanError::NoSdk { package: package.name.clone(), manifest, sdk });
        }
        self.check_versions(package, &manifest)
    }

    /// What a plugin takes from a registry is replaced by ours, so the version has to fit.
    fn check_versions(&mut self, package: &Package, manifest: &Path) -> Result<(), PlanError> {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev")) {
            let Some(dir) = self.repository.published(&dependency.name) else {
                continue;
            };
            if our_crate(dependency).from != Origin::Registry {
                continue;
            }
            let ours = self.package(&dependency.name, &dir)?.version;
            if !dependency.req.matches(&ours) {
                return Err(PlanError::Version(Box::new(Mismatch {
                    plugin: package.name.clone(),
                    manifest: manifest.to_owned(),
                    package: dependency.name.clone(),
                    requirement: dependency.req.clone(),
                    ours,
                })));
            }
        }
        Ok(())
    }
}
fn our_crate(dependency: &Dependency) -> OurCrate {
    let from = match (&dependency.path, &dependency.source) {
        (Some(path), _) => Origin::Path(path.clone()),
        (None, Some(source)) if source.starts_with("registry+") => Origin::Registry,
        (None, source) => Origin::Other(source.clone().unwrap_or_default()),
    };
    OurCrate { package: dependency.name.clone(), requirement: dependency.req.clone(), from }
}
/// At most three names that could have been meant.
fn alike(name: &str, all: &[String]) -> Vec<String> {
    let mut scored: Vec<(f64, &String)> = all.iter().map(|other| (strsim::jaro_winkler(name, other), other)).collect();
    scored.retain(|(score, _)| *score > 0.75);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, other)| other.clone()).collect()
}
