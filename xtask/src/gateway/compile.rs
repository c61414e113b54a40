//! `cargo build` of the generated crate.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use thiserror::Error;

use super::plan::Plan;
use crate::report::{Report, indented};
use crate::toolchain::{ToolchainError, cargo, commit, target_flags_variable};

/// Why there is no binary.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The compiler found something in a plugin.
    #[error("plugin `{package}` does not compile ({})\n{}", dir.display(), indented(diagnostics))]
    Plugin {
        /// Its name.
        package: String,
        /// Its folder.
        dir: PathBuf,
        /// The compiler's words.
        diagnostics: String,
    },
    /// The compiler found something elsewhere.
    #[error("crate `{package}` does not compile, in the gateway of {}\n{}", dir.display(), indented(diagnostics))]
    Crate {
        /// Its name.
        package: String,
        /// The folder of the generated crate.
        dir: PathBuf,
        /// The compiler's words.
        diagnostics: String,
    },
    /// cargo stopped for another reason, and has said so.
    #[error("`cargo build` failed in {}; its reason is printed above", dir.display())]
    Cargo {
        /// The folder of the generated crate.
        dir: PathBuf,
    },
    /// cargo is content, and there is no binary.
    #[error("`cargo build` made no executable in {}\n  = does its src/main.rs still have a `fn main`?", dir.display())]
    NoProduct {
        /// The folder of the generated crate.
        dir: PathBuf,
    },
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The disk says no.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A binary, still where cargo has put it.
#[derive(Debug)]
pub struct Product {
    /// The file.
    pub path: PathBuf,
    /// How many crates were compiled for it.
    pub compiled: usize,
    /// All generated crates have their binaries linked to one name: nobody else may build until this one is copied.
    _lock: File,
}

/// Compiles and links.
///
/// # Errors
/// When something does not compile or link.
pub fn compile(plan: &Plan, report: &Report) -> Result<Product, CompileError> {
    let lock = lock(plan, report)?;
    // cargo writes its progress to our stderr.
    report.end_line();
    let mut child = command(plan, report)
        .spawn()
        .map_err(|source| ToolchainError::Missing { program: PathBuf::from("cargo"), source })?;
    let mut seen = Seen::default();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines) {
        let line = line.map_err(|source| CompileError::Io { path: PathBuf::from("cargo"), source })?;
        // A build script may print what it likes: only messages count.
        if let Ok(message) = serde_json::from_str::<Message>(&line) {
            seen.message(message, report);
        }
    }
    let status = child.wait().map_err(|source| CompileError::Io { path: PathBuf::from("cargo"), source })?;
    let dir = plan.dir();
    if !status.success() {
        return Err(seen.failure(plan));
    }
    let path = seen.executable.ok_or(CompileError::NoProduct { dir })?;
    Ok(Product { path, compiled: seen.compiled, _lock: lock })
}

/// One build at a time. The lock ends with the file.
fn lock(plan: &Plan, report: &Report) -> Result<File, CompileError> {
    let path = plan.repository.work_dir().join("lock");
    let wrong = |source| CompileError::Io { path: path.clone(), source };
    let file = File::create(&path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => report.note("waiting for another build of a gateway …"),
        Err(TryLockError::Error(source)) => return Err(wrong(source)),
    }
    file.lock().map_err(wrong)?;
    Ok(file)
}

fn command(plan: &Plan, report: &Report) -> Command {
    let mut command = cargo(&plan.dir());
    let format = if io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
    command.args(["build", "--locked", "--message-format", format]);
    // Always with a target: flags for static linking must not reach build scripts and macros.
    command.args(["--target", &plan.target, "--profile", plan.profile.name(), "--target-dir"]).arg(plan.target_dir());
    if plan.offline {
        command.arg("--offline");
    }
    command.env_remove(target_flags_variable(&plan.target));
    if report.is_silent() {
        command.arg("--quiet");
    }
    // What the binary says of itself. Only the generated main.rs reads these, so that only it is compiled again.
    command.env("GW_PROFILE", plan.profile.name()).env("GW_TARGET", &plan.target).env("GW_RUSTC", &plan.rustc);
    match commit(plan.repository.root()) {
        Some(commit) => command.env("GW_COMMIT", commit),
        None => command.env_remove("GW_COMMIT"),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// What cargo says while it builds.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact { fresh: bool, executable: Option<PathBuf> },
    #[serde(rename = "compiler-message")]
    Diagnostic { package_id: String, message: Diagnostic },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Seen {
    executable: Option<PathBuf>,
    compiled: usize,
    /// The first package with an error, and all errors.
    failed: Option<String>,
    errors: String,
}

impl Seen {
    fn message(&mut self, message: Message, report: &Report) {
        match message {
            Message::Artifact { fresh, executable } => {
                self.compiled += usize::from(!fresh);
                self.executable = executable.or(self.executable.take());
            }
            Message::Diagnostic { package_id, message } => {
                let text = message.rendered.unwrap_or_default();
                if message.level.starts_with("error") {
                    self.failed.get_or_insert_with(|| package_name(&package_id).to_owned());
                    self.errors.push_str(&text);
                } else if !text.is_empty() {
                    report.note(text.trim_end());
                }
            }
            Message::Other => {}
        }
    }

    fn failure(self, plan: &Plan) -> CompileError {
        let dir = plan.dir();
        let Some(package) = self.failed else {
            return CompileError::Cargo { dir };
        };
        let diagnostics = self.errors;
        match plan.plugins.iter().find(|plugin| plugin.package == package) {
            Some(plugin) => CompileError::Plugin { package, dir: plugin.dir.clone(), diagnostics },
            None => CompileError::Crate { package, dir, diagnostics },
        }
    }
}

/// `path+file:///src/name#0.1.0`, `registry+https://…#name@0.1.0` → `name`
fn package_name(id: &str) -> &str {
    let (place, fragment) = id.split_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_its_id() {
        assert_eq!(package_name("path+file:///src/add-foo#0.1.0"), "add-foo");
        assert_eq!(package_name("path+file:///src/folder#add-foo@0.1.0"), "add-foo");
        assert_eq!(package_name("registry+https://github.com/rust-lang/crates.io-index#serde@1.0.0"), "serde");
    }
}
