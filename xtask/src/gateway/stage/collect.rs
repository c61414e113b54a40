//! Finds the crates of this machine, and writes their manifests anew.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use toml::{Table, Value};

use super::{OUTSIDE, StageError, Staged, TwoSdks};
use crate::metadata::package_at;
use crate::repository::Repository;

/// Keys of `[package]` that reach the compiler or the user.
const PACKAGE_KEYS: &[&str] = &[
    "name",
    "version",
    "edition",
    "rust-version",
    "links",
    "build",
    "authors",
    "description",
    "homepage",
    "repository",
    "license",
    "license-file",
    "documentation",
];

/// Finds the crates one after the other.
pub(super) struct Collector<'a> {
    repository: &'a Repository,
    core: &'a Repository,
    /// Read already.
    known: Vec<Staged>,
    /// Found, and to be read.
    queue: VecDeque<Staged>,
}

/// A manifest, and where it is.
struct Source {
    table: Table,
    dir: PathBuf,
    /// The manifest that it inherits from.
    workspace: Option<(Table, PathBuf)>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(repository: &'a Repository, core: &'a Repository) -> Self {
        Self { repository, core, known: Vec::new(), queue: VecDeque::new() }
    }

    /// The next crate, with its manifest as it is going to be.
    pub(super) fn next(&mut self, warnings: &mut Vec<String>) -> Result<Option<Staged>, StageError> {
        let Some(found) = self.queue.pop_front() else {
            return Ok(None);
        };
        self.known.push(found.clone());
        let source = self.source(&found)?;
        if source.table.contains_key("patch") {
            warnings.push(format!(
                "[patch] of `{}` has no effect: it counts in the manifest of a whole gateway only\n  = name a folder \
                 with --replace if it is about a plugin",
                found.package
            ));
        }
        let (library, outside) = source.library();
        let manifest = self.normalize(&found, &source, library)?;
        Ok(Some(Staged { manifest, outside, ..found }))
    }

    /// The folder in which the crate of a real folder is going to be.
    pub(super) fn folder(&mut self, dir: &Path, wanted_by: Option<&str>) -> Result<String, StageError> {
        let path = dir.join("Cargo.toml");
        let failed =
            |source| StageError::Manifest { path: path.clone(), wanted_by: wanted_by.map(str::to_owned), source };
        let dir = fs::canonicalize(dir).map_err(failed)?;
        let known = self.known.iter().chain(&self.queue);
        if let Some(staged) = known.clone().find(|staged| staged.dir == dir) {
            return Ok(staged.folder.clone());
        }
        let table = read(&dir.join("Cargo.toml")).map_err(failed)?;
        let name = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let package = name.ok_or_else(|| failed(io::Error::other("it has no package name")))?.to_owned();
        // Two crates may have one name: the second one gets a number. The order of discovery is that of the names, so
        // the number does not depend on where things are.
        let alike = known.filter(|staged| staged.package == package).count();
        let folder = if alike == 0 { format!("crates/{package}") } else { format!("crates/{package}-{}", alike + 1) };
        let staged = Staged { package, dir, folder: folder.clone(), manifest: Table::new(), outside: None };
        self.queue.push_back(staged);
        Ok(folder)
    }

    /// The manifest as it is without a workspace, and at its new place.
    fn normalize(&mut self, staged: &Staged, source: &Source, library: Option<Table>) -> Result<Table, StageError> {
        let mut result = Table::new();
        result.insert("package".to_owned(), Value::Table(source.package()?));
        if let Some(library) = library {
            result.insert("lib".to_owned(), Value::Table(library));
        }
        if let Some(features) = source.table.get("features") {
            result.insert("features".to_owned(), features.clone());
        }
        if let Some(lints) = source.lints()? {
            result.insert("lints".to_owned(), lints);
        }
        self.dependencies(staged, source, &source.table, &mut result)?;
        let mut targets = Table::new();
        for (condition, section) in source.table.get("target").and_then(Value::as_table).into_iter().flatten() {
            let mut table = Table::new();
            if let Some(section) = section.as_table() {
                self.dependencies(staged, source, section, &mut table)?;
            }
            targets.insert(condition.clone(), Value::Table(table));
        }
        if !targets.is_empty() {
            result.insert("target".to_owned(), Value::Table(targets));
        }
        Ok(result)
    }

