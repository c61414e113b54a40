//! Plugins in this binary, by the name (and file name) that a definition gives.

use gateway_model::Hook;
use gateway_model::plugin_name::{same_crate, split, stem};
use gateway_sdk::registry::{Plugin, plugins};

use super::{Reason, Resolved, Unresolved, Wanted};

/// How many near names a message lists, and how near they are (1 is equal).
const NEAREST: usize = 3;
const NEAR: f64 = 0.7;

/// Where linked plugins are.
const BINARY: &str = "this binary";

pub(super) fn resolve(wanted: &Wanted<'_>) -> Result<Resolved, Unresolved> {
    choose(plugins(), wanted, BINARY)
}

/// Which of `linked` is wanted; `place` is where they are.
pub(super) fn choose(linked: &[&'static Plugin], wanted: &Wanted<'_>, place: &str) -> Result<Resolved, Unresolved> {
    let (krate, name) = split(wanted.name);
    let refuse = |reason, remedy| Unresolved { name: wanted.name.to_owned(), hook: wanted.hook, reason, remedy };
    let mut named: Vec<&'static Plugin> = linked.iter().copied().filter(|plugin| plugin.name == name).collect();
    if let Some(krate) = krate {
        named.retain(|plugin| same_crate(plugin.package.name, krate));
    } else if named.len() > 1 {
        let stem = stem(wanted.path);
        let by_file: Vec<_> = named.iter().copied().filter(|p| same_crate(p.package.name, stem)).collect();
        if !by_file.is_empty() {
            named = by_file;
        }
    }
    let serving: Vec<_> =
        named.iter().filter_map(|plugin| plugin.hook(wanted.hook).map(|entry| Resolved { plugin, entry })).collect();
    let remedy = |krate: Option<&str>| match place {
        BINARY => rebuild(linked, krate.unwrap_or_else(|| stem(wanted.path))),
        _ => "name one that it has, or build the file again from the crate that has it".to_owned(),
    };
    match (serving.as_slice(), named.first()) {
        ([one], _) => Ok(*one),
        ([], None) => {
            Err(refuse(Reason::UnknownName { nearest: nearest(linked, name), place: place.to_owned() }, remedy(krate)))
        }
        ([], Some(plugin)) => {
            let serves: Vec<Hook> = plugin.hooks.iter().map(|entry| entry.hook).collect();
            let hook = wanted.hook;
            let remedy =
                format!("add `{hook}` to the `hook` key of its `#[gw_plugin]`, or name it under a hook it serves");
            Err(refuse(Reason::OtherHooks { package: plugin.package.name, serves }, remedy))
        }
        (several, _) => {
            let packages: Vec<_> = several.iter().map(|found| found.plugin.package.name).collect();
            let remedy = format!("name one, such as `{}::{name}`, or let `path` end in its crate's name", packages[0]);
            Err(refuse(Reason::Ambiguous { packages }, remedy))
        }
    }
}

fn nearest(linked: &[&'static Plugin], name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let mut near: Vec<_> = linked
        .iter()
        .map(|plugin| (strsim::jaro_winkler(&plugin.name.to_lowercase(), &lower), plugin))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let shown = |plugin: &Plugin| format!("`{}` ({} {})", plugin.name, plugin.package.name, plugin.package.version);
    near.into_iter().take(NEAREST).map(|(_, plugin)| shown(plugin)).collect()
}

/// The command that builds this gateway with one crate more.
fn rebuild(linked: &[&'static Plugin], krate: &str) -> String {
    const LIST: &str = "see what is linked: `gateway plugins list`";
    let mut crates: Vec<&str> = linked.iter().map(|plugin| plugin.package.name).collect();
    crates.dedup();
    if crates.iter().any(|linked| same_crate(linked, krate)) {
        // The crate is here, and has no such plugin: building it again would not help.
        return LIST.to_owned();
    }
    // The published examples call every file `plugin.so`: that is no crate's name.
    let plain =
        !["", "plugin"].contains(&krate) && krate.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    crates.push(if plain { krate } else { "<crate>" });
    format!("add it with `cargo xtask build --plugins {}`, or {LIST}", crates.join(","))
}

#[cfg(test)]
mod tests;
