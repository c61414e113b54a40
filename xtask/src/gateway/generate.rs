//! The small crate that names the plugins, rendered from gateway-template/gateway, or gateway-template/loadable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::describe::Described;
use super::graph::Graph;
use super::plan::{Kind, Plan};
use super::stage::{Mode, Stage, StageError};
use super::sweep::sweep;
use super::values::{ABOUT, expected, unsettled, uses};

/// The files of the template that name no versions.
const FILES: &[&str] = &["Cargo.toml", "src/main.rs", ".cargo/config.toml"];
/// The files of a plugin to load, none of which does.
const LOADABLE: &[&str] = &["Cargo.toml", "src/lib.rs"];
/// Those that do: they are written when the versions are settled.
const SETTLED: &[&str] = &["src/plugins.rs", "src/about.rs"];

/// Why the crate could not be written.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// The template says `{{name}}`, and nobody knows the name.
    #[error("{}: unknown placeholder `{name}`; there are: {}", file.display(), known.join(", "))]
    UnknownPlaceholder {
        /// In which file.
        file: PathBuf,
        /// As written there.
        name: String,
        /// What may be written.
        known: Vec<&'static str>,
    },
    /// A `{{` without its `}}`.
    #[error("{}: a `{{{{` is not closed", file.display())]
    OpenPlaceholder {
        /// In which file.
        file: PathBuf,
    },
    /// The root manifest cannot be read for its profiles.
    #[error("cannot read the profiles in {}", file.display())]
    Profiles {
        /// The root manifest.
        file: PathBuf,
        /// Why not.
        source: Box<toml::de::Error>,
    },
    /// A profile that the builder offers is not there.
    #[error("{} has no [profile.{name}]", file.display())]
    NoProfile {
        /// The root manifest.
        file: PathBuf,
        /// Its name.
        name: &'static str,
    },
    /// A crate of this machine cannot be used.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The disk says no.
    #[error("cannot {act} `{}`", path.display())]
    Io {
        /// `read` or `write`.
        act: &'static str,
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug)]
pub struct Generated {
    /// The folder of the crate.
    pub dir: PathBuf,
    /// The files whose content is new.
    pub written: Vec<&'static str>,
    /// The crates of this machine.
    pub stage: Stage,
}

/// Writes the crate, but for what needs versions. A file whose content is right already is left alone, so that cargo
/// sees nothing new.
///
/// # Errors
/// When the template is broken, or the disk is full.
pub fn generate(plan: &Plan) -> Result<Generated, GenerateError> {
    generate_with(plan, Mode::Link)
}

/// As [`generate`], with files linked or copied.
///
/// # Errors
/// As [`generate`].
pub fn generate_with(plan: &Plan, mode: Mode) -> Result<Generated, GenerateError> {
    let dir = plan.dir();
    let stage = stage(plan)?;
    let values = unsettled(plan, &stage)?;
    let is_gateway = plan.kind != Kind::Loadable;
    let mut written = write(plan, if is_gateway { FILES } else { LOADABLE }, &values)?;
    if is_gateway && !dir.join("src/plugins.rs").exists() {
        // cargo asks for sources before it settles versions.
        written.extend(write(plan, SETTLED, &values)?);
    }
    stage.write(&dir, mode)?;
    sweep(&dir);
    Ok(Generated { dir, written, stage })
}

/// Writes what names versions: what is expected in the binary, and what it says of itself.
///
/// # Errors
/// When the template is broken, or the disk is full.
pub fn settle(plan: &Plan, graph: &Graph, described: &Described) -> Result<Vec<&'static str>, GenerateError> {
    let about = plan.dir().join("about");
    write_if_changed(&about.join("build.json"), &described.build)?;
    write_if_changed(&about.join("sbom.json"), &described.sbom)?;
    write_bytes_if_changed(&about.join("dep-v0"), &described.auditable)?;
    if plan.kind == Kind::Loadable {
        // It names no versions.
        return Ok(Vec::new());
    }
    let values = BTreeMap::from([
        ("plugin_uses", uses(plan)),
        ("plugin_expected", expected(graph.plugins())),
        ("about", ABOUT.trim_end().to_owned()),
    ]);
    write(plan, SETTLED, &values)
}

/// The crates of this machine.
///
/// # Errors
/// When one of them cannot be used.
pub fn stage(plan: &Plan) -> Result<Stage, GenerateError> {
    let dirs: Vec<PathBuf> =
        plan.plugins.iter().filter_map(|plugin| plugin.local()).map(|local| local.dir.clone()).collect();
    Ok(Stage::collect(&plan.repository, &plan.core, &dirs)?)
}

fn write(
    plan: &Plan,
    files: &[&'static str],
    values: &BTreeMap<&'static str, String>,
) -> Result<Vec<&'static str>, GenerateError> {
    let mut written = Vec::new();
    for name in files {
        let template = if plan.kind == Kind::Loadable { "loadable" } else { "gateway" };
        let source = plan.core.templates().join(template).join(name);
        let text = render(&source, &read(&source)?, values)?;
        if write_if_changed(&plan.dir().join(name), &text)? {
            written.push(*name);
        }
    }
    Ok(written)
}

/// Replaces each `{{name}}`.
///
/// # Errors
/// When a name is unknown, or a placeholder is not closed.
pub fn render(file: &Path, template: &str, values: &BTreeMap<&'static str, String>) -> Result<String, GenerateError> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err(GenerateError::OpenPlaceholder { file: file.to_owned() });
        };
        let Some(value) = values.get(name.trim()) else {
            return Err(GenerateError::UnknownPlaceholder {
                file: file.to_owned(),
                name: name.trim().to_owned(),
                known: values.keys().copied().collect(),
            });
        };
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// Writes a file, with its folder, unless it says the same already. True when it was written.
///
/// # Errors
/// When the disk says no.
pub fn write_if_changed(path: &Path, content: &str) -> Result<bool, GenerateError> {
    write_bytes_if_changed(path, content.as_bytes())
}

fn write_bytes_if_changed(path: &Path, content: &[u8]) -> Result<bool, GenerateError> {
    if fs::read(path).is_ok_and(|now| now == content) {
        return Ok(false);
    }
    let wrong = |source| GenerateError::Io { act: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    fs::write(path, content).map_err(wrong)?;
    Ok(true)
}

pub(super) fn read(path: &Path) -> Result<String, GenerateError> {
    fs::read_to_string(path).map_err(|source| GenerateError::Io { act: "read", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: Result<&str, &str>) {
        let values = BTreeMap::from([("name", "gw".to_owned()), ("list", "a\nb".to_owned())]);
        let got = render(Path::new("t.rs"), template, &values).map_err(|error| error.to_string());
        assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn placeholders_are_replaced_and_nothing_else() {
        check("fn {{name}}() { a }\n{{ list }}\n", Ok("fn gw() { a }\na\nb\n"));
        check("no placeholder", Ok("no placeholder"));
    }

    #[test]
    fn an_unknown_placeholder_names_the_file_and_those_that_there_are() {
        check("{{nmae}}", Err("t.rs: unknown placeholder `nmae`; there are: list, name"));
        check("{{name", Err("t.rs: a `{{` is not closed"));
    }

    #[test]
    fn a_file_that_is_right_is_not_written_again() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("deep/file.rs");
        assert!(write_if_changed(&file, "one").expect("written"));
        assert!(!write_if_changed(&file, "one").expect("left alone"));
        assert!(write_if_changed(&file, "two").expect("written"));
        assert_eq!(fs::read_to_string(&file).expect("there"), "two");
    }
}
