//! What cargo wants to know of a git repository before it fetches anything: the name of the package, and whether `v1`
//! is a tag, a branch or a revision.
//!
//! `git` is asked; its answers are kept in the work folder, as a name stays a name and a tag a tag. So a build that has
//! worked once needs no network for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::plugin::alike;
use crate::cli::GitReference;
use crate::hash::sha256;
use crate::redact::redact;
use crate::report::indented;
use crate::repository::Repository;

/// Why a git repository does not give a plugin.
#[derive(Debug, Error)]
pub enum GitError {
    /// The repository does not answer.
    #[error("plugin `{item}`: the repository cannot be read; git says:\n{}", indented(stderr))]
    Unreachable {
        /// As typed.
        item: String,
        /// git's words.
        stderr: String,
    },
    /// Nothing of that name.
    #[error(
        "plugin `{item}`: the repository has no tag, branch or revision `{reference}`\n  = {}",
        known(nearest, url)
    )]
    NoReference {
        /// As typed.
        item: String,
        /// The repository, without credentials.
        url: String,
        /// What was looked for.
        reference: String,
        /// What there is.
        nearest: Vec<String>,
    },
    /// No crate in it depends on gateway-sdk.
    #[error(
        "plugin `{item}`: no crate in the repository depends on gateway-sdk, so there is no plugin in it\n  = look at its address and revision"
    )]
    NoPlugin {
        /// As typed.
        item: String,
    },
    /// More than one.
    #[error("plugin `{item}`: the repository has several plugins: {}\n  = say which: `{}={item}`", packages.join(", "), packages[0])]
    Several {
        /// As typed.
        item: String,
        /// Their names.
        packages: Vec<String>,
    },
    /// The network would be needed.
    #[error(
        "plugin `{item}`: what it is called, and what `{reference}` is, is not known yet\n  = build once without --offline, or say all of it: `name=git+URL#tag=…`"
    )]
    Offline {
        /// As typed.
        item: String,
        /// As typed.
        reference: String,
    },
    /// git is not there, or the disk says no.
    #[error("cannot {act}\n  = git is needed for `git+` plugins that are named without `name=` and `#tag=`")]
    Io {
        /// What was tried.
        act: String,
        /// Why not.
        source: io::Error,
    },
}

/// What cargo needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) package: String,
    pub(super) reference: GitReference,
}

/// Finds out what was not said.
pub(super) fn find(
    repository: &Repository,
    package: Option<&str>,
    url: &str,
    reference: &GitReference,
    offline: bool,
) -> Result<Found, GitError> {
    if let (Some(package), false) = (package, matches!(reference, GitReference::Any(_))) {
        return Ok(Found { package: package.to_owned(), reference: reference.clone() });
    }
    let memory = Memory::open(repository);
    // The address may hold a password.
    let key = sha256(format!("{url}{reference}").as_bytes());
    if let Some(found) = memory.recall(&key, package, reference) {
        return Ok(found);
    }
    let item = format!("git+{}{reference}", redact(url));
    if offline {
        return Err(GitError::Offline { item, reference: reference.to_string() });
    }
    let remote = Remote { url, item, folder: repository.work_dir() };
    let reference = remote.settle(reference)?;
    let package = match package {
        Some(package) => package.to_owned(),
        None => remote.package(&reference)?,
    };
    let found = Found { package, reference };
    memory.keep(key, &found);
    Ok(found)
}

struct Remote<'a> {
    url: &'a str,
    item: String,
    /// Where a temporary clone may be.
    folder: PathBuf,
}

