//! What is asked for, checked against the disk before anything is compiled. Its length is that of its errors: each says what
//! is wrong, where, and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use semver::{Version, VersionReq};
use thiserror::Error;

use super::git::GitError;
use super::manifest::{ManifestError, ManifestFile};
use super::plugin::{Plugin, Reader};
use super::recording::Recording;
use crate::cli::{BuildArgs, Profile, Selection};
use crate::hash::sha256;
use crate::report::{Failure, indented};
use crate::repository::{Repository, shown};
use crate::toolchain::{FLAG_VARIABLES, Toolchain, ToolchainError, cargo_home, target_flags_variable};

/// What is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// A gateway that needs nothing.
    #[default]
    Static,
    /// A gateway that needs its system's C library, and loads plugins.
    Dynamic,
    /// A plugin to load.
    Loadable,
}

/// The server's feature that loads plugins.
const LOADS: &str = "dynamic";

/// A gateway that can be tried to build.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The checkout that is running.
    pub repository: Repository,
    /// The checkout whose server is linked: the same one, unless it is replaced.
    pub core: Repository,
    /// What is made.
    pub kind: Kind,
    /// Features of the server to switch on, and whether its default ones are.
    pub core_features: (Vec<String>, bool),
    /// The manifest, if there is one.
    pub manifest: Option<ManifestFile>,
    /// Whether this is the gateway of the manifest, no more and no less: then its lock file is kept.
    pub is_manifests: bool,
    /// Sorted by package.
    pub plugins: Vec<Plugin>,
    /// Definitions whose names are checked.
    pub apis: Option<PathBuf>,
    /// How to compile.
    pub profile: Profile,
    /// For which machine.
    pub target: String,
    /// Refuse versions that the lock file does not hold.
    pub locked: bool,
    /// Do not use the network.
    pub offline: bool,
    /// Where the binary goes.
    pub output: PathBuf,
    /// The compiler.
    pub toolchain: Toolchain,
    /// What the compiler knows of what runs often. Found when versions are settled.
    pub recording: Recording,
    /// What is made on the way.
    pub work_dir: PathBuf,
    /// Where cargo keeps what it has downloaded.
    pub cargo_home: PathBuf,
    /// Git repositories, and which of our crates are taken from us and not from there. Found while resolving.
    pub patched: BTreeMap<String, BTreeSet<String>>,
    /// Whether plugins from elsewhere may take gateway-sdk from the registry. Found while resolving.
    pub patches_registry: bool,
    /// What will probably be regretted.
    pub warnings: Vec<String>,
}

