//! `cargo xtask import`: a `gw.toml` from a folder of API definitions and a `tyk.conf`.
//!
//! What the gateway would not honour is named, field by field, so that nobody moves over and finds out later.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use gateway_model::configuration;
use serde_json::Value;
use thiserror::Error;

use crate::apis::{self, Candidate, CandidateError, FolderError, Placing, Reason, Survey, UnplacedName};
use crate::cli::{ImportArgs, PluginArg};
use crate::report::{Failure, Report};
use crate::repository::{Repository, shown};

/// Tyk's own, when its file names none.
const DEFAULT_PORT: u64 = 8080;

/// Why there is no manifest.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Nothing is overwritten.
    #[error("`{}` exists already\n  = write another file: `--output FILE`, or remove it first", shown(.0))]
    Exists(PathBuf),
    /// The definitions cannot be listed.
    #[error(transparent)]
    Apis(#[from] FolderError),
    /// A folder of `--plugins` has no crate.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// Sources that are not on this disk.
    #[error(
        "`--plugins` of `import` are folders on this disk: their sources are read\n  = download the crate, name its folder, and write its origin into the manifest afterwards"
    )]
    NotAFolder,
    /// `plugins/NAME` that is not there.
    #[error("there is no folder `{name}` in `{}`\n  = for a path, write `./{name}`", shown(folder))]
    UnknownPlugin {
        /// As typed.
        name: String,
        /// `plugins/`
        folder: PathBuf,
    },
    /// No manifest could name both.
    #[error("two crates are named `{package}`: `{}` and `{}`\n  = name one of them", shown(first), shown(second))]
    Twice {
        /// The name.
        package: String,
        /// Its folder.
        first: PathBuf,
        /// The other's.
        second: PathBuf,
    },
    /// Not JSON.
    #[error("{0}\n  = `--conf` is a `tyk.conf`, in JSON")]
    Configuration(String),
    /// The disk says no.
    #[error("cannot use `{}`", shown(path))]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Failure for ImportError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Exists(_) | Self::NotAFolder | Self::UnknownPlugin { .. } | Self::Twice { .. } => crate::USAGE,
            Self::Candidate(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ImportError {
    let path = path.to_owned();
    |source| ImportError::Io { path, source }
}

/// A crate that may be named in the manifest.
struct Known {
    candidate: Candidate,
    /// A folder of the gateway's `plugins/`.
    is_bundled: bool,
}

/// Writes the manifest, and names what is not honoured. The exit code tells whether every name was placed.
///
/// # Errors
/// When nothing can be written.
pub fn command(args: &ImportArgs, report: &Report) -> Result<ExitCode, ImportError> {
    let repository = Repository::discover();
    if args.output.exists() {
        return Err(ImportError::Exists(args.output.clone()));
    }
    let known = known(&repository, &args.plugins)?;
    let port = args.conf.as_deref().map(|conf| port(conf, report)).transpose()?.flatten();
    let survey = apis::survey(&args.apis)?;
    for remark in &survey.remarks {
        if remark.is_error() {
            report.note(&format!("error: {remark}"));
        } else {
            report.warn(&remark.to_string());
        }
    }
    let candidates: Vec<Candidate> = known.iter().map(|known| known.candidate.clone()).collect();
    let placing = apis::place(&survey.names, &candidates);
    if let Some(unplaced) = &placing.unplaced {
        report.warn(&unplaced.to_string());
    }
    // As for the output of a build. A path is relative to it, so it has to be there.
    if let Some(home) = args.output.parent() {
        fs::create_dir_all(home).map_err(failed(home))?;
    }
    let skeleton = Skeleton { args, survey: &survey, known: &known, placing: &placing, port };
    let text = skeleton.text()?;
    let written = File::create_new(&args.output).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ImportError::Exists(args.output.clone()),
        _ => failed(&args.output)(source),
    })?;
    report.result(&skeleton.summary());
    let is_whole = placing.unplaced.is_none() && !survey.remarks.iter().any(apis::Remark::is_error);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(crate::FAILED) })
}

/// The crates of `plugins/`, and those that were named. Of two with one name, the named one counts.
fn known(repository: &Repository, args: &[PluginArg]) -> Result<Vec<Known>, ImportError> {
    let folder = repository.plugins();
    let mut named: Vec<Candidate> = Vec::new();
    for arg in args {
        let found = match arg {
            PluginArg::Path(path) => Candidate::at_or_in(path)?,
            // A folder of `plugins/` is known anyway.
            PluginArg::Folder(name) if folder.join(name).is_dir() => continue,
            PluginArg::Folder(name) => return Err(ImportError::UnknownPlugin { name: name.clone(), folder }),
            PluginArg::Git { .. } | PluginArg::Registry { .. } => return Err(ImportError::NotAFolder),
        };
        named.extend(found);
    }
    let place = |candidate: &Candidate| fs::canonicalize(&candidate.dir).ok();
    let bundled = Candidate::all_in(&folder)?;
    named.retain(|candidate| bundled.iter().all(|other| place(other) != place(candidate)));
    for (index, second) in named.iter().enumerate() {
        if let Some(first) = named.iter().take(index).find(|first| first.package == second.package) {
            let (package, first, second) = (first.package.clone(), first.dir.clone(), second.dir.clone());
            return Err(ImportError::Twice { package, first, second });
        }
    }
    let is_free = |candidate: &Candidate| {
        let key = folder_name(candidate);
        named.iter().all(|other| other.package != candidate.package && other.package != key)
    };
    let bundled: Vec<Candidate> = bundled.into_iter().filter(is_free).collect();
    let known = |is_bundled| move |candidate| Known { candidate, is_bundled };
    Ok(named.into_iter().map(known(false)).chain(bundled.into_iter().map(known(true))).collect())
}

