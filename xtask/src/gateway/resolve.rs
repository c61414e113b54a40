//! One version of everything that plugins and gateway share, or a sentence that says why not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::plan::Plan;
use super::plugin::Origin;
use crate::metadata::{self, Metadata};
use crate::report::indented;
use crate::toolchain::{ToolchainError, cargo, run};

/// What cargo says when two packages carry `links = "gw_sdk"`.
const TWO_SDKS: &str = "links to the native library `gw_sdk`";

/// Packages of which a gateway holds exactly one: a plugin built against another one would not be seen.
const SINGLE: &[&str] = &["gateway-sdk", "gateway-model"];

/// Why the versions do not fit each other.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// Two copies of gateway-sdk, which cargo refuses.
    #[error(
        "a gateway holds one gateway-sdk, and these would be two:\n  the gateway has {ours}{}\n  = {}\n  cargo says:\n{}",
        bring(brought),
        remedy(brought, sdk),
        indented(cargo)
    )]
    TwoSdks {
        /// Ours: version and place.
        ours: String,
        /// Ours: its folder.
        sdk: PathBuf,
        /// Who brings another one. Empty when it is deeper in somebody's dependencies.
        brought: Vec<Brought>,
        /// cargo's words.
        cargo: String,
    },
    /// Two copies of something that must be one.
    #[error("a gateway holds one {package}, and this has {}:{}\n  = let all of them use the copy in {}",
        copies.len(), copies.concat(), expected.display())]
    Copies {
        /// Of what.
        package: String,
        /// One line each.
        copies: Vec<String>,
        /// Ours: its folder.
        expected: PathBuf,
    },
    /// `--locked`, and something else would be taken.
    #[error("--locked: the lock file does not hold {}\n  = build once without --locked; the versions are then kept in {}",
        packages.join(", "), lock.display())]
    NotLocked {
        /// Name and version.
        packages: Vec<String>,
        /// The lock file.
        lock: PathBuf,
    },
    /// cargo cannot find what the plugins ask for.
    #[error("the dependencies of this gateway cannot be resolved{}\n  cargo says:\n{}", hint(*offline), indented(stderr))]
    Cargo {
        /// `--offline` was asked for.
        offline: bool,
        /// cargo's words.
        stderr: String,
    },
    /// cargo's answer is not what it used to be.
    #[error("cannot understand what `cargo metadata` says about the generated crate")]
    Metadata(#[from] serde_json::Error),
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// A lock file that is not one.
    #[error("cannot read `{}`", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<toml::de::Error>,
    },
    /// The disk says no.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A plugin with a gateway-sdk that is not ours.