/// Why there is no plan. `item` is always what was typed.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Not a folder of `plugins/`.
    #[error(
        "no plugin `{name}` in {}{}\n  = there are: {}\n  = a crate elsewhere is named by its path: `--plugins ./{name}`",
        shown(folder),
        nearest(candidates),
        or_none(all)
    )]
    UnknownPlugin {
        /// As typed.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// Names that look like it.
        candidates: Vec<String>,
        /// All names.
        all: Vec<String>,
    },
    /// The same folder twice.
    #[error("`{item}` names the same plugin as `{earlier}`\n  = name it once")]
    Twice {
        /// The second one.
        item: String,
        /// The first one.
        earlier: String,
    },
    /// A folder without a crate, or no folder.
    #[error("`{item}` is not a crate: there is no {}\n  = make one with `cargo xtask new NAME`", shown(manifest))]
    NoManifest {
        /// As typed.
        item: String,
        /// What is not there.
        manifest: PathBuf,
    },
    /// A Cargo.toml without `[package]`.
    #[error("`{item}` is a workspace, not a crate\n  = name one of its members by its path: {}", or_none(members))]
    VirtualManifest {
        /// As typed.
        item: String,
        /// Their folders.
        members: Vec<String>,
    },
    /// A crate that cannot be linked.
    #[error(
        "plugin `{package}` has no library to link (it builds: {})\n  = a plugin is an ordinary library: src/lib.rs, and no `crate-type` in {}",
        or_none(kinds),
        shown(manifest)
    )]
    NoLibrary {
        /// Its name.
        package: String,
        /// Its Cargo.toml.
        manifest: PathBuf,
        /// What it builds instead.
        kinds: Vec<String>,
    },
    /// A crate that cannot register anything.
    #[error("crate `{package}` does not depend on gateway-sdk, so it is not a plugin\n  = add to [dependencies] in {}: gateway-sdk = {{ path = \"{}\" }}",
        shown(manifest), sdk.display())]
    NoSdk {
        /// Its name.
        package: String,
        /// Its Cargo.toml.
        manifest: PathBuf,
        /// Ours.
        sdk: PathBuf,
    },
    /// Two crates of one name.
    #[error(
        "{}: {} and {}\n  = rename the package of one of them",
        one_name(first, second),
        first_source,
        second_source
    )]
    SameName {
        /// The name of one.
        first: String,
        /// The name of the other: the same, or what Rust takes for the same.
        second: String,
        /// The folder of one, or what was typed.
        first_source: String,
        /// The folder of the other, or what was typed.
        second_source: String,
    },
    /// The key of the manifest and the name of the crate differ.
    #[error(
        "{}: plugin `{name}` is the crate `{package}` ({})\n  = write its name: {package} = {{ … }}",
        shown(manifest),
        shown(dir)
    )]
    OtherName {
        /// The manifest.
        manifest: PathBuf,
        /// As written.
        name: String,
        /// As it is.
        package: String,
        /// The folder of the crate.
        dir: PathBuf,
    },
    /// `--replace` of something that is not asked for.
    #[error(
        "--replace {name}: no plugin of that name is asked for; there are: {}\n  = or `gateway`, for the server itself",
        or_none(plugins)
    )]
    NothingToReplace {
        /// As typed.
        name: String,
        /// What is asked for.
        plugins: Vec<String>,
    },
    /// `--replace` by another crate.
    #[error(
        "--replace {name}: the crate in {} is `{package}`\n  = name a folder whose package is `{name}`",
        shown(dir)
    )]
    OtherReplacement {
        /// As typed.
        name: String,
        /// The crate's name.
        package: String,
        /// The crate's folder.
        dir: PathBuf,
    },
    /// `--features` of a name that the server does not have.
    #[error(
        "--features {feature}: the gateway has no such feature; there are: {}\n  = see [features] in {}",
        or_none(known),
        shown(manifest)
    )]
    UnknownFeature {
        /// As typed.
        feature: String,
        /// The Cargo.toml of the server.
        manifest: PathBuf,
        /// What there is.
        known: Vec<String>,
    },
    /// A static gateway with the feature `dynamic`.
    #[error(
        "a static gateway cannot load plugins: `dlopen` in one crashes\n  = build with --dynamic instead of --features dynamic, or leave it out and link the plugins (--plugins)"
    )]
    StaticLoads,
    /// A target without a loader.
    #[error(
        "{target} links all programs statically, and such a gateway cannot load plugins: `dlopen` in one crashes\n  = choose a target with glibc (--target {instead}), or link the plugins (--plugins) and leave --dynamic out"
    )]
    NoLoader {
        /// As typed.
        target: String,
        /// One that works.
        instead: String,
    },
    /// `--replace gateway=DIR` where no gateway is.
    #[error("`{}` is no checkout of the gateway: there is no gateway-runtime/Cargo.toml\n  = name the root of one", .0.display())]
    NoCheckout(PathBuf),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A git repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A plugin for another release of ours.
    #[error(transparent)]
    Version(Box<Mismatch>),
    /// cargo does not accept the crate.
    #[error("cargo cannot read `{item}`; it says:\n{}\n  = mend the Cargo.toml that cargo names", indented(stderr))]
    Unreadable {
        /// As typed.
        item: String,
        /// cargo's words.
        stderr: String,
    },
    /// cargo's answer is not what it used to be.
    #[error("cannot understand what `cargo metadata` says about `{item}`")]
    Metadata {
        /// As typed.
        item: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The output is a folder.
    #[error("`{}` is a folder\n  = name a file: `--output {}/gateway`", .0.display(), .0.display())]
    OutputIsFolder(PathBuf),
    /// Nothing can be put beside the output.
    #[error("cannot write to the folder `{}`\n  = choose another: --output FILE", shown(folder))]
    OutputFolder {
        /// The folder of the output.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// rustc or the target is missing.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The disk says no.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A plugin, and what it asks for.
#[derive(Debug, Error)]
#[error(
    "plugin `{plugin}` asks for {package} `{requirement}`, and this gateway has {package} {ours}\n  = in {} write {package} = \"{ours}\", or build with the release that it wants",
    shown(manifest)
)]
pub struct Mismatch {
    /// Who asks.
    pub plugin: String,
    /// Its Cargo.toml.
    pub manifest: PathBuf,
    /// For what.
    pub package: String,
    /// In which version.
    pub requirement: VersionReq,
    /// What we have.
    pub ours: Version,
}

