//! `cargo xtask new`: a plugin crate from gateway-template/plugin.
//!
//! cargo-generate renders it, as a library in the crate `xtask/scaffold`, which is built by the first call.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};
use std::{env, fs, io};

use thiserror::Error;

use crate::cli::{Hook, NewArgs};
use crate::report::{Failure, Report, indented};
use crate::repository::{Repository, shown};
use crate::toolchain::{ToolchainError, cargo, run};

/// Names that mean something else to Rust or to cargo.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Packages of this repository.
const OURS: &[&str] = &[
    "gateway",
    "gateway-model",
    "gateway-runtime",
    "gateway-sdk",
    "gateway-tests",
    "plugin-macros",
    "scaffold",
    "xtask",
];

/// Why there is no new crate.
#[derive(Debug, Error)]
pub enum NewError {
    /// Cargo would not take it.
    #[error("`{name}` cannot be the name of a crate: {}", why.text())]
    Name {
        /// As typed.
        name: String,
        /// What is wrong with it.
        why: BadName,
    },
    /// Nothing is overwritten.
    #[error("`{}` exists already\n  = choose another name, or remove it first", shown(.0))]
    Exists(PathBuf),
    /// `my_plugin` beside `my-plugin`.
    #[error(
        "`{name}` and `{}` have one name in Rust, and no gateway could have both\n  = choose another name",
        shown(folder)
    )]
    Alike {
        /// As typed.
        name: String,
        /// What is there.
        folder: PathBuf,
    },
    /// `serde`
    #[error(
        "`{name}` cannot be the name of a plugin of this repository: Cargo.lock has a package `{package}`, and cargo \
         could not tell the two apart\n  = choose another name"
    )]
    Locked {
        /// As typed.
        name: String,
        /// What is there.
        package: String,
    },
    /// The renderer does not compile.
    #[error("the template renderer (xtask/scaffold) cannot be built{}", indent_if_any(stderr))]
    Scaffold {
        /// cargo's words.
        stderr: String,
    },
    /// cargo-generate is not content.
    #[error("the template cannot be rendered; cargo-generate says:\n{}", indented(stderr))]
    Render {
        /// Its words.
        stderr: String,
    },
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The disk says no.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// `Foo`, `1st`, `a b`
    Letters,
    /// `async`
    Reserved,
    /// `gateway-sdk`
    Ours,
}

impl BadName {
    fn text(self) -> &'static str {
        match self {
            Self::Letters => "it begins with a small letter, and goes on with small letters, digits, `-` and `_`",
            Self::Reserved => "Rust or cargo uses the word itself",
            Self::Ours => "a crate of the gateway has that name",
        }
    }
}

