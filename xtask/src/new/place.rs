//! Where a new crate goes, and what cargo would make of it there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::process;

use super::NewError;
use crate::repository::Repository;

/// The folder to render into. All of the crate is moved from there at once, so that a command that is killed leaves no
/// half of one: in `plugins/`, a folder without Cargo.toml would stop every command of cargo.
pub(super) fn stage(repository: &Repository, parent: &Path, name: &str, inside: bool) -> PathBuf {
    let hidden = format!(".{name}.{}", process::id());
    if !inside {
        return parent.join(hidden);
    }
    // What is moved has to stay on one disk, and `target` may be a link to another.
    let work = repository.work_dir();
    let disk = |dir: &Path| fs::create_dir_all(dir).and_then(|()| dir.metadata()).map(|dir| dir.dev()).ok();
    if disk(&work) == disk(parent) { work.join(hidden) } else { repository.root().join(hidden) }
}

/// Refuses names that are good in themselves, and taken in this repository.
pub(super) fn check_neighbours(repository: &Repository, name: &str) -> Result<(), NewError> {
    let alike = |other: &String| other.replace('-', "_") == name.replace('-', "_");
    let plugins = repository.plugins();
    let folders = repository.plugin_folders().map_err(|source| NewError::Io { path: plugins.clone(), source })?;
    if let Some(folder) = folders.iter().find(|folder| alike(folder)) {
        return Err(NewError::Alike { name: name.to_owned(), folder: plugins.join(folder) });
    }
    match locked_packages(repository).into_iter().find(alike) {
        Some(package) => Err(NewError::Locked { name: name.to_owned(), package }),
        None => Ok(()),
    }
}

/// The names in Cargo.lock. That it is not there, or not what it should be, is for cargo to say.
fn locked_packages(repository: &Repository) -> Vec<String> {
    let lock = table(&repository.root().join("Cargo.lock"));
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    packages.filter_map(|package| Some(package.get("name")?.as_str()?.to_owned())).collect()
}

/// Refuses a folder in which cargo expects a member of our workspace, or which is part of one: every command of cargo in
/// this repository would stop at a second workspace there.
pub(super) fn check_outside(repository: &Repository, parent: &Path, name: &str) -> Result<(), NewError> {
    let dir = parent.join(name);
    let Ok(relative) = dir.strip_prefix(repository.root()) else {
        return Ok(());
    };
    let manifest = table(&repository.root().join("Cargo.toml"));
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
    match members.into_iter().find(|member| is_in(relative, member)) {
        Some(member) => {
            let member = member.to_owned();
            Err(NewError::InsideMember { dir, member })
        }
        None => Ok(()),
    }
}

/// Whether a path is at or below what a member's pattern may find. The patterns of our root have no wildcard but `*`.
fn is_in(path: &Path, pattern: &str) -> bool {
    let mut parts = path.components();
    let fits = |part: Option<Component<'_>>, pattern: Component<'_>| {
        part.is_some_and(|part| pattern.as_os_str() == "*" || part == pattern)
    };
    Path::new(pattern).components().all(|pattern| fits(parts.next(), pattern))
}

fn table(file: &Path) -> toml::Table {
    toml::from_str(&fs::read_to_string(file).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_in_a_member_if_it_is_one_or_below_one() {
        for (path, pattern) in [("plugins/mine", "plugins/*"), ("plugins/a/b", "plugins/*"), ("xtask/src/x", "xtask")] {
            assert!(is_in(Path::new(path), pattern), "{path} {pattern}");
        }
        for (path, pattern) in [("mine", "plugins/*"), ("plugins", "plugins/*"), ("xtask2/mine", "xtask")] {
            assert!(!is_in(Path::new(path), pattern), "{path} {pattern}");
        }
    }
}
