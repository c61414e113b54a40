//! What is asked for, checked against the disk before anything is compiled.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use semver::{Version, VersionReq};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::plugin::{Plugin, Reader};
use crate::cli::{BuildArgs, Profile};
use crate::report::{Failure, indented};
use crate::repository::{Repository, shown};
use crate::toolchain::{FLAG_VARIABLES, Toolchain, ToolchainError, target_flags_variable};

/// A gateway that can be tried to build.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The checkout whose runtime is used.
    pub repository: Repository,
    /// Sorted by package.
    pub plugins: Vec<Plugin>,
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
    /// The compiler's own words.
    pub rustc: String,
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
        shown(first_dir),
        shown(second_dir)
    )]
    SameName {
        /// The name of one.
        first: String,
        /// The name of the other: the same, or what Rust takes for the same.
        second: String,
        /// The folder of one.
        first_dir: PathBuf,
        /// The folder of the other.
        second_dir: PathBuf,
    },
    /// A plugin for another release of ours.
    #[error(transparent)]
    Version(Box<Mismatch>),
    /// cargo does not accept the crate.
    #[error("cargo cannot read `{item}`; it says:\n{}", indented(stderr))]
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
            Self::UnknownPlugin { .. } | Self::Twice { .. } | Self::OutputIsFolder(_) => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

/// Reads what is asked for.
///
/// # Errors
/// When a plugin cannot be linked for a reason that can be known without compiling, or the target is not installed.
pub fn plan(repository: &Repository, args: &BuildArgs) -> Result<Plan, PlanError> {
    let root = repository.root();
    let toolchain = Toolchain::ask(root)?;
    let target = args.target.clone().unwrap_or_else(|| toolchain.host.clone());
    Toolchain::check_target(root, &target)?;
    let output = args.output.clone().unwrap_or_else(|| root.join("dist/gateway"));
    let output = std::path::absolute(&output).map_err(|source| PlanError::Io { path: output, source })?;
    if output.is_dir() {
        return Err(PlanError::OutputIsFolder(output));
    }
    let mut reader = Reader::new(repository);
    let mut plugins = Vec::new();
    for arg in &args.plugins {
        plugins.push(reader.plugin(arg)?);
    }
    plugins.sort_by(|a, b| a.package.cmp(&b.package));
    check_names(&plugins)?;
    probe(&output)?;
    let mut warnings = reader.warnings;
    warnings.extend(ignored_flags(&target));
    Ok(Plan {
        repository: repository.clone(),
        plugins,
        profile: args.profile,
        target,
        locked: args.locked,
        offline: args.offline,
        output,
        rustc: toolchain.version,
        warnings,
    })
}

/// The generated crate calls each plugin by its name in Rust.
fn check_names(plugins: &[Plugin]) -> Result<(), PlanError> {
    for (index, second) in plugins.iter().enumerate() {
        if let Some(first) = plugins.iter().take(index).find(|first| first.ident() == second.ident()) {
            return Err(PlanError::SameName {
                first: first.package.clone(),
                second: second.package.clone(),
                first_dir: first.dir.clone(),
                second_dir: second.dir.clone(),
            });
        }
    }
    Ok(())
}

/// Makes the folder of the output and writes to it: that this cannot be done is better told now than after a build.
fn probe(output: &Path) -> Result<(), PlanError> {
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
        let mut hash = Sha256::new();
        for plugin in &self.plugins {
            hash.update(format!("{}\0{}\0{}\n", plugin.package, plugin.version, plugin.dir.display()));
        }
        hash.update(format!("{}\0{}", self.profile.name(), self.target));
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The folder of the generated crate.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.repository.work_dir().join(self.id())
    }

    /// Compiled code, of all generated crates.
    #[must_use]
    pub fn target_dir(&self) -> PathBuf {
        self.repository.work_dir().join("target")
    }

    /// `a 0.1.0, b 0.2.0`, or `none`.
    #[must_use]
    pub fn plugin_list(&self) -> String {
        let list: Vec<String> =
            self.plugins.iter().map(|plugin| format!("{} {}", plugin.package, plugin.version)).collect();
        or_none(&list)
    }
}
/// One sentence if the environment holds flags that would replace those of the generated crate.
fn ignored_flags(target: &str) -> Option<String> {
    let names = FLAG_VARIABLES.iter().map(|name| (*name).to_owned()).chain([target_flags_variable(target)]);
    let set: Vec<String> = names.filter(|name| env::var_os(name).is_some()).collect();
    (!set.is_empty()).then(|| {
        format!(
            "{} of the environment is not used: it would replace the flags that make the gateway static",
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
