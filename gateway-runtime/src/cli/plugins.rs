//! `gateway plugins list`, and the check that what was asked for is linked.

use std::fmt;
use std::process::ExitCode;

use gateway_model::Hook;
use gateway_sdk::registry::{Plugin, plugins};
use serde::Serialize;

use super::{print, print_json};
use crate::drivers;

/// A plugin, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Linked {
    name: &'static str,
    #[serde(rename = "crate")]
    krate: &'static str,
    version: &'static str,
    hooks: Vec<Hook>,
    doc: &'static str,
    repository: &'static str,
    license: &'static str,
    /// Where it was loaded from, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'static str>,
}

pub(crate) fn linked(plugin: &'static Plugin) -> Linked {
    let about = plugin.about();
    let file = drivers::file_of(plugin);
    Linked {
        name: plugin.name,
        krate: plugin.package.name,
        version: plugin.package.version,
        hooks: plugin.hooks.iter().map(|entry| entry.hook).collect(),
        doc: plugin.doc,
        repository: about.map_or("", |about| about.repository),
        license: about.map_or("", |about| about.license),
        file: file.map(|(path, _)| path.display().to_string()),
        sha256: file.map(|(_, sha256)| sha256),
    }
}

/// What is linked, for people.
fn as_text() -> String {
    let mut text = String::new();
    for plugin in plugins().iter().map(|plugin| linked(plugin)) {
        let hooks: Vec<_> = plugin.hooks.iter().map(|hook| hook.as_str()).collect();
        let Linked { name, krate, version, doc, .. } = plugin;
        text.push_str(&format!("{name}  ({krate} {version})  {}\n", hooks.join(", ")));
        if !doc.is_empty() {
            text.push_str(&format!("    {doc}\n"));
        }
    }
    if text.is_empty() {
        text.push_str("no plugins are linked; build with some: `cargo xtask build --plugins <names>`\n");
    }
    text
}

pub(super) fn print_plugins(json: bool) -> ExitCode {
    if json {
        let all: Vec<_> = plugins().iter().map(|plugin| linked(plugin)).collect();
        print_json(&all);
    } else {
        print(&as_text());
    }
    ExitCode::SUCCESS
}

/// Crates that were asked for and have not registered anything.
#[derive(Debug)]
pub(super) struct Missing(Vec<(&'static str, &'static str)>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crates: Vec<_> = self.0.iter().map(|(name, version)| format!("`{name}` {version}")).collect();
        write!(
            f,
            "this binary was built to have {}, and it has not: the linker dropped what nothing names; build it with \
             `cargo xtask build`, or write `use ::<crate> as _;` in its main file",
            crates.join(", ")
        )
    }
}

/// Checks that every expected crate has registered a plugin.
///
/// # Errors
/// When one has not.
pub(super) fn expect(expected: &[(&'static str, &'static str)]) -> Result<(), Missing> {
    let is_linked = |(name, version): &(&str, &str)| {
        plugins().iter().any(|plugin| plugin.package.name == *name && plugin.package.version == *version)
    };
    let missing: Vec<_> = expected.iter().copied().filter(|wanted| !is_linked(wanted)).collect();
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
}
