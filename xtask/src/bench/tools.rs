//! Programs of others: installed by xtask/bench/install-peers where they are missing; and the crates of xtask/bench, which
//! are built here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::error::BenchError;
use crate::report::Report;
use crate::repository::Repository;
use crate::toolchain::{cargo, run};

/// The module that makes nginx+Lua of nginx.
pub(super) const LUA: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";

/// The module that it stands on.
pub(super) const NDK: &str = "/usr/lib/nginx/modules/ndk_http_module.so";

/// What xtask/bench/install-peers installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Valgrind,
    Strace,
    Nginx,
    Lua,
    Haproxy,
    /// Which pingora is built with.
    Cmake,
}

impl Tool {
    /// As the script and the shell call it.
    fn name(self) -> &'static str {
        match self {
            Self::Valgrind => "valgrind",
            Self::Strace => "strace",
            Self::Nginx => "nginx",
            Self::Lua => "lua",
            Self::Haproxy => "haproxy",
            Self::Cmake => "cmake",
        }
    }

    /// Where it is, if it is there. Daemons are not in everybody's PATH.
    fn find(self) -> Option<PathBuf> {
        if self == Self::Lua {
            return Some(PathBuf::from(LUA)).filter(|module| module.is_file());
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|folder| folder.join(self.name())).find(|file| file.is_file())
    }

    /// Where it is.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn path(self) -> Result<PathBuf, BenchError> {
        self.find().ok_or(BenchError::Lost { program: self.name() })
    }
}

/// Installs those that are missing.
///
/// # Errors
/// When that is not possible.
pub(super) fn install(tools: &[Tool], report: &Report) -> Result<(), BenchError> {
    let missing: Vec<_> = tools.iter().filter(|tool| tool.find().is_none()).map(|tool| tool.name()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    report.note(&format!("installing {} …", missing.join(", ")));
    let script = Repository::of_xtask().root().join("xtask/bench/install-peers");
    let output = run(Command::new(script).args(&missing))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(BenchError::Install { tools: missing, said })
}

/// The program of a crate in xtask/bench, built if it is not there or old.
///
/// # Errors
/// When it does not compile.
pub(super) fn helper(package: &'static str, report: &Report) -> Result<PathBuf, BenchError> {
    // It belongs to xtask, and so to xtask's own checkout.
    let repository = Repository::of_xtask();
    let target = repository.work_dir().join("bench/build");
    let binary = target.join("release").join(package);
    if !binary.exists() {
        report.note(&format!("building xtask/bench/{package} once …"));
    }
    let mut build = cargo(repository.root());
    build.args(["build", "--locked", "--quiet", "--release", "--manifest-path", "xtask/bench/Cargo.toml"]);
    let output = run(build.args(["--package", package, "--target-dir"]).arg(&target))?;
    if output.status.success() {
        return Ok(binary);
    }
    Err(BenchError::Helper { package, stderr: String::from_utf8_lossy(&output.stderr).into_owned() })
}

/// A folder with nothing in it.
///
/// # Errors
/// When the disk says no.
pub(super) fn fresh(dir: &Path) -> Result<(), BenchError> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(BenchError::io("empty", dir))?;
    }
    fs::create_dir_all(dir).map_err(BenchError::io("make", dir))
}
