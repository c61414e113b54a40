//! The plugin table, read back out of the binary. A crate that is only named in Cargo.toml is dropped by the linker
//! without a word; here that is an error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use object::elf::{DT_NEEDED, FileHeader32, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind, NameOrOrdinal, Object, ObjectSection};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::describe::Described;
use super::graph::{Graph, PluginNode};
use super::plan::{Kind, Plan};
use super::plugin::use_line;
use crate::hash::sha256;
use crate::inspect::{AUDIT_SECTION, BUILD_SECTION, SBOM_SECTION};

/// Where `#[gw_plugin]` puts its records: JSON objects, one per line; the linker may pad with NUL.
pub const SECTION: &str = ".gw_plugins";

/// Where a file that is loaded says what it is.
const DESCRIPTION: &str = ".gw_plugin";
/// What a gateway calls in it.
const ENTRY: &str = "gw_plugin_entry_v1";

/// Why the binary is not what was asked for.
#[derive(Debug, Error)]
pub enum ProveError {
    /// Plugins were asked for and are not linked.
    #[error("{}", missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Missing {
        /// Which, and why.
        missing: Vec<MissingPlugin>,
    },
    /// Another version than the one that was asked for.
    #[error(
        "plugin `{package}` is in the binary as {found}, and {asked} was asked for\n  = two crates register under one name; look at its dependencies"
    )]
    Version {
        /// Its name.
        package: String,
        /// As planned.
        asked: String,
        /// As linked.
        found: String,
    },
    /// A plugin that nobody asked for.
    #[error(
        "crate `{package}` registers `{name}`, and was not asked for\n  = one of the plugins depends on it; add it to the plugins, or make what they share a crate without #[gw_plugin]"
    )]
    NotAsked {
        /// Its name.
        package: String,
        /// The function's name.
        name: String,
    },
    /// Another gateway than the one that was to be compiled.
    #[error("section {section} of the binary is not what was written into {}\n  = cargo took an older build for it; remove target/gw/target and build again", dir.display())]
    Stale {
        /// Which section.
        section: &'static str,
        /// The folder of the generated crate.
        dir: PathBuf,
    },
    /// Something wrote into our section.
    #[error("record {number} of section {SECTION} in `{}` cannot be understood: {text:?}", path.display())]
    Record {
        /// The binary.
        path: PathBuf,
        /// Counted from one.
        number: usize,
        /// As it is there.
        text: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A file that no gateway would load.
    #[error("`{}` was built, and lacks {lacks}\n  = does src/lib.rs of the generated crate still say `gateway_loadable::export!();`?", path.display())]
    Unloadable {
        /// The file.
        path: PathBuf,
        /// A section or a symbol.
        lacks: &'static str,
    },
    /// Not an executable for Linux.
    #[error("`{}` is not an ELF file, so its plugins cannot be checked\n  = build for a Linux target: --target x86_64-unknown-linux-gnu", path.display())]
    NotElf {
        /// The binary.
        path: PathBuf,
        /// Why not.
        source: object::Error,
    },
    /// The disk says no.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The binary.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A plugin that was asked for and is not in the binary.
#[derive(Debug)]
pub struct MissingPlugin {
    /// Its name.
    pub package: String,
    /// The line that would link it, and the file that lacks it. `None`: the line is there, so nothing registers.
    pub lacks: Option<(String, PathBuf)>,
    /// The plugin's folder.
    pub dir: PathBuf,
}

impl fmt::Display for MissingPlugin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "plugin `{}` was asked for but is not in the binary: ", self.package)?;
        match &self.lacks {
            Some((line, file)) => write!(out, "`{line}` is missing in {}", file.display()),
            None => write!(
                out,
                "it is linked, and nothing in it registers\n  = does it have a function marked #[gw_plugin]? look into {}",
                self.dir.join("src").display()
            ),
        }
    }
}

/// One function marked `#[gw_plugin]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The package that it is in.
    #[serde(rename = "crate")]
    pub package: String,
    /// The version of that package.
    pub version: String,
    /// The name that definitions use.
    pub name: String,
    /// Where it attaches.
    pub hooks: Vec<String>,
}

