//! `cargo xtask inspect`: what a gateway was built from, read out of the file. The file is not run, so it may be of
//! another machine, and of somebody who is not trusted.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use flate2::read::ZlibDecoder;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cli::InspectArgs;
use crate::elf::{Elf, ElfError, mebibytes};
use crate::gateway::prove::{self, ProveError, Record};
use crate::report::{Failure, Report};

/// Where the builder puts what it knows: [`Build`] as JSON.
pub const BUILD_SECTION: &str = ".gw_build";
/// Where the builder puts the bill of materials: CycloneDX as JSON.
pub const SBOM_SECTION: &str = ".gw_sbom";
/// Where `rust-audit-info` looks: the list of packages as JSON, compressed with zlib.
pub const AUDIT_SECTION: &str = ".dep-v0";
/// The list of a gateway has some ten kibibytes; more is a bomb.
const LARGEST_AUDIT: u64 = 16 << 20;

/// What the builder knows of a gateway. What an older builder did not write is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Of the gateway.
    pub version: Option<String>,
    /// Of the checkout.
    pub commit: Option<String>,
    /// The compiler.
    pub rustc: Option<String>,
    /// The triple.
    pub target: Option<String>,
    /// `fast` or `ship`.
    pub profile: Option<String>,
    /// The checksum of the lock file.
    pub lock: Option<String>,
    /// Those that were asked for.
    pub plugins: Vec<BuiltPlugin>,
}

/// One plugin, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuiltPlugin {
    /// Its package.
    pub name: String,
    /// Of its package.
    pub version: String,
    /// Where it came from.
    pub source: Option<String>,
    /// Of what came from there.
    pub checksum: Option<String>,
    /// As an SPDX expression.
    pub license: Option<String>,
}

/// One plugin: what was asked for, and what registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plugin {
    /// As the builder knew it. Without the builder's word, only name and version are known.
    #[serde(flatten)]
    pub built: BuiltPlugin,
    /// In the order of the linker.
    pub functions: Vec<Function>,
}

/// One function that registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// As definitions write it.
    pub name: String,
    /// Where it attaches.
    pub hooks: Vec<String>,
}

/// All that a file says about itself.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// The file.
    pub file: PathBuf,
    /// In bytes.
    pub size: u64,
    /// `static` or `dynamic`.
    pub linkage: String,
    /// As images name machines; `None` if it is no executable for Linux.
    pub architecture: Option<&'static str>,
    /// What the builder wrote.
    pub build: Option<Build>,
    /// Those that were asked for, then those that nobody asked for.
    pub plugins: Vec<Plugin>,
    /// How many packages the auditable section lists.
    pub packages: Option<usize>,
    /// The size of the bill of materials, in bytes.
    pub sbom: Option<usize>,
}

/// Why there is nothing to say about a file.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It is none that could be.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// Its plugin table is damaged.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// Of the kind, and not built by us.
    #[error(
        "`{}` is no gateway that `cargo xtask build` built: it has neither section {BUILD_SECTION} nor {}\n  = name the file that the build printed, such as dist/gateway",
        path.display(),
        prove::SECTION
    )]
    NoGateway {
        /// The file.
        path: PathBuf,
    },
    /// It was built without.
    #[error("`{}` holds no SBOM (section {SBOM_SECTION})\n  = build it again: cargo xtask build", path.display())]
    NoSbom {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else wrote there.
    #[error("section {section} of `{}` cannot be understood\n  = the file is damaged, or of a newer builder; build it again", path.display())]
    Section {
        /// Which.
        section: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SectionError,
    },
}

