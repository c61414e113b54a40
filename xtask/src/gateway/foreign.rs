//! The gateway-sdk that a plugin from elsewhere brings. cargo does not say it when it refuses two of them, so it is asked
//! about the plugin alone.

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;

use super::generate::write_if_changed;
use super::plan::Plan;
use super::plugin::Plugin;
use super::values::dependency;
use crate::metadata::Metadata;
use crate::redact::redact;
use crate::toolchain::{cargo, run};

/// Somebody else's gateway-sdk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The plugin that brings it.
    pub plugin: String,
    /// Its version.
    pub version: Version,
    /// As cargo writes it: `git+https://host/x?tag=v1#0a1b`.
    pub source: String,
    /// What of ours is asked for by crates that are not ours: patches of anything else would be of no use.
    pub wanted: BTreeSet<String>,
}

impl fmt::Display for Foreign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.repository().unwrap_or(&self.source);
        write!(out, "plugin `{}` brings gateway-sdk {} ({})", self.plugin, self.version, redact(address))
    }
}

impl Foreign {
    /// The address of its git repository, if it is from one.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        let address = self.source.strip_prefix("git+")?;
        address.split(['?', '#']).next()
    }
}

/// What plugins from elsewhere bring. Those of this machine are staged, and bring nothing. Which of two cargo names in
/// its refusal depends on the order in which it came upon them, so all of them are asked.
pub(super) fn all(plan: &Plan) -> Vec<Foreign> {
    let elsewhere = plan.plugins.iter().filter(|plugin| plugin.local().is_none());
    elsewhere.filter_map(|plugin| brought(plan, plugin)).collect()
}

/// Best effort: what cannot be found out is not told.
fn brought(plan: &Plan, plugin: &Plugin) -> Option<Foreign> {
    // It keeps its lock file, so that the network is needed once.
    let dir = plan.dir().join("alone").join(&plugin.package);
    let package = "[package]\nname = \"alone\"\nedition = \"2024\"\n[workspace]\n";
    let line = dependency(plugin, &|dir| dir.display().to_string());
    write_if_changed(&dir.join("Cargo.toml"), &format!("{package}[dependencies]\n{line}\n")).ok()?;
    write_if_changed(&dir.join("src/lib.rs"), "").ok()?;
    let mut question = cargo(&dir);
    question.args(["metadata", "--format-version", "1"]);
    if plan.offline {
        question.arg("--offline");
    }
    let metadata: Metadata = serde_json::from_slice(&run(&mut question).ok()?.stdout).ok()?;
    let ours = |name: &str| plan.core.published(name).is_some();
    let theirs = metadata.packages.iter().filter(|package| !ours(&package.name));
    let asked = theirs.flat_map(|package| &package.dependencies).map(|dependency| dependency.name.clone());
    let wanted = asked.filter(|name| ours(name)).collect();
    let sdk = metadata.packages.iter().find(|package| package.name == "gateway-sdk")?;
    Some(Foreign { plugin: plugin.package.clone(), version: sdk.version.clone(), source: sdk.source.clone()?, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_the_address_without_a_commit_and_its_password_is_not_shown() {
        let source = "git+https://u:p@h/gw?tag=v1#0a1b".to_owned();
        let wanted = BTreeSet::new();
        let foreign = Foreign { plugin: "mine".to_owned(), version: Version::new(0, 2, 0), source, wanted };
        assert_eq!(foreign.repository(), Some("https://u:p@h/gw"));
        assert_eq!(foreign.to_string(), "plugin `mine` brings gateway-sdk 0.2.0 (https://***@h/gw)");
    }
}
