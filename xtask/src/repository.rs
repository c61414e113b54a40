//! This checkout, and the places in it that xtask reads and writes.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use semver::Version;

/// The root of a checkout.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The checkout that the current directory is in, or else the one that xtask was built from.
    #[must_use]
    pub fn discover() -> Self {
        let here = env::current_dir().unwrap_or_default();
        let root = here.ancestors().find(|dir| is_root(dir));
        root.map_or_else(Self::of_xtask, |root| Self::at(root.to_owned()))
    }

    /// The checkout that xtask was built from.
    #[must_use]
    pub fn of_xtask() -> Self {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::at(xtask.parent().unwrap_or(xtask).to_owned())
    }

    /// The checkout at a known place. Links are followed, as cargo takes one crate at two paths for two crates.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root: fs::canonicalize(&root).unwrap_or(root) }
    }

    /// Its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One crate per folder.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// The names of the folders of `plugins/` that hold a crate, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read. That there is none is no error.
    pub fn plugin_folders(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.plugins()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The server's crate.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.root.join("gateway-runtime")
    }

    /// The crate of plugins that are loaded.
    #[must_use]
    pub fn loadable(&self) -> PathBuf {
        self.root.join("gateway-runtime/loadable")
    }

    /// A crate that plugins may depend upon, by its package name.
    #[must_use]
    pub fn published(&self, package: &str) -> Option<PathBuf> {
        match package {
            "gateway-sdk" => Some(self.root.join("gateway-runtime/sdk")),
            "gateway-model" => Some(self.root.join("gateway-runtime/model")),
            "plugin-macros" => Some(self.root.join("plugin-macros")),
            _ => None,
        }
    }

    /// The release: the version of the server.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let read = |file: PathBuf| fs::read_to_string(file).ok()?.parse::<toml::Table>().ok();
        let written = read(self.runtime().join("Cargo.toml"))?.get("package")?.get("version")?.clone();
        let inherited =
            || read(self.root.join("Cargo.toml"))?.get("workspace")?.get("package")?.get("version").cloned();
        let version = if written.is_str() { written } else { inherited()? };
        version.as_str()?.parse().ok()
    }

    /// The templates of a plugin and of a gateway.
    #[must_use]
    pub fn templates(&self) -> PathBuf {
        self.root.join("gateway-template")
    }

    /// What xtask makes on the way to a result; `cargo clean` removes it.
    #[must_use]
    pub fn work_dir(&self) -> PathBuf {
        self.root.join("target/gw")
    }
}

fn is_root(dir: &Path) -> bool {
    dir.join("gateway-template/gateway").is_dir() && dir.join("gateway-runtime/Cargo.toml").is_file()
}

/// A path as a reader of this terminal would write it: relative where that is shorter.
pub(crate) fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    let relative = path.strip_prefix(here).ok().filter(|rest| !rest.as_os_str().is_empty());
    relative.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_checkout_is_followed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let real = fs::canonicalize(dir.path()).expect("there").join("real");
        fs::create_dir(&real).expect("made");
        std::os::unix::fs::symlink(&real, dir.path().join("link")).expect("linked");
        assert_eq!(Repository::at(dir.path().join("link")).root(), real);
    }

    #[test]
    fn the_checkout_of_the_current_directory_is_found() {
        assert_eq!(Repository::discover().root(), Repository::of_xtask().root());
    }
}
