//! What can be known before anything is compiled, in terms of plugins.
//!
//! ```text
//! problem.rs    what stops a build, and its words
//! licence.rs    [licenses] of the manifest, copyleft, and the summary
//! shared.rs     what a plugin changes for everybody: features, versions, types that do not fit
//! ```

mod licence;
mod problem;
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

pub use self::licence::{Policy, spdx_expression};
pub use self::problem::{Copied, Problem, User};
use super::graph::{Brought, Graph, Member};

/// Packages of which a gateway holds exactly one: a plugin built against another one would not be seen.
const SINGLE: &[&str] = &["gateway-sdk", "gateway-model", "plugin-macros"];

/// What was found.
#[derive(Debug, Default)]
pub struct Preflight {
    /// These stop the build.
    pub problems: Vec<Problem>,
    /// These will probably be regretted.
    pub warnings: Vec<String>,
    /// These are worth knowing.
    pub notes: Vec<String>,
    /// How many packages have which licence, as an SPDX expression.
    pub licences: BTreeMap<String, usize>,
}

/// Looks at a graph. `core` is that of a gateway without plugins, under the same lock; without it, features and versions
/// that plugins change are not known.
#[must_use]
pub fn check(graph: &Graph, core: Option<&Graph>, policy: &Policy, rustc: &Version) -> Preflight {
    let mut found = Preflight::default();
    found.problems.extend(SINGLE.iter().filter_map(|name| copies(graph, name)));
    found.problems.extend(too_new(graph, rustc));
    licence::check(graph, policy, &mut found);
    found.notes.extend(runs_while_building(graph, core));
    if let Some(core) = core {
        found.notes.extend(shared::versions(graph, core));
        found.notes.extend(shared::features(graph, core));
    }
    found.notes.extend(shared::misfits(graph));
    found
}

/// Two packages of one name where there must be one.
fn copies(graph: &Graph, name: &str) -> Option<Problem> {
    let all: Vec<&Member> = graph.members().iter().filter(|member| member.package.name == name).collect();
    if all.len() < 2 {
        return None;
    }
    let copy = |member: &&Member| {
        let brought = graph.who_brings(&member.package.id);
        let way = graph.path_of_core(&member.package.id);
        Copied {
            version: member.package.version.clone(),
            place: graph.place(&member.package),
            core: way.filter(|_| brought.core),
            users: users(graph, &member.package.id, &brought.plugins),
        }
    };
    let mut copies: Vec<Copied> = all.iter().map(copy).collect();
    copies.sort_by_key(|copy| copy.core.is_none());
    // Every plugin reaches the gateway's copy too, by way of the SDK: who only does that has nothing to change.
    let others: BTreeSet<String> =
        copies.iter().skip(1).flat_map(|copy| &copy.users).map(|u| u.plugin.clone()).collect();
    if let Some(ours) = copies.first_mut() {
        ours.users.retain(|user| !others.contains(&user.plugin));
    }
    Some(Problem::Copies { package: name.to_owned(), copies })
}

/// Packages that want a newer compiler.
fn too_new(graph: &Graph, rustc: &Version) -> Vec<Problem> {
    let installed = Version::new(rustc.major, rustc.minor, rustc.patch);
    let mut problems = Vec::new();
    for member in graph.members() {
        let Some(needed) = member.package.oldest_rust().filter(|needed| *needed > installed) else {
            continue;
        };
        let brought = graph.who_brings(&member.package.id);
        problems.push(Problem::RustTooOld {
            package: member.package.name.clone(),
            version: member.package.version.clone(),
            needed,
            installed: installed.clone(),
            core: brought.core,
            users: users(graph, &member.package.id, &brought.plugins),
        });
    }
    problems
}

/// Build scripts and proc-macros that are there because of a plugin, one note per plugin.
fn runs_while_building(graph: &Graph, core: Option<&Graph>) -> Vec<String> {
    let mut by_plugin: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for member in graph.members() {
        let what = match (member.package.builds("custom-build"), member.package.builds("proc-macro")) {
            (true, true) => "build script and macro",
            (true, false) => "build script",
            (false, true) => "macro",
            (false, false) => continue,
        };
        let brought = graph.who_brings(&member.package.id);
        if in_core(member, &brought, core) {
            continue;
        }
        for plugin in brought.plugins {
            by_plugin.entry(plugin).or_default().push(format!("{} ({what})", member.package.label()));
        }
    }
    let line = |(plugin, packages): (String, Vec<String>)| {
        format!("{} brings code that runs on the machine that builds: {}", named(graph, &plugin), packages.join(", "))
    };
    by_plugin.into_iter().map(line).collect()
}

/// Whether a gateway without plugins has the package.
fn in_core(member: &Member, brought: &Brought, core: Option<&Graph>) -> bool {
    match core {
        Some(core) => shared::counterpart(member, core).is_some(),
        None => brought.core,
    }
}

/// ``plugin `a` 0.1.0``
fn named(graph: &Graph, plugin: &str) -> String {
    match graph.plugins().iter().find(|node| node.package == plugin) {
        Some(node) => format!("plugin `{plugin}` {}", node.version),
        None => format!("plugin `{plugin}`"),
    }
}

/// ``plugin `a` 0.1.0 and plugin `b` 0.2.0``
fn all_named(graph: &Graph, plugins: &[String]) -> String {
    plugins.iter().map(|plugin| named(graph, plugin)).collect::<Vec<_>>().join(" and ")
}

fn users(graph: &Graph, id: &str, plugins: &[String]) -> Vec<User> {
    let known = graph.plugins().iter().filter(|node| plugins.contains(&node.package));
    known
        .map(|node| User {
            plugin: node.package.clone(),
            version: node.version.clone(),
            dir: matches!(node.origin, super::graph::PluginOrigin::Path(_)).then(|| node.dir.clone()),
            way: graph.path(&node.package, id).unwrap_or_default(),
        })
        .collect()
}