/// Why a section cannot be understood.
#[derive(Debug, Error)]
pub enum SectionError {
    /// Should be JSON.
    #[error("it is not the JSON that it should be")]
    Json(#[from] serde_json::Error),
    /// Should be text.
    #[error("it is no text")]
    Text(#[from] std::str::Utf8Error),
    /// Should be compressed.
    #[error("it is not compressed with zlib")]
    Zlib(#[source] io::Error),
    /// A bomb.
    #[error("decompressed it is larger than {} MiB", LARGEST_AUDIT >> 20)]
    TooLarge,
}

impl Failure for InspectError {}

/// Runs the command.
///
/// # Errors
/// When the file is no gateway, or a damaged one.
pub fn command(args: &InspectArgs, report: &Report) -> Result<ExitCode, InspectError> {
    let elf = Elf::read(&args.file)?;
    let facts = facts(&elf)?;
    if facts.build.is_none() && elf.section(prove::SECTION)?.is_none() {
        return Err(InspectError::NoGateway { path: args.file.clone() });
    }
    if args.sbom {
        let sbom = sbom(&elf)?.ok_or_else(|| InspectError::NoSbom { path: args.file.clone() })?;
        let document: serde_json::Value = serde_json::from_str(sbom).expect("it was just found to be JSON");
        report.product("sbom", sbom.trim_end_matches('\n'), &document);
    } else {
        report.product("inspect", facts.to_string().trim_end(), &facts);
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads everything that a file says about itself.
///
/// # Errors
/// When what is there cannot be understood. That something is not there is no error.
pub fn facts(elf: &Elf) -> Result<Facts, InspectError> {
    let proof = prove::inspect(elf.path())?;
    let build = build(elf)?;
    let asked = build.as_ref().map(|build| build.plugins.clone()).unwrap_or_default();
    Ok(Facts {
        file: elf.path().to_owned(),
        size: proof.size,
        linkage: proof.linkage.to_string(),
        architecture: elf.architecture().ok(),
        plugins: plugins(asked, proof.records),
        packages: packages(elf)?,
        sbom: sbom(elf)?.map(str::len),
        build,
    })
}

/// The bill of materials, as it was written.
///
/// # Errors
/// When it is no JSON.
pub fn sbom(elf: &Elf) -> Result<Option<&str>, InspectError> {
    understood(elf, SBOM_SECTION, |data| {
        let text = std::str::from_utf8(data)?;
        serde_json::from_str::<IgnoredAny>(text)?;
        Ok(text)
    })
}

fn build(elf: &Elf) -> Result<Option<Build>, InspectError> {
    understood(elf, BUILD_SECTION, |data| Ok(serde_json::from_slice(data)?))
}

fn packages(elf: &Elf) -> Result<Option<usize>, InspectError> {
    #[derive(Deserialize)]
    struct Audit {
        packages: Vec<IgnoredAny>,
    }
    understood(elf, AUDIT_SECTION, |data| {
        let mut json = Vec::new();
        ZlibDecoder::new(data).take(LARGEST_AUDIT + 1).read_to_end(&mut json).map_err(SectionError::Zlib)?;
        if json.len() as u64 > LARGEST_AUDIT {
            return Err(SectionError::TooLarge);
        }
        Ok(serde_json::from_slice::<Audit>(&json)?.packages.len())
    })
}

fn understood<'a, T>(
    elf: &'a Elf,
    section: &'static str,
    read: impl FnOnce(&'a [u8]) -> Result<T, SectionError>,
) -> Result<Option<T>, InspectError> {
    let Some(data) = elf.section(section)? else { return Ok(None) };
    let understood = read(data);
    understood.map(Some).map_err(|source| InspectError::Section { section, path: elf.path().to_owned(), source })
}

fn plugins(asked: Vec<BuiltPlugin>, records: Vec<Record>) -> Vec<Plugin> {
    let mut plugins: Vec<Plugin> = asked.into_iter().map(|built| Plugin { built, functions: Vec::new() }).collect();
    for record in records {
        let function = Function { name: record.name, hooks: record.hooks };
        let known =
            plugins.iter_mut().find(|one| (&one.built.name, &one.built.version) == (&record.package, &record.version));
        match known {
            Some(plugin) => plugin.functions.push(function),
            None => {
                let built = BuiltPlugin { name: record.package, version: record.version, ..BuiltPlugin::default() };
                plugins.push(Plugin { built, functions: vec![function] });
            }
        }
    }
    plugins
}

impl Facts {
    /// `a 0.1.0, b 1.2.0`
    #[must_use]
    pub fn plugin_list(&self) -> String {
        let one = |plugin: &Plugin| format!("{} {}", plugin.built.name, plugin.built.version);
        self.plugins.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Label and value, line by line.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("file", format!("{}  {}  {}", self.file.display(), mebibytes(self.size), self.linkage)),
            ("machine", self.architecture.unwrap_or("unknown").to_owned()),
        ];
        match &self.build {
            None => lines
                .push(("build", format!("unknown: no section {BUILD_SECTION}, so not built by `cargo xtask build`"))),
            Some(build) => lines.extend(
                [
                    ("version", &build.version),
                    ("commit", &build.commit),
                    ("rustc", &build.rustc),
                    ("target", &build.target),
                    ("profile", &build.profile),
                    ("lock", &build.lock),
                ]
                .map(|(label, value)| (label, value.clone().unwrap_or_else(|| "unknown".to_owned()))),
            ),
        }
        lines.push(match self.packages {
            Some(count) => ("packages", format!("{count}, by section {AUDIT_SECTION}")),
            None => ("packages", format!("unknown: no section {AUDIT_SECTION}")),
        });
        lines.push(match self.sbom {
            Some(size) => ("sbom", format!("{size} bytes; print it with --sbom")),
            None => ("sbom", format!("none: no section {SBOM_SECTION}")),
        });
        lines.push(("plugins", self.plugins.len().to_string()));
        lines
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, value) in self.lines() {
            writeln!(out, "{label:9} {}", plain(&value))?;
        }
        for plugin in &self.plugins {
            writeln!(out, "  {}", plain(&plugin.to_string()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BuiltPlugin { name, version, source, checksum, license } = &self.built;
        let source = source.as_deref().unwrap_or("source unknown");
        write!(out, "{name} {version}  {source}  {}", checksum.as_deref().unwrap_or("no checksum"))?;
        if let Some(license) = license {
            write!(out, "  {license}")?;
        }
        if self.functions.is_empty() {
            return out.write_str("  registers nothing");
        }
        let function = |one: &Function| format!("{} ({})", one.name, one.hooks.join(", "));
        write!(out, "  {}", self.functions.iter().map(function).collect::<Vec<_>>().join(", "))
    }
}

/// Whoever made the file does not get to move the cursor.
fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut plain, char| {
        if char.is_control() {
            plain.extend(char.escape_unicode());
        } else {
            plain.push(char);
        }
        plain
    })
}

#[cfg(test)]
mod tests;
