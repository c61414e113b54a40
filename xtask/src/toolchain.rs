//! rustc and cargo, as the user has them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

use semver::Version;
use thiserror::Error;

/// What the compiler says about itself.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// `rustc 1.95.0 (59807616e 2026-04-14)`
    pub version: String,
    /// `1.95.0`
    pub release: Version,
    /// Where the compiler and its libraries are.
    pub sysroot: PathBuf,
    /// The triple of this machine.
    pub host: String,
    /// The major version of its LLVM, if it says so.
    pub llvm: Option<u32>,
}

/// Why the toolchain cannot be used.
#[derive(Debug, Error)]
pub enum ToolchainError {
    /// A program is not there.
    #[error("cannot run `{}`: is Rust installed, and is it in PATH?", program.display())]
    Missing {
        /// What was run.
        program: PathBuf,
        /// Why it did not run.
        source: io::Error,
    },
    /// rustc answers something else than it used to.
    #[error("`rustc -vV` names no host; it said:\n{0}")]
    NoHost(String),
    /// A triple that rustc has not heard of.
    #[error("rustc does not know the target `{target}`\n  = see `rustc --print target-list`")]
    UnknownTarget {
        /// As typed.
        target: String,
    },
    /// A triple whose standard library is not installed.
    #[error("the standard library for `{target}` is not installed\n  = run `rustup target add {target}`")]
    MissingTarget {
        /// As typed.
        target: String,
    },
    /// A processor that this machine's linker does not know.
    #[error("`{}`, which links for `{target}`, is not installed\n  = run `apt-get install {}`, or name another linker in {}", cross.linker, cross.package, linker_variable(target))]
    MissingLinker {
        /// As typed.
        target: String,
        /// What is missing.
        cross: Cross,
    },
}

impl Toolchain {
    /// Asks rustc.
    ///
    /// # Errors
    /// When there is no rustc.
    pub fn ask(directory: &Path) -> Result<Self, ToolchainError> {
        let output = run(rustc(directory).arg("-vV"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let host = text.lines().find_map(|line| line.strip_prefix("host: "));
        let Some(host) = host else {
            return Err(ToolchainError::NoHost(text.into_owned()));
        };
        let release = text.lines().find_map(|line| line.strip_prefix("release: ")?.parse().ok());
        let sysroot = run(rustc(directory).args(["--print", "sysroot"]))?;
        Ok(Self {
            version: text.lines().next().unwrap_or_default().to_owned(),
            release: release.ok_or_else(|| ToolchainError::NoHost(text.clone().into_owned()))?,
            sysroot: PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim()),
            host: host.to_owned(),
            llvm: text.lines().find_map(llvm_major),
        })
    }

    /// The target of a gateway when nobody has said one: this machine's. What goes out is linked with musl where that
    /// is installed, its C compiler included, as musl is made for static linking.
    #[must_use]
    pub fn default_target(&self, directory: &Path, ships: bool) -> String {
        let musl = self.host.replace("-linux-gnu", "-linux-musl");
        let installed = ships && musl != self.host && in_path("musl-gcc") && has_std(directory, &musl).unwrap_or(false);
        if installed { musl } else { self.host.clone() }
    }

    /// Checks that there is a standard library for `target`, and a linker.
    ///
    /// # Errors
    /// When the target is unknown, or something for it is not installed.
    pub fn check_target(&self, directory: &Path, target: &str) -> Result<(), ToolchainError> {
        if !has_std(directory, target)? {
            return Err(ToolchainError::MissingTarget { target: target.to_owned() });
        }
        match self.cross(target) {
            Some(cross) if !in_path(&cross.linker) => {
                Err(ToolchainError::MissingLinker { target: target.to_owned(), cross })
            }
            _ => Ok(()),
        }
    }

    /// The version of the glibc that static programs for `target` are linked with, read out of its `libc.a`; `None` if
    /// they are linked with another C library, or it does not say.
    #[must_use]
    pub fn glibc(&self, target: &str) -> Option<(u32, u32)> {
        if !target.contains("-linux-gnu") {
            return None;
        }
        let linker = env::var_os(linker_variable(target)).unwrap_or_else(|| match self.cross(target) {
            Some(cross) => cross.linker.into(),
            None => "cc".into(),
        });
        let output = run(Command::new(linker).arg("-print-file-name=libc.a")).ok()?;
        // Where there is none, the name comes back as it was.
        let library = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        glibc_in(&std::fs::read(library.is_absolute().then_some(library)?).ok()?)
    }

    /// What links for another kind of processor, unless the user has chosen a linker.
    #[must_use]
    pub fn cross(&self, target: &str) -> Option<Cross> {
        let chosen = env::var_os(format!("CARGO_TARGET_{}_LINKER", variable(target))).is_some();
        let processor = |triple: &str| triple.split('-').next().map(str::to_owned);
        let (prefix, _) =
            CROSS.iter().map(|(triple, prefix)| (*prefix, *triple)).find(|(_, triple)| *triple == target)?;
        if chosen || processor(target) == processor(&self.host) {
            return None;
        }
        Some(Cross { linker: format!("{prefix}-gcc"), package: format!("gcc-{}", prefix.replace('_', "-")) })
    }
}

/// `LLVM version: 22.1.2` → 22
fn llvm_major(line: &str) -> Option<u32> {
    line.strip_prefix("LLVM version: ")?.split('.').next()?.parse().ok()
}

/// What glibc says of itself: `GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.`
fn glibc_in(library: &[u8]) -> Option<(u32, u32)> {
    const BEFORE: &[u8] = b"release version ";
    let at = memchr::memmem::find(library, BEFORE)? + BEFORE.len();
    let text = std::str::from_utf8(library.get(at..)?.split(|byte| !b".0123456789".contains(byte)).next()?).ok()?;
    let mut numbers = text.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// GNU names of the targets that Debian has cross compilers for.
const CROSS: &[(&str, &str)] = &[
    ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu"),
    ("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf"),
    ("i686-unknown-linux-gnu", "i686-linux-gnu"),
    ("powerpc64le-unknown-linux-gnu", "powerpc64le-linux-gnu"),
    ("riscv64gc-unknown-linux-gnu", "riscv64-linux-gnu"),
    ("s390x-unknown-linux-gnu", "s390x-linux-gnu"),
    ("x86_64-unknown-linux-gnu", "x86_64-linux-gnu"),
];

/// A compiler for another kind of processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cross {
    /// The program.
    pub linker: String,
    /// The package that has it, in Debian and its relatives.
    pub package: String,
}

/// Whether the standard library for a target is installed.
///
/// # Errors
/// When rustc has not heard of the target.
pub fn has_std(directory: &Path, target: &str) -> Result<bool, ToolchainError> {
    let output = run(rustc(directory).args(["--print", "target-libdir", "--target", target]))?;
    if !output.status.success() {
        return Err(ToolchainError::UnknownTarget { target: target.to_owned() });
    }
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// Whether a program can be called by its name.
#[must_use]
pub fn in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `git describe` in short: the commit, and whether something differs from it. `None` outside of git.
#[must_use]
pub fn commit(directory: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(directory).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // An unpacked archive may lie in somebody else's repository.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if std::fs::canonicalize(top).ok()? != std::fs::canonicalize(directory).ok()? {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if dirty.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// Variables that would change flags, target or folder behind our back.
pub(crate) const FLAG_VARIABLES: &[&str] = &["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];

/// The variable that would replace the flags of one target.
pub(crate) fn target_flags_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_RUSTFLAGS", variable(target))
}

fn linker_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", variable(target))
}

/// A target as it is written in names of variables.
fn variable(target: &str) -> String {
    target.replace(['-', '.'], "_").to_uppercase()
}

/// Where cargo keeps what it has downloaded.
#[must_use]
pub fn cargo_home() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).unwrap_or_else(|| PathBuf::from(".cargo"))
}

