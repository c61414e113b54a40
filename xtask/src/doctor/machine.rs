//! The machine that is examined: this one, or one that a test makes up.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use std::{env, io};

use rustix::fs::{Access, access};
use rustix::process::{Resource, getrlimit};

use crate::toolchain::FLAG_VARIABLES;

/// How many bytes are free on the disk of a folder.
pub type Free = fn(&Path) -> io::Result<u64>;

/// All that the checks want to know of a machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The environment: programs are looked for in its `PATH`, and get all of it.
    pub variables: BTreeMap<OsString, OsString>,
    /// Where the kernel tells its limits: `/proc`.
    pub proc: PathBuf,
    /// How many files a program may have open; `None`: as many as it likes.
    pub open_files: Option<u64>,
    /// Asks a disk.
    pub free: Free,
    /// How long the registry may take.
    pub patience: Duration,
}

impl Machine {
    /// The one that xtask runs on.
    #[must_use]
    pub fn this() -> Self {
        Self {
            variables: env::vars_os().collect(),
            proc: PathBuf::from("/proc"),
            open_files: getrlimit(Resource::Nofile).current,
            free: |dir| {
                let disk = rustix::fs::statvfs(dir)?;
                Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
            },
            patience: Duration::from_secs(20),
        }
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Where a program is, if it can be run. A path is taken as it is.
    pub(super) fn find(&self, program: &OsStr) -> Option<PathBuf> {
        let runs = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
        if Path::new(program).components().count() > 1 {
            return Some(PathBuf::from(program)).filter(runs);
        }
        env::split_paths(self.variable("PATH")?).map(|dir| dir.join(program)).find(runs)
    }

    /// Whether there is such a program.
    pub(super) fn has(&self, program: &str) -> bool {
        self.find(OsStr::new(program)).is_some()
    }

    /// A program, in a folder, with the environment of this machine; without what would change the flags of a build, as
    /// builds put that aside too. `None` if it is not there.
    pub(super) fn command(&self, program: &OsStr, dir: &Path) -> Option<Command> {
        let mut command = Command::new(self.find(program)?);
        command.env_clear().envs(&self.variables).current_dir(dir);
        for name in FLAG_VARIABLES.iter().chain(&["CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]) {
            command.env_remove(name);
        }
        Some(command)
    }

    /// cargo, as builds call it.
    pub(super) fn cargo(&self, dir: &Path) -> Option<Command> {
        self.command(self.variable("CARGO").unwrap_or(OsStr::new("cargo")), dir)
    }

    /// rustc, as builds call it.
    pub(super) fn rustc(&self, dir: &Path) -> Option<Command> {
        self.command(self.variable("RUSTC").unwrap_or(OsStr::new("rustc")), dir)
    }

    /// The command that installs something, by what its package is called with Debian, Fedora and Alpine.
    pub(super) fn install(&self, what: &str, [debian, fedora, alpine]: [&str; 3]) -> String {
        let managers =
            [("apt-get", "apt-get install", debian), ("dnf", "dnf install", fedora), ("apk", "apk add", alpine)];
        let known = managers.iter().find(|(program, _, package)| !package.is_empty() && self.has(program));
        match known {
            Some((_, command, package)) => format!("{command} {package}"),
            None => format!("install {what} with the package manager of this system"),
        }
    }
}

/// What a program that ran to its end has said, if it was content.
pub(super) fn said(command: Option<Command>) -> Option<String> {
    let output: Output = command?.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
