//! The crates of this machine, put beside the generated crate.
//!
//! A path outside of a workspace goes into symbol names, so a gateway would differ from checkout to checkout. Here each
//! crate has a folder `crates/NAME` next to the generated Cargo.toml: its files are links to the real ones, and its
//! Cargo.toml is written anew, with all that it inherits from its own workspace filled in and its path dependencies
//! pointing to their neighbours. `dev-dependencies`, tests and examples are left out: they are nobody's business here.
//!
//! Our own crates are always those of the gateway that is built: a plugin that names gateway-sdk by a path gets the
//! copy that everybody has, or is refused if it names another checkout's.

mod collect;

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;
use toml::{Table, Value};

use self::collect::Collector;
use crate::hash::{sha256, tree};
use crate::repository::{Repository, shown};

/// Where a library is staged whose file is outside of the crate's folder.
const OUTSIDE: &str = ".outside";

/// What a crate's folder holds for others than us.
const NOT_LINKED: &[&str] = &["Cargo.toml", "Cargo.lock", "target", ".git"];

/// Why the crates cannot be put together.
#[derive(Debug, Error)]
pub enum StageError {
    /// A manifest that is not there or not TOML.
    #[error("cannot read `{}`{}", shown(path), because(wanted_by))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Who depends on it.
        wanted_by: Option<String>,
        /// Why not.
        source: io::Error,
    },
    /// `x.workspace = true`, and the workspace has no `x`.
    #[error("{}: `{key}` is inherited from a workspace, and {} has none", shown(manifest), shown(workspace))]
    NotInherited {
        /// Who inherits.
        manifest: PathBuf,
        /// What.
        key: String,
        /// From where.
        workspace: PathBuf,
    },
    /// Another checkout's gateway-sdk.
    #[error(transparent)]
    TwoSdks(Box<TwoSdks>),
    /// Two crates that a lock file cannot tell apart.
    #[error(
        "two crates are `{label}`, and cargo cannot tell them apart: {} and {}\n  = give one of them another version or name",
        dirs[0].display(), dirs[1].display()
    )]
    SameCrate {
        /// Name and version.
        label: String,
        /// Where they are.
        dirs: Box<[PathBuf; 2]>,
    },
    /// The disk says no.
    #[error("cannot write `{}`", shown(path))]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A crate of ours from another checkout.
#[derive(Debug, Error)]
#[error(
    "a gateway holds one {package}, and these would be two:\n  the gateway has {ours}\n  plugin `{plugin}` brings {theirs}\n  = in {} write: {package} = {{ path = \"{}\" }}, or build with the other gateway: --replace gateway={}",
    shown(manifest), ours_dir.display(), checkout.display()
)]
pub struct TwoSdks {
    /// Which of our crates.
    pub package: String,
    /// Who brings it.
    pub plugin: String,
    /// Who brings it: its Cargo.toml.
    pub manifest: PathBuf,
    /// Version and folder of ours.
    pub ours: String,
    /// Folder of ours.
    pub ours_dir: PathBuf,
    /// Version and folder of theirs.
    pub theirs: String,
    /// Theirs: the root of its checkout.
    pub checkout: PathBuf,
}

/// How files come to their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Links: what is edited is compiled.
    Link,
    /// Copies: the sources are somewhere else.
    Copy,
}

/// One crate.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The name of the package.
    pub package: String,
    /// Where it really is.
    pub dir: PathBuf,
    /// `crates/NAME`
    pub folder: String,
    manifest: Table,
    /// A folder outside of `dir` that its library is in: it goes to [`OUTSIDE`].
    outside: Option<PathBuf>,
}

/// All crates of this machine that a gateway is made of.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    /// Ours first, then the plugins' in their order, then what these depend upon.
    pub crates: Vec<Staged>,
    /// What will probably be regretted.
    pub warnings: Vec<String>,
}