impl Failure for PlanError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownPlugin { .. }
            | Self::Twice { .. }
            | Self::OutputIsFolder(_)
            | Self::NothingToReplace { .. }
            | Self::UnknownFeature { .. }
            | Self::StaticLoads
            | Self::NoLoader { .. }
            | Self::Manifest(_) => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

/// Reads what is asked for.
///
/// # Errors
/// When a plugin cannot be linked for a reason that can be known without compiling, or the target is not installed.
pub fn plan(repository: &Repository, args: &BuildArgs) -> Result<Plan, PlanError> {
    let selection = &args.selection;
    let manifest = selection.manifest.as_deref().map(ManifestFile::read).transpose()?;
    let core = core(repository, selection, manifest.as_ref())?;
    let toolchain = Toolchain::ask(core.root())?;
    let build = manifest.as_ref().map(|file| file.manifest.build.clone()).unwrap_or_default();
    let profile = selection.profile.or(build.profile).unwrap_or_default();
    let target = selection.target.clone().or(build.target);
    let kind = match (selection.loadable, selection.dynamic) {
        (true, _) => Kind::Loadable,
        (false, true) => Kind::Dynamic,
        (false, false) => Kind::Static,
    };
    let prefers_musl = profile == Profile::Ship && kind == Kind::Static;
    let target = target.unwrap_or_else(|| toolchain.default_target(core.root(), prefers_musl));
    if kind != Kind::Static && target.contains("-musl") {
        let instead = target.replace("-musl", "-gnu");
        return Err(PlanError::NoLoader { target, instead });
    }
    toolchain.check_target(core.root(), &target)?;
    let mut reader = Reader::new(repository, &core, selection.offline);
    let mut plugins = asked(&mut reader, selection, manifest.as_ref())?;
    if selection.from_apis.is_some() {
        candidates(&mut reader, repository, &mut plugins)?;
    }
    plugins.sort_by(|a, b| a.package.cmp(&b.package));
    check_names(&plugins)?;
    let mut warnings = reader.warnings;
    warnings.extend(ignored_flags(&target));
    let lock = manifest.as_ref().map(ManifestFile::lock);
    warnings.extend(plugins.iter().filter_map(|plugin| plugin.credentials(lock.as_deref())));
    let written = manifest.as_ref().map(|file| file.manifest.gateway.clone()).unwrap_or_default();
    let mut features = features(&core, &written.features, &selection.features)?;
    if kind == Kind::Static && features.iter().any(|feature| feature == LOADS) {
        return Err(PlanError::StaticLoads);
    }
    if kind == Kind::Dynamic && !features.iter().any(|feature| feature == LOADS) {
        features.push(LOADS.to_owned());
        features.sort();
    }
    let output = match (kind, plugins.first()) {
        (Kind::Loadable, Some(plugin)) => loadable(repository, &core, args, plugin, &target)?,
        _ => output(repository, args, manifest.as_ref())?,
    };
    let apis = build.apis.and_then(|apis| manifest.as_ref().map(|file| file.relative(&apis)));
    Ok(Plan {
        repository: repository.clone(),
        core,
        kind,
        core_features: (features, written.default_features.unwrap_or(true)),
        plugins,
        apis: selection.apis.clone().or(apis),
        profile,
        target,
        locked: selection.locked,
        offline: selection.offline,
        output,
        toolchain,
        recording: Recording::None,
        work_dir: repository.work_dir(),
        cargo_home: cargo_home(),
        patched: BTreeMap::new(),
        patches_registry: true,
        warnings,
        is_manifests: manifest.is_some()
            && selection.plugins.is_empty()
            && selection.replace.is_empty()
            && selection.features.is_empty()
            && selection.from_apis.is_none(),
        manifest,
    })
}