impl Remote<'_> {
    /// Which kind of reference it is, and that it is there.
    fn settle(&self, reference: &GitReference) -> Result<GitReference, GitError> {
        let (wanted, kinds): (&str, &[&str]) = match reference {
            GitReference::Default | GitReference::Rev(_) => return Ok(reference.clone()),
            GitReference::Any(name) => (name, &["tags", "heads"]),
            GitReference::Tag(name) => (name, &["tags"]),
            GitReference::Branch(name) => (name, &["heads"]),
        };
        let listed = self.git(Path::new("."), &["ls-remote", "--quiet", "--", self.url])?;
        let refs: Vec<&str> =
            listed.lines().filter_map(|line| line.split_once("\trefs/")).map(|(_, name)| name).collect();
        for kind in kinds {
            if refs.contains(&format!("{kind}/{wanted}").as_str()) {
                let wanted = wanted.to_owned();
                return Ok(if *kind == "tags" { GitReference::Tag(wanted) } else { GitReference::Branch(wanted) });
            }
        }
        let is_hash = wanted.len() >= 7 && wanted.chars().all(|letter| letter.is_ascii_hexdigit());
        if is_hash && kinds.len() > 1 {
            return Ok(GitReference::Rev(wanted.to_owned()));
        }
        let names = refs.iter().filter_map(|name| name.strip_prefix("tags/").or(name.strip_prefix("heads/")));
        let names: Vec<String> = names.filter(|name| !name.ends_with("^{}")).map(str::to_owned).collect();
        let near = alike(wanted, &names);
        let nearest = if near.is_empty() { names.into_iter().take(10).collect() } else { near };
        Err(self.no_reference(wanted, nearest))
    }

    /// The one package that depends on gateway-sdk.
    fn package(&self, reference: &GitReference) -> Result<String, GitError> {
        let wanted = match reference {
            GitReference::Default => "HEAD",
            GitReference::Any(name)
            | GitReference::Tag(name)
            | GitReference::Branch(name)
            | GitReference::Rev(name) => name,
        };
        let failed = |source| GitError::Io { act: "make a folder for a clone".to_owned(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let clone = tempfile::Builder::new().prefix("clone-").tempdir_in(&self.folder).map_err(failed)?;
        let dir = clone.path();
        self.git(dir, &["init", "--quiet", "--bare"])?;
        let shallow = self.git(dir, &["fetch", "--quiet", "--depth", "1", "--", self.url, wanted]);
        let commit = match (shallow, reference) {
            (Ok(_), _) => "FETCH_HEAD",
            // An abbreviated revision cannot be asked for: everything can.
            (Err(_), GitReference::Rev(_)) => {
                self.git(dir, &["fetch", "--quiet", "--tags", "--", self.url, "+refs/heads/*:refs/heads/*"])?;
                wanted
            }
            (Err(error), _) => return Err(error),
        };
        let files = self
            .git(dir, &["ls-tree", "-r", "--name-only", commit])
            .map_err(|_| self.no_reference(wanted, Vec::new()))?;
        let mut packages = Vec::new();
        for file in files.lines().filter(|file| *file == "Cargo.toml" || file.ends_with("/Cargo.toml")) {
            packages.extend(plugin_package(&self.git(dir, &["show", &format!("{commit}:{file}")])?));
        }
        packages.sort();
        match packages.as_slice() {
            [] => Err(GitError::NoPlugin { item: self.item.clone() }),
            [one] => Ok(one.clone()),
            _ => Err(GitError::Several { item: self.item.clone(), packages }),
        }
    }

    fn no_reference(&self, reference: &str, nearest: Vec<String>) -> GitError {
        let (item, url) = (self.item.clone(), redact(self.url));
        GitError::NoReference { item, url, reference: reference.to_owned(), nearest }
    }

    /// Runs git, which must not ask anybody for a password.
    fn git(&self, dir: &Path, args: &[&str]) -> Result<String, GitError> {
        let mut command = Command::new("git");
        command.args(args).current_dir(dir).env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
        let output = command.output().map_err(|source| GitError::Io { act: "run `git`".to_owned(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let stderr = redact(&String::from_utf8_lossy(&output.stderr));
        Err(GitError::Unreachable { item: self.item.clone(), stderr })
    }
}

/// The name of the package, if the manifest is one of a plugin.
fn plugin_package(manifest: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(manifest).ok()?;
    let name = table.get("package")?.get("name")?.as_str()?;
    let dependencies = table.get("dependencies")?.as_table()?;
    let is_sdk = |(key, value): (&String, &toml::Value)| {
        value.get("package").and_then(toml::Value::as_str).unwrap_or(key) == "gateway-sdk"
    };
    dependencies.iter().any(is_sdk).then(|| name.to_owned())
}

/// What git has told before, in one file.
struct Memory {
    file: PathBuf,
    entries: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    package: String,
    kind: String,
}

impl Memory {
    fn open(repository: &Repository) -> Self {
        let file = repository.work_dir().join("git.json");
        let text = fs::read_to_string(&file).unwrap_or_default();
        // A file that cannot be understood is as good as none: git is asked again.
        Self { file, entries: serde_json::from_str(&text).unwrap_or_default() }
    }

    fn recall(&self, key: &str, package: Option<&str>, reference: &GitReference) -> Option<Found> {
        let entry = self.entries.get(key)?;
        let reference = match (reference, entry.kind.as_str()) {
            (GitReference::Any(name), "tag") => GitReference::Tag(name.clone()),
            (GitReference::Any(name), "branch") => GitReference::Branch(name.clone()),
            (GitReference::Any(name), _) => GitReference::Rev(name.clone()),
            (said, _) => said.clone(),
        };
        Some(Found { package: package.unwrap_or(&entry.package).to_owned(), reference })
    }

    fn keep(mut self, key: String, found: &Found) {
        let kind = match found.reference {
            GitReference::Tag(_) => "tag",
            GitReference::Branch(_) => "branch",
            _ => "revision",
        };
        self.entries.insert(key, Entry { package: found.package.clone(), kind: kind.to_owned() });
        // Best effort: without the file, git is asked again.
        let _ = serde_json::to_string_pretty(&self.entries).map(|text| fs::write(&self.file, text));
    }
}

fn known(names: &[String], url: &str) -> String {
    if names.is_empty() {
        format!("see what there is: git ls-remote {url}")
    } else {
        format!("nearest: {}", names.join(", "))
    }
}