impl Stage {
    /// Collects our crates, the plugins in `dirs`, and what they name by path.
    ///
    /// # Errors
    /// When a manifest cannot be used, or names another checkout's SDK.
    pub fn collect(repository: &Repository, core: &Repository, dirs: &[PathBuf]) -> Result<Self, StageError> {
        let mut collector = Collector::new(repository, core);
        collector.folder(&core.runtime(), None)?;
        for dir in dirs {
            collector.folder(dir, None)?;
        }
        let mut crates: Vec<Staged> = Vec::new();
        let mut warnings = Vec::new();
        while let Some(next) = collector.next(&mut warnings)? {
            if let Some(first) = crates.iter().find(|first| first.label() == next.label()) {
                let dirs = Box::new([first.dir.clone(), next.dir.clone()]);
                return Err(StageError::SameCrate { label: next.label(), dirs });
            }
            crates.push(next);
        }
        Ok(Self { crates, warnings })
    }

    /// What all manifests say, in short.
    #[must_use]
    pub fn manifests_hash(&self) -> String {
        let hashes: Vec<String> = self.crates.iter().map(Staged::manifest_hash).collect();
        sha256(hashes.concat().as_bytes())
    }

    /// Where the crate of a real folder is staged.
    #[must_use]
    pub fn folder(&self, dir: &Path) -> Option<&str> {
        self.crates.iter().find(|staged| staged.dir == dir).map(|staged| staged.folder.as_str())
    }

    /// Writes all folders below `root`, and removes those that are not needed any more.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn write(&self, root: &Path, mode: Mode) -> Result<(), StageError> {
        for staged in &self.crates {
            staged.write(&root.join(&staged.folder), mode)?;
        }
        let folder = root.join("crates");
        let wrong = |source| StageError::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let name = format!("crates/{}", entry.file_name().to_string_lossy());
            if !self.crates.iter().any(|staged| staged.folder == name) {
                fs::remove_dir_all(entry.path()).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

impl Staged {
    /// What its manifest says, in short.
    pub(super) fn manifest_hash(&self) -> String {
        sha256(self.manifest.to_string().as_bytes())
    }

    /// What it is made of, in short.
    ///
    /// # Errors
    /// With the file that cannot be read.
    pub(super) fn content_hash(&self) -> Result<String, (PathBuf, io::Error)> {
        let mut hashes = self.manifest_hash();
        for dir in [Some(&self.dir), self.outside.as_ref()].into_iter().flatten() {
            hashes.push_str(&tree(dir)?);
        }
        Ok(sha256(hashes.as_bytes()))
    }

    /// Name and version.
    fn label(&self) -> String {
        let version = self.manifest["package"].get("version").and_then(Value::as_str);
        format!("{} {}", self.package, version.unwrap_or("0.0.0"))
    }

    fn write(&self, folder: &Path, mode: Mode) -> Result<(), StageError> {
        let wrong = |source| StageError::Io { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(wrong)?;
        let text = self.manifest.to_string();
        let manifest = folder.join("Cargo.toml");
        // What is right is left alone, so that cargo sees nothing new.
        if !fs::read_to_string(&manifest).is_ok_and(|now| now == text) {
            fs::write(&manifest, text).map_err(wrong)?;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            if !NOT_LINKED.iter().any(|skipped| name == *skipped) {
                let (from, to) = (self.dir.join(&name), folder.join(&name));
                put(mode, &from, &to).map_err(wrong)?;
                names.push(name);
            }
        }
        if let Some(outside) = &self.outside {
            put(mode, outside, &folder.join(OUTSIDE)).map_err(wrong)?;
            names.push(OUTSIDE.into());
        }
        for entry in fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            if entry.file_name() != "Cargo.toml" && !names.contains(&entry.file_name()) {
                // A link, or a copy of a folder.
                fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path())).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

fn put(mode: Mode, from: &Path, to: &Path) -> io::Result<()> {
    match mode {
        Mode::Link => link(from, to),
        Mode::Copy => copy(from, to),
    }
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    if fs::read_link(to).is_ok_and(|now| now == from) {
        return Ok(());
    }
    if fs::symlink_metadata(to).is_ok() {
        fs::remove_file(to).or_else(|_| fs::remove_dir_all(to))?;
    }
    std::os::unix::fs::symlink(from, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() != "target" {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn because(wanted_by: &Option<String>) -> String {
    wanted_by.as_ref().map(|who| format!(", on which `{who}` depends by path")).unwrap_or_default()
}