/// What is written in the manifest and typed, each once. What is typed must be there; of the manifest, cargo tells.
fn features(core: &Repository, written: &[String], typed: &[String]) -> Result<Vec<String>, PlanError> {
    let manifest = core.runtime().join("Cargo.toml");
    if !typed.is_empty() {
        let text = fs::read_to_string(&manifest).map_err(|source| PlanError::Io { path: manifest.clone(), source })?;
        let known = known_features(&text);
        if let Some(unknown) = typed.iter().find(|feature| !known.contains(*feature)) {
            let known = known.into_iter().collect();
            return Err(PlanError::UnknownFeature { feature: unknown.clone(), manifest, known });
        }
    }
    let all: BTreeSet<&String> = written.iter().chain(typed).collect();
    Ok(all.into_iter().cloned().collect())
}

/// The names in `[features]`; none if it is not to be read, which cargo will tell.
fn known_features(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = toml::from_str(manifest).unwrap_or_default();
    let features = manifest.get("features").and_then(toml::Value::as_table);
    features.map(|features| features.keys().cloned().collect()).unwrap_or_default()
}

/// The checkout whose server is linked.
fn core(
    repository: &Repository,
    selection: &Selection,
    manifest: Option<&ManifestFile>,
) -> Result<Repository, PlanError> {
    let replaced = selection.replace.iter().find(|replacement| replacement.name == "gateway");
    let written = manifest.and_then(|file| Some((file, file.manifest.gateway.path.as_ref()?)));
    let dir = match (replaced, written) {
        (Some(replacement), _) => replacement.dir.clone(),
        (None, Some((file, path))) => file.relative(path),
        (None, None) => repository.root().to_owned(),
    };
    let core = Repository::at(dir);
    if !core.runtime().join("Cargo.toml").is_file() {
        return Err(PlanError::NoCheckout(core.root().to_owned()));
    }
    // Who replaces the gateway knows that it is another one.
    if let (None, Some(file)) = (replaced, manifest)
        && let Some(wanted) = &file.manifest.gateway.version
    {
        let ours = core.version().ok_or_else(|| PlanError::NoCheckout(core.root().to_owned()))?;
        if *wanted != ours {
            let (path, wanted, ours) = (file.path.clone(), wanted.to_string(), ours.to_string());
            let checkout = core.root().to_owned();
            return Err(ManifestError::Version { path, wanted, ours, checkout }.into());
        }
    }
    Ok(core)
}

fn output(repository: &Repository, args: &BuildArgs, manifest: Option<&ManifestFile>) -> Result<PathBuf, PlanError> {
    let output = match (&args.output, manifest) {
        (Some(output), _) => output.clone(),
        (None, Some(file)) => {
            let written = file.manifest.build.output.as_deref();
            file.relative(written.unwrap_or(Path::new("dist/gateway")))
        }
        (None, None) => repository.root().join("dist/gateway"),
    };
    let output = std::path::absolute(&output).map_err(|source| PlanError::Io { path: output, source })?;
    if output.is_dir() { Err(PlanError::OutputIsFolder(output)) } else { Ok(output) }
}

/// The file of a plugin, by the name that a gateway of this version looks for first. Source: Tyk, `goplugin/plugin_name_builder.go`.
fn loadable(
    repository: &Repository,
    core: &Repository,
    args: &BuildArgs,
    plugin: &Plugin,
    target: &str,
) -> Result<PathBuf, PlanError> {
    let version = core.version().ok_or_else(|| PlanError::NoCheckout(core.root().to_owned()))?;
    let mut parts = target.split('-');
    let arch = match parts.next().unwrap_or_default() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i686" | "i586" => "386",
        other => other,
    };
    let os = parts.find(|part| ["linux", "freebsd", "darwin"].contains(part)).unwrap_or("linux");
    let (major, minor, patch) = (version.major, version.minor, version.patch);
    let name = format!("{}_v{major}.{minor}.{patch}_{os}_{arch}.so", plugin.package);
    let folder = args.output.clone().unwrap_or_else(|| repository.root().join("dist"));
    let output = folder.join(name);
    std::path::absolute(&output).map_err(|source| PlanError::Io { path: output, source })
}

