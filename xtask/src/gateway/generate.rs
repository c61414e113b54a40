//! The small crate that names the plugins, rendered from gateway-template/gateway.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::plan::Plan;
use super::plugin::Origin;

/// The files of the template.
const FILES: &[&str] = &["Cargo.toml", "src/main.rs", "src/plugins.rs", ".cargo/config.toml"];

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
}

/// Writes the crate. A file whose content is right already is left alone, so that cargo sees nothing new.
///
/// # Errors
/// When the template is broken, or the disk is full.
pub fn generate(plan: &Plan) -> Result<Generated, GenerateError> {
    let dir = plan.dir();
    let values = values(plan)?;
    let mut written = Vec::new();
    for name in FILES {
        let source = plan.repository.templates().join("gateway").join(name);
        let text = render(&source, &read(&source)?, &values)?;
        if write_if_changed(&dir.join(name), &text)? {
            written.push(*name);
        }
    }
    seed_lock(plan, &dir)?;
    Ok(Generated { dir, written })
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
    if fs::read_to_string(path).is_ok_and(|now| now == content) {
        return Ok(false);
    }
    let wrong = |source| GenerateError::Io { act: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    fs::write(path, content).map_err(wrong)?;
    Ok(true)
}

/// What each placeholder of the template stands for.
///
/// # Errors
/// When the root manifest has no profiles.
pub fn values(plan: &Plan) -> Result<BTreeMap<&'static str, String>, GenerateError> {
    let runtime = format!("{{ path = {} }}", quoted(&plan.repository.runtime().display().to_string()));
    Ok(BTreeMap::from([
        ("project-name", "gateway".to_owned()),
        ("gateway_runtime", runtime),
        ("plugin_dependencies", dependencies(plan)),
        ("plugin_uses", uses(plan)),
        ("plugin_expected", expected(plan)),
        ("patches", patches(plan)),
        ("profiles", profiles(plan)?),
        ("cargo_config", cargo_config(&plan.target)),
    ]))
}

/// The key is the crate's name in Rust and `package` its name in cargo: so `use key as _` is right even where the
/// library has a name of its own.
fn dependencies(plan: &Plan) -> String {
    let mut text = String::new();
    for plugin in &plan.plugins {
        let (key, package) = (plugin.ident(), quoted(&plugin.package));
        let path = quoted(&plugin.dir.display().to_string());
        let _ = writeln!(text, "{key} = {{ package = {package}, path = {path} }}");
    }
    text.trim_end().to_owned()
}

fn uses(plan: &Plan) -> String {
    let lines: Vec<String> = plan.plugins.iter().map(|plugin| format!("use {} as _;", plugin.ident())).collect();
    lines.join("\n")
}

fn expected(plan: &Plan) -> String {
    let mut text = String::new();
    for plugin in &plan.plugins {
        let _ = write!(text, "\n    ({:?}, {:?}),", plugin.package, plugin.version.to_string());
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A plugin that takes one of our crates from a registry gets this checkout's. Only then: cargo warns about a patch that
/// nobody needs.
fn patches(plan: &Plan) -> String {
    let all = plan.plugins.iter().flat_map(|plugin| &plugin.ours);
    let mut wanted: Vec<&str> =
        all.filter(|ours| ours.from == Origin::Registry).map(|ours| ours.package.as_str()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut text = String::new();
    for package in wanted {
        if let Some(dir) = plan.repository.published(package) {
            let heading = if text.is_empty() { "[patch.crates-io]\n" } else { "" };
            let _ = writeln!(text, "{heading}{package} = {{ path = {} }}", quoted(&dir.display().to_string()));
        }
    }
    text.trim_end().to_owned()
}

/// Those of the root manifest: cargo takes profiles from the root of a workspace only, and this crate is one.
fn profiles(plan: &Plan) -> Result<String, GenerateError> {
    let file = plan.repository.root().join("Cargo.toml");
    let manifest: toml::Table = toml::from_str(&read(&file)?)
        .map_err(|source| GenerateError::Profiles { file: file.clone(), source: Box::new(source) })?;
    let profiles = manifest.get("profile").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    if !profiles.contains_key(plan.profile.name()) {
        return Err(GenerateError::NoProfile { file, name: plan.profile.name() });
    }
    // `dev` and what derives from it are for working on the repository.
    let ours = profiles.into_iter().filter(|(name, _)| name != "dev" && name != "test");
    let ours: toml::Table = ours.collect();
    let table = toml::Table::from_iter([("profile".to_owned(), toml::Value::Table(ours))]);
    Ok(table.to_string().trim_end().to_owned())
}

/// The flags that make a gateway static. They are in a file, as flags in a variable would also hit build scripts.
fn cargo_config(target: &str) -> String {
    if target.contains("-linux-gnu") {
        format!(
            "# Static, although it is glibc; and random numbers without a lookup that a static glibc cannot do.\n\
             [target.{target}]\n\
             rustflags = [\"-C\", \"target-feature=+crt-static\", \"--cfg\", \"getrandom_backend=\\\"linux_getrandom\\\"\"]"
        )
    } else {
        format!("# The target {target} needs no flags of ours.")
    }
}

/// The versions that this repository was tested with; what is there already is kept.
fn seed_lock(plan: &Plan, dir: &Path) -> Result<(), GenerateError> {
    let (from, to) = (plan.repository.root().join("Cargo.lock"), dir.join("Cargo.lock"));
    if to.exists() || !from.exists() {
        return Ok(());
    }
    write_if_changed(&to, &read(&from)?).map(drop)
}

fn read(path: &Path) -> Result<String, GenerateError> {
    fs::read_to_string(path).map_err(|source| GenerateError::Io { act: "read", path: path.to_owned(), source })
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
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

    #[test]
    fn glibc_is_linked_statically_and_musl_needs_no_flags() {
        let gnu = cargo_config("x86_64-unknown-linux-gnu");
        assert!(gnu.contains("[target.x86_64-unknown-linux-gnu]\nrustflags = [\"-C\", \"target-feature=+crt-static\""));
        assert!(gnu.contains(r#""getrandom_backend=\"linux_getrandom\"""#), "{gnu}");
        assert!(!cargo_config("x86_64-unknown-linux-musl").contains("rustflags"));
    }

    #[test]
    fn paths_are_quoted_for_toml() {
        let parsed: toml::Table = toml::from_str(&format!("a = {}", quoted("/a \"b\"\\c"))).expect("valid");
        assert_eq!(parsed.get("a").and_then(toml::Value::as_str), Some("/a \"b\"\\c"));
    }
}