/// What a binary needs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Linkage {
    /// Nothing.
    Static,
    /// A loader and libraries.
    Dynamic,
    /// A gateway that loads it.
    Loadable,
}

impl fmt::Display for Linkage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::Loadable => "loadable",
        })
    }
}

/// What the binary says about itself.
#[derive(Debug)]
pub struct Proof {
    /// In the order of the linker.
    pub records: Vec<Record>,
    /// What it needs to run.
    pub linkage: Linkage,
    /// In bytes.
    pub size: u64,
    /// Of its content, in hexadecimal.
    pub sha256: String,
}

/// Checks that all plugins that were settled are in the binary.
///
/// # Errors
/// When one is not.
pub fn prove(plan: &Plan, graph: &Graph, described: &Described, binary: &Path) -> Result<Proof, ProveError> {
    let (mut proof, data) = read(binary)?;
    check_plugins(plan, graph, &proof)?;
    if plan.kind == Kind::Loadable {
        check_loadable(binary, &data)?;
        proof.linkage = Linkage::Loadable;
        return Ok(proof);
    }
    let sections = [
        (BUILD_SECTION, described.build.as_bytes()),
        (SBOM_SECTION, described.sbom.as_bytes()),
        (AUDIT_SECTION, &described.auditable),
    ];
    let file = object::File::parse(&*data).map_err(|source| not_elf(binary, source))?;
    for (name, expected) in sections {
        let found = section(&file, name).map_err(|source| not_elf(binary, source))?;
        if !found.is_some_and(|found| found.starts_with(expected)) {
            return Err(ProveError::Stale { section: name, dir: plan.dir() });
        }
    }
    Ok(proof)
}

/// Exactly the plugins that were settled.
fn check_plugins(plan: &Plan, graph: &Graph, proof: &Proof) -> Result<(), ProveError> {
    let uses = plan.dir().join(if plan.kind == Kind::Loadable { "src/lib.rs" } else { "src/plugins.rs" });
    let source = fs::read_to_string(&uses).unwrap_or_default();
    let mut missing = Vec::new();
    for plugin in graph.plugins() {
        let asked = plugin.version.to_string();
        let mut found = proof.records.iter().filter(|record| record.package == plugin.package).peekable();
        if found.peek().is_none() {
            missing.push(reason(plugin, &uses, &source));
        }
        if let Some(record) = found.find(|record| record.version != asked) {
            let found = record.version.clone();
            return Err(ProveError::Version { package: plugin.package.clone(), asked, found });
        }
    }
    if !missing.is_empty() {
        return Err(ProveError::Missing { missing });
    }
    let is_asked = |record: &Record| graph.plugins().iter().any(|plugin| plugin.package == record.package);
    match proof.records.iter().find(|record| !is_asked(record)) {
        Some(record) => Err(ProveError::NotAsked { package: record.package.clone(), name: record.name.clone() }),
        None => Ok(()),
    }
}

/// It says what it is, and a gateway finds where to begin.
fn check_loadable(file: &Path, data: &[u8]) -> Result<(), ProveError> {
    let unloadable = |lacks| ProveError::Unloadable { path: file.to_owned(), lacks };
    let parsed = object::File::parse(data).map_err(|source| not_elf(file, source))?;
    let described = section(&parsed, DESCRIPTION).map_err(|source| not_elf(file, source))?;
    if described.is_none_or(<[u8]>::is_empty) {
        return Err(unloadable(DESCRIPTION));
    }
    let mut exports = parsed.exports().map_err(|source| not_elf(file, source))?;
    let entry = NameOrOrdinal::Name(ENTRY.as_bytes());
    if !exports.any(|export| export.is_ok_and(|export| export.name() == entry)) {
        return Err(unloadable(ENTRY));
    }
    Ok(())
}