/// cargo, in a directory, without what the environment would add.
#[must_use]
pub fn cargo(directory: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(directory);
    for name in FLAG_VARIABLES.iter().chain(&["CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]) {
        command.env_remove(name);
    }
    command
}

fn rustc(directory: &Path) -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    command.current_dir(directory);
    command
}

/// Runs a program to its end; that it fails is for the caller to judge.
pub(crate) fn run(command: &mut Command) -> Result<Output, ToolchainError> {
    command.output().map_err(|source| ToolchainError::Missing { program: PathBuf::from(command.get_program()), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_an_installed_target() {
        let here = Path::new(".");
        let toolchain = Toolchain::ask(here).expect("rustc runs");
        assert!(toolchain.version.starts_with("rustc 1."), "{toolchain:?}");
        toolchain.check_target(here, &toolchain.host).expect("installed");
        assert!(toolchain.sysroot.join("lib").is_dir(), "{toolchain:?}");
    }

    #[test]
    fn glibc_says_which_it_is() {
        let library = b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\nCopyright\0";
        assert_eq!(glibc_in(library), Some((2, 36)));
        assert_eq!(glibc_in(b"development release version 2.41.9000.\n"), Some((2, 41)));
        assert_eq!(glibc_in(b"stable release version 3.\n"), None);
        assert_eq!(glibc_in(b"musl"), None);
        let toolchain = Toolchain::ask(Path::new(".")).expect("rustc runs");
        assert!(toolchain.llvm > Some(10), "{toolchain:?}");
        assert_eq!(toolchain.glibc("x86_64-unknown-linux-musl"), None);
    }

    #[test]
    fn an_unknown_target_names_the_list() {
        let here = Path::new(".");
        let error =
            Toolchain::ask(here).expect("rustc runs").check_target(here, "x86_64-moon-gnu").expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "rustc does not know the target `x86_64-moon-gnu`\n  = see `rustc --print target-list`"
        );
    }

    #[test]
    fn a_missing_target_names_the_command_that_adds_it() {
        let here = Path::new(".");
        let error = Toolchain::ask(here)
            .expect("rustc runs")
            .check_target(here, "sparc64-unknown-linux-gnu")
            .expect_err("missing");
        assert!(error.to_string().ends_with("run `rustup target add sparc64-unknown-linux-gnu`"), "{error}");
    }
}