#[derive(Debug, Clone)]
pub struct Brought {
    /// The plugin.
    pub plugin: String,
    /// Its Cargo.toml.
    pub manifest: PathBuf,
    /// Which version, and from where.
    pub what: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Resolved {
    /// How many packages are in the graph.
    pub packages: usize,
}

/// Settles the versions in the generated crate's Cargo.lock.
///
/// # Errors
/// When there are none that fit, when there would be two gateway-sdk, or when `--locked` forbids them.
pub fn resolve(plan: &Plan) -> Result<Resolved, ResolveError> {
    let dir = plan.dir();
    let lock = dir.join("Cargo.lock");
    let before = fs::read_to_string(&lock).unwrap_or_default();
    let mut question = cargo(&dir);
    question.args(["metadata", "--format-version", "1", "--filter-platform", &plan.target]);
    if plan.offline {
        question.arg("--offline");
    }
    let answer = run(&mut question)?;
    if !answer.status.success() {
        return Err(refused(plan, String::from_utf8_lossy(&answer.stderr).into_owned()));
    }
    let metadata: Metadata = serde_json::from_slice(&answer.stdout)?;
    for package in SINGLE {
        check_single(plan, &metadata, package)?;
    }
    if plan.locked {
        check_locked(&lock, &before)?;
    }
    Ok(Resolved { packages: metadata.packages.len() })
}

/// cargo's refusal, in terms of plugins where that is possible.
fn refused(plan: &Plan, stderr: String) -> ResolveError {
    if !stderr.contains(TWO_SDKS) {
        return ResolveError::Cargo { offline: plan.offline, stderr };
    }
    let sdk = plan.repository.published("gateway-sdk").unwrap_or_default();
    let mut brought = Vec::new();
    for plugin in &plan.plugins {
        for ours in plugin.ours.iter().filter(|ours| ours.package == "gateway-sdk") {
            let what = match &ours.from {
                Origin::Path(path) if *path == sdk => continue,
                Origin::Path(path) => sdk_at(path),
                Origin::Registry => format!("gateway-sdk {} from a registry", ours.requirement),
                Origin::Other(source) => format!("gateway-sdk {} from {source}", ours.requirement),
            };
            brought.push(Brought { plugin: plugin.package.clone(), manifest: plugin.manifest(), what });
        }
    }
    ResolveError::TwoSdks { ours: sdk_at(&sdk), sdk, brought, cargo: stderr }
}

/// `gateway-sdk 0.1.0 (folder)`
fn sdk_at(dir: &Path) -> String {
    match metadata::package_at(dir) {
        Some(package) => format!("gateway-sdk {} ({})", package.version, dir.display()),
        None => format!("gateway-sdk ({})", dir.display()),
    }
}

fn check_single(plan: &Plan, metadata: &Metadata, name: &str) -> Result<(), ResolveError> {
    let found: Vec<_> = metadata.packages.iter().filter(|package| package.name == name).collect();
    if found.len() == 1 {
        return Ok(());
    }
    let line = |package: &&metadata::Package| {
        let users = metadata.dependents(&package.id).join(", ");
        format!("\n  {name} {} ({}), used by {users}", package.version, package.origin())
    };
    Err(ResolveError::Copies {
        package: name.to_owned(),
        copies: found.iter().map(line).collect(),
        expected: plan.repository.published(name).unwrap_or_default(),
    })
}

/// Nothing from outside may have come in. Cargo's own `--locked` cannot be asked here: the seed does not know the
/// generated crate yet.
fn check_locked(lock: &Path, before: &str) -> Result<(), ResolveError> {
    let io = |source| ResolveError::Io { path: lock.to_owned(), source };
    let after = fs::read_to_string(lock).map_err(io)?;
    let known = locked_packages(lock, before)?;
    let new: Vec<String> = locked_packages(lock, &after)?.difference(&known).cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    fs::write(lock, before).map_err(io)?;
    Err(ResolveError::NotLocked { packages: new, lock: lock.to_owned() })
}

/// `name version` of what a lock file takes from outside of this machine.
fn locked_packages(path: &Path, lock: &str) -> Result<BTreeSet<String>, ResolveError> {
    let table: toml::Table = toml::from_str(lock)
        .map_err(|source| ResolveError::Lock { path: path.to_owned(), source: Box::new(source) })?;
    let packages = table.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |package: &toml::Value, key| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let from_outside = packages.filter(|package| package.get("source").is_some());
    Ok(from_outside
        .filter_map(|package| Some(format!("{} {}", text(package, "name")?, text(package, "version")?)))
        .collect())
}

fn bring(brought: &[Brought]) -> String {
    if brought.is_empty() {
        return "\n  a dependency of one of the plugins brings another".to_owned();
    }
    brought.iter().map(|one| format!("\n  plugin `{}` brings {}", one.plugin, one.what)).collect()
}

fn remedy(brought: &[Brought], sdk: &Path) -> String {
    let line = format!("gateway-sdk = {{ path = \"{}\" }}", sdk.display());
    match brought {
        [] => format!("the crate that cargo names below has to use the gateway's: {line}"),
        [one] => format!("in {} write: {line}", one.manifest.display()),
        _ => format!("in the Cargo.toml of each of them write: {line}"),
    }
}

fn hint(offline: bool) -> &'static str {
    if offline { "\n  = --offline: build once without it, so that cargo can fetch" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n";

    #[test]
    fn a_lock_is_compared_by_what_comes_from_outside() {
        let dir = tempfile::tempdir().expect("temp dir");
        let lock = dir.path().join("Cargo.lock");
        let ours = "[[package]]\nname = \"gateway\"\nversion = \"0.1.0\"\n";
        fs::write(&lock, format!("{LOCK}{ours}")).expect("written");
        check_locked(&lock, LOCK).expect("a crate of this machine is no news");

        fs::write(&lock, format!("{LOCK}[[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"registry+x\"\n"))
            .expect("written");
        let error = check_locked(&lock, LOCK).expect_err("b is new").to_string();
        assert!(error.starts_with("--locked: the lock file does not hold b 2.0.0\n"), "{error}");
        assert_eq!(fs::read_to_string(&lock).expect("there"), LOCK, "the lock is as it was");
    }

    #[test]
    fn a_foreign_sdk_deep_in_the_dependencies_is_said_too() {
        let text = format!("{}\n  = {}", bring(&[]), remedy(&[], Path::new("/gw/sdk")));
        assert!(text.contains("a dependency of one of the plugins"), "{text}");
        assert!(text.contains("gateway-sdk = { path = \"/gw/sdk\" }"), "{text}");
    }
}
