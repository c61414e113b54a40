//! One plugin crate: where it comes from, and what can be known of it before cargo is asked for versions.

use std::fs;
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};

use super::git;
use super::manifest::{ManifestFile, Place};
use super::plan::{Mismatch, PlanError};
use crate::cli::{GitReference, PluginArg};
use crate::metadata::{Dependency, Metadata, Package};
use crate::new::is_reserved;
use crate::redact::redact;
use crate::repository::{Repository, shown};
use crate::toolchain::{cargo, run};

/// A crate that was asked for.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// As it was typed, or written in the manifest.
    pub item: String,
    /// The name of the package.
    pub package: String,
    /// Where it comes from.
    pub source: Source,
    /// Features to switch on.
    pub features: Vec<String>,
    /// Whether its default features are on.
    pub default_features: bool,
}

/// Where a plugin comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder of this machine.
    Path(Local),
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// Which commit.
        reference: GitReference,
    },
    /// A registry.
    Registry {
        /// Which versions would do.
        requirement: VersionReq,
        /// Its name in cargo's configuration, if it is not crates.io.
        registry: Option<String>,
    },
}

/// A crate on this machine.
#[derive(Debug, Clone)]
pub struct Local {
    /// The folder of its Cargo.toml.
    pub dir: PathBuf,
    /// The version of the package.
    pub version: Version,
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
    /// The registry: ours is put in its place.
    Registry,
    /// A git repository, by its address: ours is put in its place.
    Git(String),
    /// Anything else, as cargo writes it.
    Other(String),
}

/// The line that links a package. With `::` only a crate is looked for, so that it may be called like an attribute or a
/// type (`bench`, `u8`); with `r#` it may be called like a keyword.
pub(super) fn use_line(package: &str) -> String {
    let name = package.replace('-', "_");
    let raw = if is_reserved(&name) { "r#" } else { "" };
    format!("use ::{raw}{name} as _;")
}

impl Plugin {
    /// The name by which Rust code calls the crate, whatever its library is named.
    #[must_use]
    pub fn ident(&self) -> String {
        self.package.replace('-', "_")
    }

    /// The crate, if it is on this machine.
    #[must_use]
    pub fn local(&self) -> Option<&Local> {
        match &self.source {
            Source::Path(local) => Some(local),
            Source::Git { .. } | Source::Registry { .. } => None,
        }
    }

    /// Where it comes from, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.local().map_or_else(|| self.item.clone(), |local| shown(&local.dir))
    }

    /// Name and version, or name and source while the version is not settled.
    #[must_use]
    pub fn title(&self) -> String {
        let package = &self.package;
        match &self.source {
            Source::Path(local) => format!("{package} {}", local.version),
            Source::Git { url, reference } => format!("{package} (git {}{reference})", redact(url)),
            Source::Registry { requirement, .. } => format!("{package} {requirement}"),
        }
    }

    /// One sentence if its address holds what should not be written down: cargo writes it into the lock file.
    pub(super) fn credentials(&self, lock: Option<&Path>) -> Option<String> {
        let Source::Git { url, .. } = &self.source else {
            return None;
        };
        let lock = lock.map_or_else(|| "the lock file in target/gw".to_owned(), shown);
        (redact(url) != *url).then(|| {
            format!(
                "the address of plugin `{}` holds credentials, which go into {lock}\n  = leave them out: git asks a \
                 credential helper, and cargo asks git with CARGO_NET_GIT_FETCH_WITH_CLI=true",
                self.package
            )
        })
    }

    /// What makes two of them different gateways.
    #[must_use]
    pub(super) fn identity(&self) -> String {
        let source = match &self.source {
            Source::Path(local) => local.dir.display().to_string(),
            Source::Git { url, reference } => format!("{url}{reference}"),
            Source::Registry { requirement, registry } => format!("{requirement} {registry:?}"),
        };
        format!("{}\0{source}\0{:?}\0{}", self.package, self.features, self.default_features)
    }
}

impl Local {
    /// Its Cargo.toml.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.dir.join("Cargo.toml")
    }
}