    fn source(&self, staged: &Staged) -> Result<Source, StageError> {
        let path = staged.dir.join("Cargo.toml");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StageError::Manifest { path, wanted_by: None, source }
        };
        let table = read(&path).map_err(failed(&path))?;
        let workspace = match workspace_of(&table, &staged.dir) {
            Some(root) => Some((read(&root).map_err(failed(&root))?, root)),
            None => None,
        };
        Ok(Source { table, dir: staged.dir.clone(), workspace })
    }

    fn dependencies(
        &mut self,
        staged: &Staged,
        source: &Source,
        section: &Table,
        result: &mut Table,
    ) -> Result<(), StageError> {
        for kind in ["dependencies", "build-dependencies"] {
            let spelled = section.get(kind).or_else(|| section.get(&kind.replace('-', "_")));
            let Some(Value::Table(dependencies)) = spelled else { continue };
            let mut all = Table::new();
            for (key, value) in dependencies {
                let (mut dependency, base) = source.dependency(key, value)?;
                let path = dependency.get("path").and_then(Value::as_str).map(|path| base.join(path));
                if let Some(path) = path {
                    let name = dependency.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
                    let folder = self.neighbour(staged, &name, &path)?;
                    let relative = folder.strip_prefix("crates/").map_or(folder.clone(), |name| format!("../{name}"));
                    dependency.insert("path".to_owned(), Value::String(relative));
                }
                all.insert(key.clone(), Value::Table(dependency));
            }
            result.insert(kind.to_owned(), Value::Table(all));
        }
        Ok(())
    }

    /// Where a path dependency is staged. Our own crates are those of the gateway.
    fn neighbour(&mut self, staged: &Staged, name: &str, path: &Path) -> Result<String, StageError> {
        let (Some(ours), Some(checkout)) = (self.core.published(name), self.repository.published(name)) else {
            return self.folder(path, Some(&staged.package));
        };
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if real == ours || real == checkout {
            return self.folder(&ours, None);
        }
        Err(StageError::TwoSdks(Box::new(TwoSdks {
            package: name.to_owned(),
            plugin: staged.package.clone(),
            manifest: staged.dir.join("Cargo.toml"),
            ours: crate_at(name, &ours),
            ours_dir: ours,
            theirs: crate_at(name, &real),
            checkout: checkout_of(&real),
        })))
    }
}

