//! The same inputs give the same bytes: the gateway is built again from copies of all sources, in another folder, with
//! another `$HOME` and another folder for what cargo downloads, and compared.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use object::{Object, ObjectSection};
use thiserror::Error;

use super::compile::{CompileError, Elsewhere, compile_elsewhere};
use super::describe::Described;
use super::generate::{GenerateError, generate_with, settle};
use super::lock;
use super::plan::Plan;
use super::resolve::Resolved;
use super::stage::Mode;
use crate::hash::sha256;
use crate::report::Report;
use crate::repository::shown;
use crate::toolchain::cargo_home;

/// Sections of cargo's configuration that say where downloads come from.
const DOWNLOADS: &[&str] = &["credential-alias", "http", "net", "registries", "registry", "source"];

/// Why it is not known that the bytes are the same.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// They are not.
    #[error(transparent)]
    Differs(Box<Difference>),
    /// The copies cannot be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The copies do not compile.
    #[error(
        "the copy of the sources does not compile, although they do: one of them needs something outside of its folder"
    )]
    Compile(#[from] CompileError),
    /// The disk says no.
    #[error("cannot use `{}`", shown(path))]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Two builds gave two files.
#[derive(Debug, Error)]
#[error(
    "the second build is another file: {} and {} bytes, and the first difference is at byte {offset}, {place}\n  first:  {first}\n  second: {second}\n  = the second one is kept: {}; look for paths, times or random numbers in what a plugin or its build script makes",
    sizes.0, sizes.1, shown(kept)
)]
pub struct Difference {
    /// Of the first and the second, in bytes.
    pub sizes: (usize, usize),
    /// Of the first difference, in bytes.
    pub offset: usize,
    /// In which section.
    pub place: String,
    /// What the first one has there.
    pub first: String,
    /// What the second one has there.
    pub second: String,
    /// Where the second one is.
    pub kept: PathBuf,
}

/// The first build.
#[derive(Debug)]
pub struct First {
    /// Where it is going to be.
    pub path: PathBuf,
    /// What was proven.
    pub bytes: Vec<u8>,
}

impl First {
    /// Reads what was compiled, while nobody else can compile.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn read(product: &Path, path: &Path) -> Result<Self, VerifyError> {
        Ok(Self { path: path.to_owned(), bytes: read(product)? })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, VerifyError> {
    fs::read(path).map_err(|source| VerifyError::Io { path: path.to_owned(), source })
}

/// Two builds gave one file.
#[derive(Debug)]
pub struct Same {
    /// In bytes.
    pub size: usize,
    /// Of the content, in hexadecimal.
    pub sha256: String,
}

/// Builds again, and compares with `first`.
///
/// # Errors
/// When something differs, or cannot be built there.
pub fn verify(
    plan: &Plan,
    resolved: &Resolved,
    described: &Described,
    first: &First,
    report: &Report,
) -> Result<Same, VerifyError> {
    let folder = tempfile::Builder::new()
        .prefix("gateway-built-again-")
        .tempdir()
        .map_err(|source| VerifyError::Io { path: env::temp_dir(), source })?;
    let failed = |source| VerifyError::Io { path: folder.path().to_owned(), source };
    let home = folder.path().join("home/of/somebody/else");
    let cargo = home.join("cargo");
    move_in(&cargo).map_err(failed)?;
    let work_dir = folder.path().join("work");
    let recording = plan.recording.copied(&work_dir).map_err(failed)?;
    let again = Plan { work_dir, recording, cargo_home: cargo.clone(), ..plan.clone() };
    let generated = generate_with(&again, Mode::Copy)?;
    fs::write(lock::of(&again), &resolved.lock).map_err(failed)?;
    settle(&again, &resolved.graph, described)?;
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let rustup = rustup.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup"))).unwrap_or_default();
    let elsewhere = Elsewhere { variables: vec![("HOME", home), ("CARGO_HOME", cargo), ("RUSTUP_HOME", rustup)] };
    let product = compile_elsewhere(&again, &generated.stage, report, &elsewhere)?;
    let (one, two) = (&first.bytes, read(&product.path)?);
    if *one == two {
        return Ok(Same { size: one.len(), sha256: sha256(one) });
    }
    let kept = first.path.with_extension("again");
    fs::write(&kept, &two).map_err(|source| VerifyError::Io { path: kept.clone(), source })?;
    Err(VerifyError::Differs(Box::new(difference(one, &two, kept))))
}

/// What cargo has downloaded, and where from, is the same; the folder is another one, and whatever else somebody has
/// configured is not there.
fn move_in(cargo: &Path) -> io::Result<()> {
    fs::create_dir_all(cargo)?;
    for name in ["registry", "git", "credentials.toml"] {
        let from = cargo_home().join(name);
        if from.exists() {
            std::os::unix::fs::symlink(from, cargo.join(name))?;
        }
    }
    let configured = fs::read_to_string(cargo_home().join("config.toml")).unwrap_or_default();
    let mut configured: toml::Table = configured.parse().map_err(io::Error::other)?;
    configured.retain(|section, _| DOWNLOADS.contains(&section));
    fs::write(cargo.join("config.toml"), configured.to_string())
}

fn difference(one: &[u8], two: &[u8], kept: PathBuf) -> Difference {
    let offset = one.iter().zip(two).position(|(one, two)| one != two).unwrap_or(one.len().min(two.len()));
    Difference {
        sizes: (one.len(), two.len()),
        offset,
        place: section(one, offset),
        first: around(one, offset),
        second: around(two, offset),
        kept,
    }
}

/// `in section .rodata`
fn section(file: &[u8], offset: usize) -> String {
    let Ok(object) = object::File::parse(file) else {
        return "outside of an executable's sections".to_owned();
    };
    let holds = |section: &object::Section<'_, '_>| {
        section.file_range().is_some_and(|(start, size)| (start..start + size).contains(&(offset as u64)))
    };
    let found = object.sections().find(holds);
    match found.as_ref().and_then(|section| section.name().ok()) {
        Some(name) => format!("in section {name}"),
        None => "in a header".to_owned(),
    }
}

/// A few bytes, as text where they are.
fn around(file: &[u8], offset: usize) -> String {
    let from = offset.saturating_sub(24);
    let bytes = file.get(from..file.len().min(offset + 40)).unwrap_or_default();
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown_with_what_is_around_it() {
        let error = difference(b"built in /home/a/x", b"built in /home/bb/x", PathBuf::from("gateway.again"));
        assert_eq!(
            error.to_string(),
            "the second build is another file: 18 and 19 bytes, and the first difference is at byte 15, outside of an \
             executable's sections\n  first:  built in /home/a/x\n  second: built in /home/bb/x\n  = the second one is \
             kept: gateway.again; look for paths, times or random numbers in what a plugin or its build script makes"
        );
    }
}
