//! What a plugin changes for everybody: features and versions of shared crates, and types that do not fit.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::{all_named, named};
use crate::gateway::graph::{Graph, Member};
use crate::metadata::Package;

/// Crates whose types are in the signatures of gateway-sdk.
const SURFACE: &[&str] = &["bytes", "http", "http-body", "serde", "serde_json"];

/// The same package in a gateway without plugins, perhaps in another version that is compatible.
pub(super) fn counterpart<'a>(member: &Member, core: &'a Graph) -> Option<&'a Member> {
    let (package, same) = (&member.package, |other: &Package| {
        other.name == member.package.name
            && other.source == member.package.source
            && compatible(&other.version, &member.package.version)
    });
    core.members().iter().find(|other| same(&other.package) || other.package.id == package.id)
}

/// As cargo sees it: what it would not keep twice.
fn compatible(a: &Version, b: &Version) -> bool {
    match (a.major, a.minor) {
        (0, 0) => (0, 0, a.patch) == (b.major, b.minor, b.patch),
        (0, minor) => (0, minor) == (b.major, b.minor),
        (major, _) => major == b.major,
    }
}

/// Shared crates that are taken in another version because a plugin asks for it.
pub(super) fn versions(graph: &Graph, core: &Graph) -> Vec<String> {
    let mut notes = Vec::new();
    for member in graph.members().iter().filter(|member| member.package.source.is_some()) {
        let brought = graph.who_brings(&member.package.id);
        let Some(before) = counterpart(member, core).filter(|_| brought.core) else {
            continue;
        };
        let (old, new) = (&before.package.version, &member.package.version);
        if old == new {
            continue;
        }
        let askers = dependents(graph, member).filter(|dependent| {
            let wanted = dependent.package.dependencies.iter().filter(|asked| asked.name == member.package.name);
            wanted.clone().any(|asked| asked.req.matches(new)) && !wanted.clone().any(|asked| asked.req.matches(old))
        });
        let plugins = plugins_of(graph, askers, &brought.plugins);
        if plugins.is_empty() {
            continue;
        }
        let name = &member.package.name;
        let by = all_named(graph, &plugins);
        notes.push(format!("{by} moves {name} from {old} to {new}, for everybody: the gateway was tried with {old}"));
    }
    notes
}

/// Features of shared crates that are off in a gateway without plugins.
pub(super) fn features(graph: &Graph, core: &Graph) -> Vec<String> {
    // By plugin and crate: one note each, in this order.
    let mut found: BTreeMap<(Vec<String>, String), Vec<String>> = BTreeMap::new();
    for member in graph.members() {
        let Some(before) = counterpart(member, core) else {
            continue;
        };
        let new: BTreeSet<&str> = member.features.iter().map(String::as_str).collect();
        let new: BTreeSet<&str> =
            new.into_iter().filter(|feature| !before.features.iter().any(|old| old == feature)).collect();
        for feature in new.iter().filter(|feature| !is_implied(feature, &new, &member.package)) {
            let askers =
                dependents(graph, member).filter(|dependent| requested(dependent, &member.package).contains(*feature));
            let plugins = plugins_of(graph, askers, &graph.who_brings(&member.package.id).plugins);
            let name = &member.package.name;
            // Nobody: then the gateway was asked for with other features, which is no plugin's doing.
            if !plugins.is_empty() {
                found.entry((plugins, name.clone())).or_default().push(format!("{name}/{feature}"));
            }
        }
    }
    let line = |((plugins, name), features): ((Vec<String>, String), Vec<String>)| {
        let (by, verb) = match plugins.as_slice() {
            [one] => (named(graph, one), "switches"),
            _ => (all_named(graph, &plugins), "switch"),
        };
        format!(
            "{by} {verb} on {}: {name} and what depends on it are compiled again, for everybody",
            features.join(", ")
        )
    };
    found.into_iter().map(line).collect()
}

