//! Whether the libraries are here that a file needs. They are looked for as the system's loader does it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::elf::Elf;
use super::reason::Reason;

const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Where the loader looks last.
const DEFAULT: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

pub(super) fn are_there(file: &Elf<'_>) -> Result<(), Reason> {
    let (needed, places) = file.needed()?;
    if needed.is_empty() {
        return Ok(());
    }
    let loaded = loaded();
    let mut folders: Option<Vec<PathBuf>> = None;
    for name in needed {
        let is_there = if name.contains('/') {
            Path::new(&name).exists()
        } else {
            loaded.contains(&name)
                || folders.get_or_insert_with(|| searched(&places)).iter().any(|folder| folder.join(&name).exists())
        };
        if !is_there {
            return Err(Reason::NoLibrary(name));
        }
    }
    Ok(())
}

/// The names of the files that are in this process already: they are not looked for.
fn loaded() -> HashSet<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let name = |line: &str| Some(line.split_once('/')?.1.rsplit('/').next()?.trim_end().to_owned());
    maps.lines().filter_map(name).collect()
}

/// The folders in which the loader looks.
fn searched(places: &[String]) -> Vec<PathBuf> {
    // What stands for the file's own folder means nothing for one that is in memory.
    let mut folders: Vec<PathBuf> = places.iter().filter(|place| !place.contains('$')).map(PathBuf::from).collect();
    if let Some(list) = std::env::var_os("LD_LIBRARY_PATH") {
        folders.extend(std::env::split_paths(&list));
    }
    folders.extend(configured(Path::new(CONFIGURATION)));
    folders.extend(DEFAULT.map(PathBuf::from));
    folders
}

/// Those that `ld.so.conf` names, in itself and in what it includes.
fn configured(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut folders = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.strip_prefix("include").map(str::trim) {
            Some(pattern) => {
                let folder = Path::new(pattern).parent().unwrap_or_else(|| Path::new("/"));
                let included = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
                let files = included.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
                folders.extend(files.flat_map(|file| configured(&file)));
            }
            None if line.starts_with('/') => folders.push(line.into()),
            None => {}
        }
    }
    folders
}