/// Names what a `tyk.conf` asks for and does not get, and gives the port that it listens on.
fn port(conf: &Path, report: &Report) -> Result<Option<u64>, ImportError> {
    let text = fs::read_to_string(conf).map_err(failed(conf))?;
    let shown = conf.display().to_string();
    let findings = configuration::check(&text);
    let lines: Vec<String> = findings.iter().map(|finding| finding.at(&shown).to_string()).collect();
    let Some(document) = serde_json::from_str::<Value>(&text).ok().filter(Value::is_object) else {
        return Err(ImportError::Configuration(lines.join("\n")));
    };
    for line in lines {
        report.warn(&line);
    }
    let port = document.get("listen_port").map_or(Some(0), Value::as_u64);
    Ok(port.map(|port| if port == 0 { DEFAULT_PORT } else { port }).filter(|port| *port <= u64::from(u16::MAX)))
}

/// What the manifest is written from.
struct Skeleton<'a> {
    args: &'a ImportArgs,
    survey: &'a Survey,
    known: &'a [Known],
    placing: &'a Placing,
    port: Option<u64>,
}

impl Skeleton<'_> {
    fn text(&self) -> Result<String, ImportError> {
        let home = self.args.output.parent().unwrap_or(Path::new(""));
        let mut text =
            String::from("# Written by `cargo xtask import`. Build it with `cargo xtask build --manifest FILE`.\n");
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line(&format!("\n[gateway]\nversion = {}", quoted(env!("CARGO_PKG_VERSION"))));
        line("\n[plugins]");
        for index in &self.placing.crates {
            let Known { candidate, is_bundled } = &self.known[*index];
            if *is_bundled {
                line(&format!("{} = {{ bundled = true }}", key(&folder_name(candidate))));
            } else {
                let path = quoted(&relative(home, &candidate.dir)?);
                line(&format!("{} = {{ path = {path} }}", key(&candidate.package)));
            }
        }
        for name in self.unplaced() {
            line(&unplaced(name));
        }
        let broken = self.survey.remarks.iter().filter(|remark| remark.is_error());
        let mut broken: Vec<String> = broken.map(|remark| remark.file.display().to_string()).collect();
        broken.dedup();
        for file in broken {
            line(&one_line(&format!("# not read: {file} has mistakes; the plugins that it names are not here")));
        }
        line(&format!("\n[build]\nprofile = \"ship\"\napis = {}", quoted(&relative(home, &self.args.apis)?)));
        if let Some(port) = self.port {
            line(&format!("\n[image]\nport = {port}"));
        }
        Ok(text)
    }

    fn unplaced(&self) -> &[UnplacedName] {
        self.placing.unplaced.as_ref().map_or(&[], |unplaced| &unplaced.names)
    }

    /// `gw.toml: 2 plugins for 3 definitions, 1 name unplaced`
    fn summary(&self) -> String {
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let plugins = counted(self.placing.crates.len(), "plugin");
        let definitions = counted(self.survey.files.len(), "definition");
        let mut line = format!("{}: {plugins} for {definitions}", self.args.output.display());
        if !self.unplaced().is_empty() {
            let names = counted(self.unplaced().len(), "name");
            // Writing to a text does not fail.
            let _ = write!(line, ", {names} unplaced");
        }
        line
    }
}

fn unplaced(unplaced: &UnplacedName) -> String {
    let apis::Named { name, hook, file, line, column, .. } = &unplaced.named;
    let todo = match unplaced.reason {
        Reason::UnknownName { .. } => "add its crate here".to_owned(),
        _ => unplaced.reason(),
    };
    one_line(&format!("# unplaced: {name} ({}:{line}:{column}, hook {hook}): {todo}", file.display()))
}

/// A comment ends with its line, and names are somebody else's.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(plain).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A key as it stands before `=`.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { name.to_owned() } else { quoted(name) }
}

fn folder_name(candidate: &Candidate) -> String {
    candidate.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A folder as a file in `home` would name it.
fn relative(home: &Path, folder: &Path) -> Result<String, ImportError> {
    let place = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::canonicalize(path).map_err(failed(path))
    };
    let (home, folder) = (place(home)?, place(folder)?);
    let common = home.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = home.components().skip(common).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(folder.components().skip(common)).collect();
    Ok(if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() })
}