/// Crates in two versions, where one is in the signatures of the SDK and the other comes with a plugin.
pub(super) fn misfits(graph: &Graph) -> Vec<String> {
    let mut notes = Vec::new();
    for name in SURFACE {
        let all: Vec<&Member> = graph.members().iter().filter(|member| member.package.name == *name).collect();
        let Some(ours) = all.iter().find(|member| is_used_by_sdk(graph, member)) else {
            continue;
        };
        for other in all.iter().filter(|other| other.package.id != ours.package.id && !other.build_only) {
            let brought = graph.who_brings(&other.package.id);
            for plugin in brought.plugins.iter().filter(|_| !brought.core) {
                notes.push(format!(
                    "{} brings {} beside the {} of gateway-sdk: its types do not fit the SDK's\n  by: {}",
                    named(graph, plugin),
                    other.package.label(),
                    ours.package.version,
                    graph.path(plugin, &other.package.id).unwrap_or_default()
                ));
            }
        }
    }
    notes
}

fn is_used_by_sdk(graph: &Graph, member: &Member) -> bool {
    dependents(graph, member).any(|dependent| dependent.package.name == "gateway-sdk")
}

fn dependents<'a>(graph: &'a Graph, member: &Member) -> impl Iterator<Item = &'a Member> {
    let id = member.package.id.clone();
    let all = graph.members();
    let root = graph.root().package.id.clone();
    all.iter()
        .filter(move |other| other.package.id != root && other.dependencies.iter().any(|at| all[*at].package.id == id))
}

/// The plugins behind those who ask. When all of these are the gateway's own crates, a plugin has switched something on
/// in one of them: then it is one of those that could have.
fn plugins_of<'a>(graph: &Graph, askers: impl Iterator<Item = &'a Member>, otherwise: &[String]) -> Vec<String> {
    let brought = askers.map(|asker| graph.who_brings(&asker.package.id)).filter(|brought| !brought.core);
    let plugins: BTreeSet<String> = brought.flat_map(|brought| brought.plugins).collect();
    if plugins.is_empty() { otherwise.to_vec() } else { plugins.into_iter().collect() }
}

/// The features of `package` that a dependent asks for, with all that these switch on.
fn requested(dependent: &Member, package: &Package) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    let lines = dependent.package.dependencies.iter().filter(|line| line.name == package.name);
    for line in lines.filter(|line| line.kind.as_deref() != Some("dev") && line.req.matches(&package.version)) {
        asked.extend(line.features.iter().cloned());
        if line.uses_default_features {
            asked.insert("default".to_owned());
        }
        let key = line.rename.as_ref().unwrap_or(&line.name);
        let switched_on = dependent.features.iter().filter_map(|feature| dependent.package.features.get(feature));
        for value in switched_on.flatten() {
            if let Some((dependency, feature)) = value.split_once('/')
                && dependency.trim_end_matches('?') == key
            {
                asked.insert(feature.to_owned());
            }
        }
    }
    asked.iter().flat_map(|feature| implied(feature, package)).collect()
}

/// A feature, and those of the same package that it switches on.
fn implied(feature: &str, package: &Package) -> BTreeSet<String> {
    let mut all = BTreeSet::from([feature.to_owned()]);
    let mut open = vec![feature.to_owned()];
    while let Some(next) = open.pop() {
        for value in package.features.get(&next).into_iter().flatten() {
            if !value.starts_with("dep:") && !value.contains('/') && all.insert(value.clone()) {
                open.push(value.clone());
            }
        }
    }
    all
}

/// Whether another of the new features switches it on: then it is not worth a word.
fn is_implied(feature: &str, new: &BTreeSet<&str>, package: &Package) -> bool {
    new.iter().any(|other| {
        *other != feature
            && implied(other, package).contains(feature)
            // Of two that switch each other on, the first is named.
            && !(feature < *other && implied(feature, package).contains(*other))
    })
}