impl Source {
    /// `[lib]`, and the folder that it is in if that is outside of the crate's. Kinds of libraries are of no interest:
    /// a shared one cannot be made for a static gateway.
    fn library(&self) -> (Option<Table>, Option<PathBuf>) {
        let Some(mut library) = self.table.get("lib").and_then(Value::as_table).cloned() else {
            return (None, None);
        };
        library.remove("crate-type");
        let path = library.get("path").and_then(Value::as_str).map(PathBuf::from);
        let is_outside =
            |path: &PathBuf| path.is_absolute() || path.components().any(|part| part == Component::ParentDir);
        let Some(path) = path.filter(is_outside) else {
            return (Some(library), None);
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        library.insert("path".to_owned(), Value::String(format!("{OUTSIDE}/{name}")));
        (Some(library), path.parent().map(|folder| self.dir.join(folder)))
    }

    /// `[package]`, with what it inherits.
    fn package(&self) -> Result<Table, StageError> {
        let mut result = Table::new();
        for (key, value) in self.table.get("package").and_then(Value::as_table).into_iter().flatten() {
            if !PACKAGE_KEYS.contains(&key.as_str()) {
                continue;
            }
            let value = if inherits(value) { self.inherited("package", key)? } else { value.clone() };
            result.insert(key.clone(), value);
        }
        for key in ["autobins", "autotests", "autoexamples", "autobenches", "publish"] {
            result.insert(key.to_owned(), Value::Boolean(false));
        }
        Ok(result)
    }

    fn lints(&self) -> Result<Option<Value>, StageError> {
        match self.table.get("lints") {
            Some(lints) if inherits(lints) => self.inherited("lints", "").map(Some),
            lints => Ok(lints.cloned()),
        }
    }

    /// A dependency as a table, and the folder that its path is relative to.
    fn dependency(&self, key: &str, value: &Value) -> Result<(Table, PathBuf), StageError> {
        if !inherits(value) {
            return Ok((detailed(value), self.dir.clone()));
        }
        let mut table = detailed(&self.inherited("dependencies", key)?);
        for (name, value) in value.as_table().into_iter().flatten() {
            match (name.as_str(), value) {
                ("workspace", _) => {}
                ("features", Value::Array(more)) => {
                    let features = table.entry("features").or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(features) = features {
                        features.extend(more.iter().cloned());
                    }
                }
                _ => {
                    table.insert(name.clone(), value.clone());
                }
            }
        }
        let root = self.workspace.as_ref().and_then(|(_, root)| root.parent()).unwrap_or(&self.dir);
        Ok((table, root.to_owned()))
    }

    /// What the workspace has under `[workspace.SECTION]`, or there under a key.
    fn inherited(&self, section: &str, key: &str) -> Result<Value, StageError> {
        let found = self.workspace.as_ref().and_then(|(table, _)| {
            let section = table.get("workspace")?.get(section)?;
            if key.is_empty() { Some(section) } else { section.get(key) }.cloned()
        });
        found.ok_or_else(|| StageError::NotInherited {
            manifest: self.dir.join("Cargo.toml"),
            key: if key.is_empty() { section.to_owned() } else { key.to_owned() },
            workspace: self.workspace.as_ref().map_or_else(|| self.dir.clone(), |(_, root)| root.clone()),
        })
    }
}

/// `{ workspace = true }`
fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool).unwrap_or(false)
}

/// `"1"` → `{ version = "1" }`
fn detailed(value: &Value) -> Table {
    match value {
        Value::Table(table) => table.clone(),
        other => Table::from_iter([("version".to_owned(), other.clone())]),
    }
}

/// The manifest of the workspace that a package inherits from, as cargo would find it.
fn workspace_of(table: &Table, dir: &Path) -> Option<PathBuf> {
    if table.contains_key("workspace") {
        return Some(dir.join("Cargo.toml"));
    }
    if let Some(root) = table.get("package").and_then(|package| package.get("workspace")).and_then(Value::as_str) {
        return Some(dir.join(root).join("Cargo.toml"));
    }
    let above = dir.ancestors().skip(1).map(|folder| folder.join("Cargo.toml"));
    above.into_iter().find(|path| read(path).is_ok_and(|table| table.contains_key("workspace")))
}

fn read(path: &Path) -> io::Result<Table> {
    fs::read_to_string(path)?.parse().map_err(io::Error::other)
}

/// `gateway-sdk 0.1.0 (folder)`
fn crate_at(name: &str, dir: &Path) -> String {
    match package_at(dir) {
        Some(package) => format!("{name} {} ({})", package.version, dir.display()),
        None => format!("{name} ({})", dir.display()),
    }
}

/// The root of the checkout that one of our crates is in.
fn checkout_of(dir: &Path) -> PathBuf {
    let is_root = |folder: &&Path| folder.join("gateway-runtime/Cargo.toml").is_file();
    dir.ancestors().find(is_root).unwrap_or(dir).to_owned()
}