/// Reads plugin crates, and remembers what cargo has told.
pub(super) struct Reader<'a> {
    /// The checkout that is running: its `plugins/` are the ones that are named.
    repository: &'a Repository,
    /// The checkout whose server is linked.
    core: &'a Repository,
    offline: bool,
    seen: Vec<Package>,
    folders: Vec<(PathBuf, String)>,
    /// What will probably be regretted.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(repository: &'a Repository, core: &'a Repository, offline: bool) -> Self {
        Self { repository, core, offline, seen: Vec::new(), folders: Vec::new(), warnings: Vec::new() }
    }

    /// What was typed.
    pub(super) fn typed(&mut self, arg: &PluginArg) -> Result<Plugin, PlanError> {
        match arg {
            PluginArg::Folder(name) => {
                let dir = self.bundled(name)?;
                self.local(name.clone(), &dir)
            }
            PluginArg::Path(path) => self.local(path.display().to_string(), path),
            PluginArg::Git { package, url, reference } => {
                let found = git::find(self.repository, package.as_deref(), url, reference, self.offline)?;
                let source = Source::Git { url: url.clone(), reference: found.reference };
                let item = format!("git+{}{reference}", redact(url));
                Ok(Plugin { item, package: found.package, source, features: Vec::new(), default_features: true })
            }
            PluginArg::Registry { package, requirement } => Ok(Plugin {
                item: format!("{package}@{requirement}"),
                package: package.clone(),
                source: Source::Registry { requirement: requirement.clone(), registry: None },
                features: Vec::new(),
                default_features: true,
            }),
        }
    }

    /// What is written in a manifest.
    pub(super) fn written(&mut self, file: &ManifestFile) -> Result<Vec<Plugin>, PlanError> {
        let mut plugins = Vec::new();
        for (name, entry) in &file.manifest.plugins {
            let (features, default_features) = entry.features();
            let place = entry.place().expect("checked when the manifest was read");
            let source = match place {
                Place::Bundled => self.named(file, name, &self.bundled(name)?)?,
                Place::Path(path) => self.named(file, name, &file.relative(&path))?,
                Place::Git(url, reference) => Source::Git { url, reference },
                Place::Registry(requirement, registry) => Source::Registry { requirement, registry },
            };
            plugins.push(Plugin { item: name.clone(), package: name.clone(), source, features, default_features });
        }
        Ok(plugins)
    }

    /// A crate of this machine that goes by the name which the manifest gives it.
    fn named(&mut self, file: &ManifestFile, name: &str, dir: &Path) -> Result<Source, PlanError> {
        let plugin = self.local(format!("{name}` of `{}", shown(&file.path)), dir)?;
        if plugin.package == name {
            return Ok(plugin.source);
        }
        Err(PlanError::OtherName {
            manifest: file.path.clone(),
            name: name.to_owned(),
            package: plugin.package,
            dir: dir.to_owned(),
        })
    }

    /// A folder with a crate.
    pub(super) fn local(&mut self, item: String, dir: &Path) -> Result<Plugin, PlanError> {
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(PlanError::NoManifest { item, manifest });
        }
        let dir = fs::canonicalize(dir).map_err(|source| PlanError::Io { path: dir.to_owned(), source })?;
        if let Some((_, earlier)) = self.folders.iter().find(|(folder, _)| *folder == dir) {
            return Err(PlanError::Twice { item, earlier: earlier.clone() });
        }
        self.folders.push((dir.clone(), item.clone()));
        let package = self.package(&item, &dir)?;
        self.check(&package, &dir)?;
        let ours = package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        let ours = ours.filter(|dependency| self.core.published(&dependency.name).is_some()).map(our_crate).collect();
        let source = Source::Path(Local { dir, version: package.version, ours });
        Ok(Plugin { item, package: package.name, source, features: Vec::new(), default_features: true })
    }

    /// A folder of `plugins/`.
    fn bundled(&self, name: &str) -> Result<PathBuf, PlanError> {
        let folder = self.repository.plugins();
        let dir = folder.join(name);
        if dir.is_dir() {
            return Ok(dir);
        }
        let all = self.repository.plugin_folders().map_err(|source| PlanError::Io { path: folder.clone(), source })?;
        Err(PlanError::UnknownPlugin { name: name.to_owned(), folder, candidates: alike(name, &all), all })
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
        let sdk = self.core.published("gateway-sdk").unwrap_or_default();
        let uses = |dependency: &Dependency| dependency.name == "gateway-sdk" && dependency.kind.is_none();
        if !package.dependencies.iter().any(uses) {
            return Err(PlanError::NoSdk { package: package.name.clone(), manifest, sdk });
        }
        self.check_versions(package, &manifest)
    }

    /// What a plugin takes from a registry is replaced by ours, so the version has to fit.
    fn check_versions(&mut self, package: &Package, manifest: &Path) -> Result<(), PlanError> {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev")) {
            let Some(dir) = self.core.published(&dependency.name) else {
                continue;
            };
            if !matches!(our_crate(dependency).from, Origin::Registry | Origin::Git(_)) {
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
        (None, Some(source)) if source.starts_with("registry+") || source.starts_with("sparse+") => Origin::Registry,
        (None, Some(source)) if source.starts_with("git+") => Origin::Git(git_address(source).to_owned()),
        (None, source) => Origin::Other(source.clone().unwrap_or_default()),
    };
    OurCrate { package: dependency.name.clone(), requirement: dependency.req.clone(), from }
}

/// `git+https://host/x?tag=v1#0a1b` → `https://host/x`
fn git_address(source: &str) -> &str {
    let address = source.strip_prefix("git+").unwrap_or(source);
    address.split(['?', '#']).next().unwrap_or(address)
}

/// At most three names that could have been meant.
pub(super) fn alike(name: &str, all: &[String]) -> Vec<String> {
    let mut scored: Vec<(f64, &String)> = all.iter().map(|other| (strsim::jaro_winkler(name, other), other)).collect();
    scored.retain(|(score, _)| *score > 0.75);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, other)| other.clone()).collect()
}