/// Reads the plugins and the linkage of any ELF executable.
///
/// # Errors
/// When it is none, or holds records that are not ours.
pub fn inspect(binary: &Path) -> Result<Proof, ProveError> {
    read(binary).map(|(proof, _)| proof)
}

/// What a binary says about itself, and its bytes.
fn read(binary: &Path) -> Result<(Proof, Vec<u8>), ProveError> {
    let data = fs::read(binary).map_err(|source| ProveError::Io { path: binary.to_owned(), source })?;
    let linkage = match FileKind::parse(&*data).map_err(|source| not_elf(binary, source))? {
        FileKind::Elf32 => linkage::<FileHeader32<Endianness>>(&data),
        _ => linkage::<FileHeader64<Endianness>>(&data),
    };
    let linkage = linkage.map_err(|source| not_elf(binary, source))?;
    let file = object::File::parse(&*data).map_err(|source| not_elf(binary, source))?;
    let section = section(&file, SECTION).map_err(|source| not_elf(binary, source))?;
    let records = records(binary, section.unwrap_or_default())?;
    let proof = Proof { records, linkage, size: data.len() as u64, sha256: sha256(&data) };
    Ok((proof, data))
}

fn section<'a>(file: &object::File<'a>, name: &str) -> object::Result<Option<&'a [u8]>> {
    file.section_by_name(name).map(|section| section.data()).transpose()
}

fn not_elf(binary: &Path, source: object::Error) -> ProveError {
    ProveError::NotElf { path: binary.to_owned(), source }
}

fn reason(plugin: &PluginNode, uses: &Path, source: &str) -> MissingPlugin {
    let line = use_line(&plugin.package);
    let there = source.lines().any(|other| other.trim() == line);
    let lacks = (!there).then(|| (line, uses.to_owned()));
    MissingPlugin { package: plugin.package.clone(), lacks, dir: plugin.dir.clone() }
}

fn records(path: &Path, section: &[u8]) -> Result<Vec<Record>, ProveError> {
    let lines = section.split(|byte| *byte == b'\n' || *byte == 0).filter(|line| !line.is_empty());
    let mut records = Vec::new();
    for line in lines {
        records.push(serde_json::from_slice(line).map_err(|source| ProveError::Record {
            path: path.to_owned(),
            number: records.len() + 1,
            text: String::from_utf8_lossy(line).chars().take(200).collect(),
            source,
        })?);
    }
    Ok(records)
}

/// Static is what names neither a loader nor a library.
fn linkage<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> object::Result<Linkage> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, data)? {
        let mut entries = segment.dynamic(endian, data)?.into_iter().flatten();
        let needs = entries.any(|entry| entry.tag(endian) == DT_NEEDED);
        if segment.p_type(endian) == PT_INTERP || needs {
            return Ok(Linkage::Dynamic);
        }
    }
    Ok(Linkage::Static)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(section: &[u8], expected: Result<&[&str], &str>) {
        let got = records(Path::new("gateway"), section).map_err(|error| error.to_string());
        let names = got.map(|records| records.into_iter().map(|record| record.name).collect::<Vec<_>>());
        let expected = expected.map(|names| names.iter().map(ToString::to_string).collect()).map_err(str::to_owned);
        assert_eq!(names, expected);
    }

    #[test]
    fn records_are_lines_and_padding_is_skipped() {
        let a = br#"{"crate":"a","version":"0.1.0","name":"A","hooks":["post"]}"#;
        let b = br#"{"crate":"b","version":"0.1.0","name":"B","hooks":[],"added":"later"}"#;
        check(b"", Ok(&[]));
        check(b"\0\0\0", Ok(&[]));
        check(&[a.as_slice(), b"\n\0\0\0", b, b"\n"].concat(), Ok(&["A", "B"]));
        check(&[a.as_slice(), b"\n", b, b"\n\0\0"].concat(), Ok(&["A", "B"]));
    }

    #[test]
    fn a_record_that_is_none_is_quoted() {
        check(b"hello\n", Err("record 1 of section .gw_plugins in `gateway` cannot be understood: \"hello\""));
    }
}
