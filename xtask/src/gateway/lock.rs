//! The versions: `Cargo.lock` of the generated crate, kept as `gw.lock` beside a manifest.
//!
//! They are one text, so that nothing can differ between the two. Without a manifest the lock stays with the generated
//! crate, and begins as the one that this repository was tested with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;
use toml::Value;

use super::manifest::ManifestFile;
use super::place::replace;
use super::plan::Plan;
use crate::redact::redact;
use crate::repository::shown;

/// Why the versions are not what they should be.
#[derive(Debug, Error)]
pub enum LockError {
    /// `--locked`, and something else would be taken.
    #[error(
        "--locked: {} does not fit what is asked for:{}\n  = {}",
        shown(lock),
        differences.iter().map(|line| format!("\n  {line}")).collect::<String>(),
        remedy(*kept)
    )]
    Differs {
        /// The lock file.
        lock: PathBuf,
        /// One line each.
        differences: Vec<String>,
        /// It belongs to a manifest.
        kept: bool,
    },
    /// `--locked`, and there is no lock.
    #[error(
        "--locked: there is no {}\n  = run `cargo xtask fetch --manifest {}` once, and commit the file",
        shown(lock),
        shown(manifest)
    )]
    Absent {
        /// The lock file.
        lock: PathBuf,
        /// The manifest.
        manifest: PathBuf,
    },
    /// Not a lock file.
    #[error("cannot understand `{}`\n  = remove it, and it is made again", shown(path))]
    Content {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<toml::de::Error>,
    },
    /// The disk says no.
    #[error("cannot use `{}`", shown(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn remedy(kept: bool) -> &'static str {
    if kept {
        "build once without --locked, look at the difference, and commit it"
    } else {
        "build once without --locked; the versions are then kept"
    }
}

/// The lock file of the generated crate.
#[must_use]
pub fn of(plan: &Plan) -> PathBuf {
    plan.dir().join("Cargo.lock")
}

/// Puts the versions to where cargo looks for them, and returns them.
///
/// # Errors
/// When there are none and `--locked` wants them, or the disk says no.
pub fn restore(plan: &Plan) -> Result<String, LockError> {
    let path = of(plan);
    let now = fs::read_to_string(&path).unwrap_or_default();
    let seed = plan.core.root().join("Cargo.lock");
    let from = match plan.manifest.as_ref().map(|file| (file.lock(), file)) {
        Some((lock, _)) if lock.exists() => lock,
        Some((lock, file)) if plan.locked && plan.is_manifests => {
            return Err(LockError::Absent { lock, manifest: file.path.clone() });
        }
        // Who has removed the lock wants a new one.
        Some(_) if seed.exists() => seed,
        None if now.is_empty() && seed.exists() => seed,
        _ => path.clone(),
    };
    let wanted = if from == path { now.clone() } else { read(&from)? };
    packages(&from, &wanted)?;
    if wanted != now {
        fs::write(&path, &wanted).map_err(|source| LockError::Io { path, source })?;
    }
    Ok(wanted)
}

/// After cargo has settled the versions: keeps them, or with `--locked` puts back what was there and complains if
/// something else came out.
///
/// # Errors
/// When `--locked` forbids the new versions, or the disk says no.
pub fn keep(plan: &Plan, before: &str) -> Result<String, LockError> {
    let path = of(plan);
    let after = read(&path)?;
    let lock = plan.manifest.as_ref().filter(|_| plan.is_manifests).map(ManifestFile::lock);
    if plan.locked {
        let differences = differences(&path, before, &after, lock.is_some())?;
        if !differences.is_empty() {
            fs::write(&path, before).map_err(|source| LockError::Io { path: path.clone(), source })?;
            let kept = lock.is_some();
            return Err(LockError::Differs { lock: lock.unwrap_or(path), differences, kept });
        }
        // The packages are the same: whoever wants it locked does not want it written in other words either.
        return Ok(after);
    }
    if let Some(lock) = lock
        && fs::read_to_string(&lock).unwrap_or_default() != after
    {
        replace(&lock, |beside| fs::write(beside, &after)).map_err(|source| LockError::Io { path: lock, source })?;
    }
    Ok(after)
}

fn read(path: &Path) -> Result<String, LockError> {
    fs::read_to_string(path).map_err(|source| LockError::Io { path: path.to_owned(), source })
}

/// What is in one lock and not in the other, one line each.
///
/// The lock of a manifest is complete, so all of it counts. One that begins as the repository's does not know the
/// generated crate yet: then only what comes from outside of this machine counts, and only what is new.
fn differences(path: &Path, before: &str, after: &str, complete: bool) -> Result<Vec<String>, LockError> {
    let (before, after) = (packages(path, before)?, packages(path, after)?);
    let counts = |package: &&Locked| complete || package.source.is_some();
    let new = after.difference(&before).filter(counts).map(|package| format!("it lacks {package}"));
    let gone = before.difference(&after).filter(|_| complete).map(|package| format!("nothing needs {package}"));
    Ok(new.chain(gone).collect())
}

/// One entry of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// The name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from; `None`: this machine.
    pub source: Option<String>,
}

impl std::fmt::Display for Locked {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.name, self.version)?;
        match self.source.as_deref().and_then(|source| source.strip_prefix("git+")) {
            Some(address) => write!(out, " ({})", redact(address)),
            None => Ok(()),
        }
    }
}

/// What a lock file holds.
///
/// # Errors
/// When it is none.
pub fn packages(path: &Path, lock: &str) -> Result<BTreeSet<Locked>, LockError> {
    let table: toml::Table = toml::from_str(lock)
        .map_err(|source| LockError::Content { path: path.to_owned(), source: Box::new(source) })?;
    let packages = table.get("package").and_then(Value::as_array).into_iter().flatten();
    let text = |package: &Value, key| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let locked = |package| {
        Some(Locked {
            name: text(package, "name")?,
            version: text(package, "version")?,
            source: text(package, "source"),
        })
    };
    Ok(packages.filter_map(locked).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n";
    const B: &str = "[[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"git+https://u:p@h/b?tag=v2#0a1b\"\n";
    const OURS: &str = "[[package]]\nname = \"gateway\"\nversion = \"0.1.0\"\n";

    fn check(before: &[&str], after: &[&str], complete: bool, expected: &[&str]) {
        let got = differences(Path::new("gw.lock"), &before.concat(), &after.concat(), complete).expect("locks");
        assert_eq!(got, expected);
    }

    #[test]
    fn a_lock_that_begins_as_the_repositorys_is_compared_by_what_comes_from_outside() {
        check(&[A], &[A, OURS], false, &[]);
        check(&[A, OURS], &[OURS], false, &[]);
        check(&[A], &[A, B], false, &["it lacks b 2.0.0 (https://***@h/b?tag=v2#0a1b)"]);
    }

    #[test]
    fn the_lock_of_a_manifest_is_complete() {
        check(&[A, OURS], &[A, OURS], true, &[]);
        check(&[A], &[A, OURS], true, &["it lacks gateway 0.1.0"]);
        check(&[A, OURS], &[OURS], true, &["nothing needs a 1.0.0"]);
    }

    #[test]
    fn a_file_that_is_no_lock_is_named() {
        let error = packages(Path::new("gw.lock"), "<<<<<<< HEAD\n").expect_err("no lock").to_string();
        assert_eq!(error, "cannot understand `gw.lock`\n  = remove it, and it is made again");
    }
}