/// What the manifest and the command line name, with what is replaced.
fn asked(
    reader: &mut Reader<'_>,
    selection: &Selection,
    manifest: Option<&ManifestFile>,
) -> Result<Vec<Plugin>, PlanError> {
    let mut plugins = match manifest {
        Some(file) => reader.written(file)?,
        None => Vec::new(),
    };
    for arg in &selection.plugins {
        plugins.push(reader.typed(arg)?);
    }
    for replacement in selection.replace.iter().filter(|replacement| replacement.name != "gateway") {
        let names: Vec<String> = plugins.iter().map(|plugin| plugin.package.clone()).collect();
        let Some(plugin) = plugins.iter_mut().find(|plugin| plugin.package == replacement.name) else {
            return Err(PlanError::NothingToReplace { name: replacement.name.clone(), plugins: names });
        };
        let local = reader.local(replacement.dir.display().to_string(), &replacement.dir)?;
        if local.package != plugin.package {
            let (name, package) = (replacement.name.clone(), local.package);
            return Err(PlanError::OtherReplacement { name, package, dir: replacement.dir.clone() });
        }
        plugin.source = local.source;
    }
    Ok(plugins)
}

/// All of `plugins/` that is not named already, to choose from.
fn candidates(reader: &mut Reader<'_>, repository: &Repository, plugins: &mut Vec<Plugin>) -> Result<(), PlanError> {
    let folder = repository.plugins();
    let names = repository.plugin_folders().map_err(|source| PlanError::Io { path: folder.clone(), source })?;
    for name in names {
        match reader.local(name.clone(), &folder.join(&name)) {
            Ok(plugin) if plugins.iter().any(|other| other.ident() == plugin.ident()) => {}
            Ok(plugin) => plugins.push(plugin),
            // It is named, or it is no plugin: then it is not one to choose.
            Err(PlanError::Twice { .. } | PlanError::NoSdk { .. } | PlanError::NoLibrary { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The generated crate calls each plugin by its name in Rust.
fn check_names(plugins: &[Plugin]) -> Result<(), PlanError> {
    for (index, second) in plugins.iter().enumerate() {
        if let Some(first) = plugins.iter().take(index).find(|first| first.ident() == second.ident()) {
            return Err(PlanError::SameName {
                first: first.package.clone(),
                second: second.package.clone(),
                first_source: first.place(),
                second_source: second.place(),
            });
        }
    }
    Ok(())
}

/// Makes the folder of the output and writes to it: that this cannot be done is better told now than after a build.
///
/// # Errors
/// When it cannot be.
pub fn probe(output: &Path) -> Result<(), PlanError> {
    let folder = output.parent().unwrap_or(output);
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let file = folder.join(format!(".{name}.{}.probe", process::id()));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, ""));
    written.map_err(|source| PlanError::OutputFolder { folder: folder.to_owned(), source })?;
    // Best effort: another thread may have removed it.
    let _ = fs::remove_file(&file);
    Ok(())
}

impl Plan {
    /// Twelve letters that differ between gateways that must not share a lock file.
    #[must_use]
    pub fn id(&self) -> String {
        let plugins: Vec<String> = self.plugins.iter().map(Plugin::identity).collect();
        let manifest = self.manifest.as_ref().map(|file| file.path.display().to_string()).unwrap_or_default();
        let (core, profile) = (self.core.root().display(), self.profile.name());
        let what = (self.kind, &self.core_features);
        let rest = format!("{profile}\0{}\0{what:?}\0{core}\0{manifest}", self.target);
        let mut id = sha256(format!("{}\n{rest}", plugins.join("\n")).as_bytes());
        id.truncate(12);
        id
    }

    /// The folder of the generated crate.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.work_dir.join(self.id())
    }

    /// Compiled code, of all generated crates.
    #[must_use]
    pub fn target_dir(&self) -> PathBuf {
        self.work_dir.join("target")
    }

    /// `a 0.1.0, b 0.2.0`, or `none`.
    #[must_use]
    pub fn plugin_list(&self) -> String {
        or_none(&self.plugins.iter().map(Plugin::title).collect::<Vec<_>>())
    }
}

/// One sentence if the environment holds flags that would replace those of the generated crate.
fn ignored_flags(target: &str) -> Option<String> {
    let names = FLAG_VARIABLES.iter().map(|name| (*name).to_owned()).chain([target_flags_variable(target)]);
    let set: Vec<String> = names.filter(|name| env::var_os(name).is_some()).collect();
    (!set.is_empty()).then(|| {
        format!(
            "{} of the environment is not used: it would replace the flags that a gateway is built with",
            set.join(", ")
        )
    })
}

fn one_name(first: &str, second: &str) -> String {
    if first == second {
        format!("two plugins are named `{first}`")
    } else {
        format!("plugins `{first}` and `{second}` have one name in Rust")
    }
}

fn nearest(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("\n  = nearest: {}", names.join(", ")) }
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