impl Failure for NewError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Name { .. } | Self::Exists(_) | Self::Alike { .. } | Self::Locked { .. } => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When nothing could be made. Then nothing is left behind.
pub fn command(args: &NewArgs, report: &Report) -> Result<ExitCode, NewError> {
    let repository = Repository::discover();
    let made = new(&repository, args, report)?;
    for line in next_steps(&made) {
        report.result(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// A new crate.
#[derive(Debug)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Where it attaches.
    pub hook: Hook,
    /// Its folder.
    pub dir: PathBuf,
    /// It is a member of this repository's workspace.
    pub inside: bool,
}

/// Makes the crate.
///
/// # Errors
/// As [`command`].
pub fn new(repository: &Repository, args: &NewArgs, report: &Report) -> Result<Made, NewError> {
    check_name(&args.name)?;
    let parent = args.path.clone().unwrap_or_else(|| repository.plugins());
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| NewError::Io { path, source }
    };
    let parent = std::path::absolute(&parent).map_err(failed(&parent))?;
    let dir = parent.join(&args.name);
    if dir.exists() {
        return Err(NewError::Exists(dir));
    }
    let parent_existed = parent.exists();
    fs::create_dir_all(&parent).map_err(failed(&parent))?;
    let canonical = fs::canonicalize(&parent).map_err(failed(&parent))?;
    let inside = fs::canonicalize(repository.plugins()).is_ok_and(|plugins| plugins == canonical);
    if inside {
        check_neighbours(repository, &args.name)?;
    }
    let stage = stage(repository, &canonical, &args.name, inside);
    let made = scaffold(report).and_then(|scaffold| {
        fs::create_dir_all(&stage).map_err(failed(&stage))?;
        render(&scaffold, repository, &stage, args, inside)?;
        let rendered = stage.join(&args.name);
        if inside {
            // The repository has one of its own.
            let _ = fs::remove_file(rendered.join(".gitignore"));
        }
        fs::rename(&rendered, &dir).map_err(failed(&dir))
    });
    // Best effort: the error that is told is the first one.
    let _ = fs::remove_dir_all(&stage);
    if let Err(error) = made {
        if !parent_existed {
            let _ = fs::remove_dir(&parent);
        }
        return Err(error);
    }
    Ok(Made { name: args.name.clone(), hook: args.hook, dir, inside })
}

/// The folder to render into. All of the crate is moved from there at once, so that a command that is killed leaves no
/// half of one: in `plugins/`, a folder without Cargo.toml would stop every command of cargo.
fn stage(repository: &Repository, parent: &Path, name: &str, inside: bool) -> PathBuf {
    let hidden = format!(".{name}.{}", process::id());
    if !inside {
        return parent.join(hidden);
    }
    // What is moved has to stay on one disk, and `target` may be a link to another.
    let work = repository.work_dir();
    let disk = |dir: &Path| fs::create_dir_all(dir).and_then(|()| dir.metadata()).map(|dir| dir.dev()).ok();
    if disk(&work) == disk(parent) { work.join(hidden) } else { repository.root().join(hidden) }
}

/// Names that are good in themselves, and taken in this repository.
fn check_neighbours(repository: &Repository, name: &str) -> Result<(), NewError> {
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
    let text = fs::read_to_string(repository.root().join("Cargo.lock")).unwrap_or_default();
    let lock: toml::Table = toml::from_str(&text).unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    packages.filter_map(|package| Some(package.get("name")?.as_str()?.to_owned())).collect()
}

fn check_name(name: &str) -> Result<(), NewError> {
    let mut letters = name.bytes();
    let begins = letters.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on = letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    let why = if !begins || !goes_on {
        BadName::Letters
    } else if RESERVED.contains(&name) {
        BadName::Reserved
    } else if OURS.contains(&name) {
        BadName::Ours
    } else {
        return Ok(());
    };
    Err(NewError::Name { name: name.to_owned(), why })
}

/// The program that renders templates, built if it is not there or old.
///
/// # Errors
/// When it does not compile.
pub fn scaffold(report: &Report) -> Result<PathBuf, NewError> {
    // It belongs to xtask, and so to xtask's own checkout.
    let repository = Repository::of_xtask();
    let target = repository.work_dir().join("scaffold");
    let binary = target.join("debug/scaffold");
    let mut build = cargo(repository.root());
    build.args(["build", "--locked", "--manifest-path", "xtask/scaffold/Cargo.toml", "--target-dir"]).arg(&target);
    if !binary.exists() && !report.is_silent() {
        report.note("building the template renderer, this once; it takes a minute or two");
        let status =
            build.status().map_err(|source| ToolchainError::Missing { program: PathBuf::from("cargo"), source })?;
        return if status.success() { Ok(binary) } else { Err(NewError::Scaffold { stderr: String::new() }) };
    }
    let output = run(build.arg("--quiet"))?;
    if output.status.success() {
        return Ok(binary);
    }
    Err(NewError::Scaffold { stderr: String::from_utf8_lossy(&output.stderr).into_owned() })
}

fn render(
    scaffold: &Path,
    repository: &Repository,
    stage: &Path,
    args: &NewArgs,
    inside: bool,
) -> Result<(), NewError> {
    let sdk = repository.published("gateway-sdk").unwrap_or_default();
    let mut command = Command::new(scaffold);
    command.arg(repository.templates()).arg("plugin").arg(stage).arg(&args.name);
    command.arg(define("hook", args.hook.name().as_ref()));
    command.arg(define("in_workspace", if inside { "true" } else { "false" }.as_ref()));
    command.arg(define("sdk_path", sdk.as_os_str()));
    if env::var_os("USER").is_none() {
        // cargo-generate insists on an author, and the template does not name one.
        command.env("USER", "gw");
    }
    let output = run(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    // Before the error come all values, and warnings that the error repeats.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let error = stderr.rsplit_once("error: ").map_or(&*stderr, |(_, error)| error);
    Err(NewError::Render { stderr: error.to_owned() })
}

fn define(key: &str, value: &std::ffi::OsStr) -> OsString {
    let mut text = OsString::from(format!("{key}="));
    text.push(value);
    text
}

fn next_steps(made: &Made) -> Vec<String> {
    let (dir, name) = (shown(&made.dir), &made.name);
    let (test, plugin) = if made.inside {
        (format!("cargo test -p {name}"), name.clone())
    } else {
        let path = if dir.contains('/') { dir.clone() } else { format!("./{dir}") };
        (format!("cargo test --manifest-path {dir}/Cargo.toml"), path)
    };
    // The caller has to be known by then, and token-auth is whom the definition asks.
    let others = if made.hook == Hook::PostKeyAuth { "token-auth," } else { "" };
    vec![
        format!("made {dir}; next:"),
        format!("  {test}"),
        format!("  cargo xtask build --plugins {others}{plugin}"),
        format!("  serve {dir}/api.json: a definition that uses it"),
    ]
}

fn indent_if_any(text: &str) -> String {
    if text.trim().is_empty() {
        "; the reason is printed above".to_owned()
    } else {
        format!("; cargo says:\n{}", indented(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<BadName>) {
        let got = match check_name(name) {
            Ok(()) => None,
            Err(NewError::Name { why, .. }) => Some(why),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(got, expected, "{name}");
    }

    #[test]
    fn names_are_those_of_crates() {
        for good in ["a", "my-plugin", "my_plugin2", "add-foo-bar-header"] {
            check(good, None);
        }
        for bad in ["", "-a", "1st", "My-Plugin", "a b", "a.b", "a/b", "ä"] {
            check(bad, Some(BadName::Letters));
        }
        check("async", Some(BadName::Reserved));
        check("std", Some(BadName::Reserved));
        check("gateway-sdk", Some(BadName::Ours));
    }

    #[test]
    fn what_to_do_next_can_be_typed() {
        let made = |dir: &str, inside| Made { name: "mine".into(), hook: Hook::Post, dir: dir.into(), inside };
        assert_eq!(
            next_steps(&made("/src/mine", false))[1..3],
            ["  cargo test --manifest-path /src/mine/Cargo.toml", "  cargo xtask build --plugins /src/mine"]
        );
        assert_eq!(
            next_steps(&made("/gw/plugins/mine", true))[1..3],
            ["  cargo test -p mine", "  cargo xtask build --plugins mine"]
        );
        let after_auth = Made { hook: Hook::PostKeyAuth, ..made("/gw/plugins/mine", true) };
        assert_eq!(next_steps(&after_auth)[2], "  cargo xtask build --plugins token-auth,mine");
    }
}
