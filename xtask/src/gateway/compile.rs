//! `cargo build` of the generated crate.

use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::thread;

use serde::Deserialize;
use thiserror::Error;

use super::generate::GenerateError;
use super::origins;
use super::plan::{Kind, Plan};
use super::plugin::Source;
use super::stage::Stage;
use super::values::{flags, pinned_profile};
use crate::redact::redact;
use crate::report::{Report, indented};
use crate::repository::shown;
use crate::toolchain::{ToolchainError, cargo, target_flags_variable};

/// Why there is no binary.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The compiler found something in a plugin.
    #[error(
        "plugin `{package}` does not compile ({place})\n{}\n  = mend what the compiler names, and build again",
        indented(diagnostics)
    )]
    Plugin {
        /// Its name.
        package: String,
        /// Where it comes from.
        place: String,
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
    /// The disk is full.
    #[error(
        "no space is left for what is compiled in {}\n  = make room on that disk; `cargo clean` removes what earlier builds left",
        shown(dir)
    )]
    Full {
        /// The target folder.
        dir: PathBuf,
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
    /// The profile cannot be read.
    #[error(transparent)]
    Profile(#[from] GenerateError),
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
}

/// When all binaries were made, as far as C code that asks for the time is concerned: 1980-01-01, in seconds.
const EPOCH: &str = "315532800";

/// What compiler, linker and cargo say when the disk is full.
pub(super) const NO_SPACE: &str = "No space left on device";

/// What a linker dies of that maps its output into memory, when the disk is full.
const LINKER_WITHOUT_SPACE: &str = "signal 7 [Bus error]";

/// Where and how cargo is to run, if not as usual.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// Variables to set.
    pub variables: Vec<(&'static str, PathBuf)>,
}

/// Compiles and links. Whoever calls it has the turn.
///
/// # Errors
/// When something does not compile or link.
pub fn compile(plan: &Plan, stage: &Stage, report: &Report) -> Result<Product, CompileError> {
    compile_elsewhere(plan, stage, report, &Elsewhere::default())
}

/// As [`compile`], with another environment.
///
/// # Errors
/// As [`compile`].
pub fn compile_elsewhere(
    plan: &Plan,
    stage: &Stage,
    report: &Report,
    elsewhere: &Elsewhere,
) -> Result<Product, CompileError> {
    origins::check(plan, stage).map_err(|(path, source)| CompileError::Io { path, source })?;
    // cargo writes its progress to our stderr.
    report.end_line();
    let secret =
        plan.plugins.iter().any(|plugin| matches!(&plugin.source, Source::Git { url, .. } if redact(url) != *url));
    // To a terminal cargo shows its progress by itself; everybody else gets its lines as we say things.
    let piped = secret || !report.shows_progress() || !io::stderr().is_terminal();
    let mut command = command(plan, report, piped)?;
    command.envs(elsewhere.variables.iter().map(|(name, value)| (name, value)));
    let mut child =
        command.spawn().map_err(|source| ToolchainError::Missing { program: PathBuf::from("cargo"), source })?;
    let (stderr, stdout) = (child.stderr.take(), child.stdout.take());
    let (seen, said) = thread::scope(|scope| {
        // Addresses with passwords are in what cargo prints of the crates that it compiles: a note hides them.
        let said = scope.spawn(|| repeat(stderr, report));
        (listen(stdout, stage, report), said.join().unwrap_or_default())
    });
    let seen = seen?;
    let status = child.wait().map_err(|source| CompileError::Io { path: PathBuf::from("cargo"), source })?;
    let dir = plan.dir();
    if !status.success() {
        return Err(seen.failure(plan, &said));
    }
    let path = seen.product.ok_or(CompileError::NoProduct { dir })?;
    Ok(Product { path, compiled: seen.compiled })
}

/// Passes on what cargo says to people, and remembers it.
fn repeat(stderr: Option<ChildStderr>, report: &Report) -> String {
    let mut said = String::new();
    for line in stderr.map(BufReader::new).into_iter().flat_map(BufReader::lines).map_while(Result::ok) {
        report.note(&line);
        said.push_str(&line);
        said.push('\n');
    }
    said
}

/// Reads what cargo says to programs until it has no more to say.
fn listen(stdout: Option<ChildStdout>, stage: &Stage, report: &Report) -> Result<Seen, CompileError> {
    let mut seen = Seen::default();
    for line in stdout.map(BufReader::new).into_iter().flat_map(BufReader::lines) {
        let line = line.map_err(|source| CompileError::Io { path: PathBuf::from("cargo"), source })?;
        // A build script may print what it likes: only messages count.
        if let Ok(message) = serde_json::from_str::<Message>(&line) {
            seen.message(message, stage, report);
        }
    }
    Ok(seen)
}

fn command(plan: &Plan, report: &Report, piped: bool) -> Result<Command, CompileError> {
    let mut command = cargo(&plan.dir());
    let format = if io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
    command.args(["build", "--locked", "--message-format", format]);
    command.args(["--target", &plan.target, "--profile", plan.profile.name(), "--target-dir"]).arg(plan.target_dir());
    for option in pinned_profile(plan)? {
        command.args(["--config", &option]);
    }
    // In the environment they take the place of those in any configuration.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(plan).join("\x1f"));
    command.env_remove(target_flags_variable(&plan.target));
    if plan.offline {
        command.arg("--offline");
    }
    if !report.shows_progress() {
        command.arg("--quiet");
    }
    if plan.kind == Kind::Loadable {
        let (rustc, target, profile) = (&*plan.toolchain.version, &*plan.target, plan.profile.name());
        command.envs([("GW_PLUGIN_RUSTC", rustc), ("GW_PLUGIN_TARGET", target), ("GW_PLUGIN_PROFILE", profile)]);
    }
    command.env("SOURCE_DATE_EPOCH", EPOCH);
    let stderr = if piped { Stdio::piped() } else { Stdio::inherit() };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    Ok(command)
}

/// What cargo says while it builds.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact { fresh: bool, executable: Option<PathBuf>, filenames: Vec<PathBuf>, target: Target },
    #[serde(rename = "compiler-message")]
    Diagnostic { package_id: String, message: Diagnostic },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Seen {
    product: Option<PathBuf>,
    compiled: usize,
    /// The first package with an error, and all errors.
    failed: Option<String>,
    errors: String,
}

impl Seen {
    fn message(&mut self, message: Message, stage: &Stage, report: &Report) {
        match message {
            Message::Artifact { fresh, executable, filenames, target } => {
                self.compiled += usize::from(!fresh);
                let is_loadable = target.kind.iter().any(|kind| kind == "cdylib");
                let product = executable.or_else(|| filenames.into_iter().find(|_| is_loadable));
                self.product = product.or(self.product.take());
            }
            Message::Diagnostic { package_id, message } => {
                let text = redact(&real_paths(&message.rendered.unwrap_or_default(), stage));
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

    fn failure(self, plan: &Plan, said: &str) -> CompileError {
        let dir = plan.dir();
        if [NO_SPACE, LINKER_WITHOUT_SPACE].iter().any(|words| self.errors.contains(words) || said.contains(words)) {
            return CompileError::Full { dir: plan.target_dir() };
        }
        let Some(package) = self.failed else {
            return CompileError::Cargo { dir };
        };
        let diagnostics = self.errors;
        match plan.plugins.iter().find(|plugin| plugin.package == package) {
            Some(plugin) => CompileError::Plugin { package, place: plugin.place(), diagnostics },
            None => CompileError::Crate { package, dir, diagnostics },
        }
    }
}

/// The compiler saw the crates of this machine where they are staged; its reader knows them where they really are.
fn real_paths(text: &str, stage: &Stage) -> String {
    let mut shown_text = String::with_capacity(text.len());
    let mut rest = text;
    // In one pass: a real folder may have a name like a staged one.
    while let Some(at) = rest.find("crates/") {
        let (before, after) = rest.split_at(at);
        shown_text.push_str(before);
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || "/-_.".contains(c));
        let staged = stage.crates.iter().find_map(|staged| {
            let below = after.strip_prefix(staged.folder.as_str()).filter(|below| below.starts_with('/'))?;
            Some((shown(&staged.dir), below))
        });
        let (path, below) = match staged {
            Some(staged) if begins => staged,
            _ => (after[..7].to_owned(), &after[7..]),
        };
        shown_text.push_str(&path);
        rest = below;
    }
    shown_text.push_str(rest);
    shown_text
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
