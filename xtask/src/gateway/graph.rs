//! What is linked into a gateway, which plugin brings it, and by which way.
//!
//! The root is the generated crate. An edge counts when it is an ordinary or a build dependency; `cargo metadata
//! --filter-platform` has left out what the target does not need.

mod origin;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use semver::Version;
use thiserror::Error;

pub use self::origin::PluginOrigin;
use self::origin::{Lock, tree_hash};
use crate::metadata::{Metadata, Node, Package};
use crate::redact::redact;

/// The package that is the gateway without plugins.
pub const CORE: &str = "gateway-runtime";
/// What a plugin that is to be loaded is built around.
const LOADABLE: &str = "gateway-loadable";

/// A plugin that was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name of the package.
    pub package: String,
    /// The folder that the user works in, for a plugin by path: cargo may have been shown a copy.
    pub dir: Option<PathBuf>,
}

/// Why cargo's answer is no gateway.
#[derive(Debug, Error)]
pub enum GraphError {
    /// Asked with `--no-deps`, or about a whole workspace.
    #[error("`cargo metadata` names no root package, so it is not about one generated crate")]
    NoRoot,
    /// A package is in the graph and not in the list.
    #[error("`cargo metadata` does not describe the package `{id}`, which it names")]
    Unknown {
        /// cargo's name for it.
        id: String,
    },
    /// The generated crate does not name a package that it must name.
    #[error("the generated crate does not depend on `{package}`\n  = remove target/gw and build again")]
    NotLinked {
        /// Its name.
        package: String,
    },
    /// The lock file is not TOML.
    #[error("cannot understand the lock file\n  = remove it, and it is made again")]
    Lock(#[source] Box<toml::de::Error>),
    /// A source that cargo did not have when this was written.
    #[error("plugin `{plugin}` comes from `{source_text}`, which is neither a folder, nor git, nor a registry")]
    Source {
        /// Its package.
        plugin: String,
        /// As cargo writes it.
        source_text: String,
    },
    /// A registry crate without a checksum cannot be told from another one.
    #[error(
        "the lock file has no checksum of plugin `{plugin}` {version}\n  = remove the lock file, and it is made again"
    )]
    NoChecksum {
        /// Its package.
        plugin: String,
        /// Its version.
        version: Version,
    },
    /// The disk says no.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A plugin, in the graph.
#[derive(Debug, Clone)]
pub struct PluginNode {
    /// The name of the package.
    pub package: String,
    /// The version of the package.
    pub version: Version,
    /// cargo's name for it.
    pub id: String,
    /// Its sources: the folder that the user works in, or cargo's copy.
    pub dir: PathBuf,
    /// Where it comes from.
    pub origin: PluginOrigin,
    /// `sha256:…` of the package (registry) or of its files (path), `sha1:…` of the commit (git).
    pub checksum: String,
    /// What its Cargo.toml says.
    pub license: Option<String>,
}

/// Who needs a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// The plugins from which a way leads to it.
    pub plugins: Vec<String>,
    /// Whether the gateway needs it too.
    pub core: bool,
}

/// A package in the graph.
#[derive(Debug)]
pub struct Member {
    /// As cargo describes it.
    pub package: Package,
    /// The features that are switched on.
    pub features: Vec<String>,
    /// What it depends upon, by position in [`Graph::members`], sorted.
    pub dependencies: Vec<usize>,
    /// Needed while building, and not in the binary: proc-macros, and what only build scripts and proc-macros use.
    pub build_only: bool,
    ordinary: Vec<usize>,
}

/// A gateway as a graph of packages.
#[derive(Debug)]
pub struct Graph {
    members: Vec<Member>,
    by_id: HashMap<String, usize>,
    root: usize,
    plugins: Vec<PluginNode>,
    plugin_reach: Vec<HashSet<usize>>,
    core_reach: HashSet<usize>,
    lock: Lock,
}

impl Graph {
    /// Reads cargo's answer about the generated crate, and the lock file that goes with it.
    ///
    /// # Errors
    /// When the answer is about something else, or a plugin's files cannot be read.
    pub fn new(metadata: Metadata, lock: &str, plugins: &[Asked]) -> Result<Self, GraphError> {
        let lock = Lock::parse(lock).map_err(|source| GraphError::Lock(Box::new(source)))?;
        let (members, root) = linked(metadata)?;
        let by_id = members.iter().enumerate().map(|(at, member)| (member.package.id.clone(), at)).collect();
        let mut graph = Self {
            members,
            by_id,
            root,
            plugins: Vec::new(),
            plugin_reach: Vec::new(),
            core_reach: HashSet::new(),
            lock,
        };
        // A plugin that is to be loaded is without a server.
        let core = graph.direct(CORE).or_else(|missing| graph.direct(LOADABLE).map_err(|_| missing))?;
        graph.core_reach = graph.reach(core);
        let mut plugins = plugins.to_vec();
        plugins.sort_by(|a, b| a.package.cmp(&b.package));
        for asked in &plugins {
            let at = graph.direct(&asked.package)?;
            let node = graph.plugin_node(at, asked.dir.as_deref())?;
            graph.plugin_reach.push(graph.reach(at));
            graph.plugins.push(node);
        }
        Ok(graph)
    }

    /// What is linked or needed to build it, sorted by name and version.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The server, and what it depends upon.
    pub fn core(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().enumerate().filter(|(at, _)| self.core_reach.contains(at)).map(|(_, member)| member)
    }

    /// The generated crate.
    #[must_use]
    pub fn root(&self) -> &Member {
        &self.members[self.root]
    }

    /// The plugins, sorted by name.
    #[must_use]
    pub fn plugins(&self) -> &[PluginNode] {
        &self.plugins
    }

    /// The plugin that a package is, if it is one.
    #[must_use]
    pub fn plugin(&self, id: &str) -> Option<&PluginNode> {
        self.plugins.iter().find(|plugin| plugin.id == id)
    }

    /// The package with this id.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id).map(|at| &self.members[*at])
    }

    /// The hash that the lock file has of a registry package.
    #[must_use]
    pub fn locked_checksum(&self, package: &Package) -> Option<&str> {
        self.lock.checksum(package)
    }

    /// Which plugins need a package, and whether the gateway does without them.
    #[must_use]
    pub fn who_brings(&self, id: &str) -> Brought {
        let Some(at) = self.by_id.get(id) else {
            return Brought { plugins: Vec::new(), core: false };
        };
        let reached = self.plugins.iter().zip(&self.plugin_reach).filter(|(_, reach)| reach.contains(at));
        let plugins = reached.map(|(plugin, _)| plugin.package.clone()).collect();
        Brought { plugins, core: self.core_reach.contains(at) }
    }

    /// The shortest way from a plugin to a package: `plugin 0.1.0 → a 1.0.0 → b 2.0.0`.
    #[must_use]
    pub fn path(&self, plugin: &str, id: &str) -> Option<String> {
        let from = self.plugins.iter().find(|node| node.package == plugin)?;
        self.way(*self.by_id.get(&from.id)?, *self.by_id.get(id)?)
    }

    /// The same from the gateway.
    #[must_use]
    pub fn path_of_core(&self, id: &str) -> Option<String> {
        self.way(self.direct(CORE).ok()?, *self.by_id.get(id)?)
    }

    /// Where a package comes from, for people: without credentials, and not the copy that cargo was shown.
    #[must_use]
    pub fn place(&self, package: &Package) -> String {
        match self.plugin(&package.id) {
            Some(PluginNode { origin: PluginOrigin::Path(dir), .. }) => dir.display().to_string(),
            _ => redact(&package.origin()),
        }
    }

    /// What the generated crate itself depends upon.
    fn direct(&self, package: &str) -> Result<usize, GraphError> {
        let named = |at: &&usize| self.members[**at].package.name == package;
        let found = self.members[self.root].dependencies.iter().find(named);
        found.copied().ok_or_else(|| GraphError::NotLinked { package: package.to_owned() })
    }

    fn plugin_node(&self, at: usize, dir: Option<&Path>) -> Result<PluginNode, GraphError> {
        let package = &self.members[at].package;
        let staged = package.manifest_path.parent().unwrap_or(&package.manifest_path).to_owned();
        let dir = dir.map_or(staged, Path::to_owned);
        let Some(origin) = PluginOrigin::of(package, &dir) else {
            let source_text = redact(package.source.as_deref().unwrap_or_default());
            return Err(GraphError::Source { plugin: package.name.clone(), source_text });
        };
        let checksum = match &origin {
            PluginOrigin::Path(dir) => tree_hash(dir)?,
            PluginOrigin::Git { commit, .. } => format!("sha1:{commit}"),
            PluginOrigin::Registry { .. } => {
                let missing =
                    || GraphError::NoChecksum { plugin: package.name.clone(), version: package.version.clone() };
                format!("sha256:{}", self.lock.checksum(package).ok_or_else(missing)?)
            }
        };
        Ok(PluginNode {
            package: package.name.clone(),
            version: package.version.clone(),
            id: package.id.clone(),
            dir,
            origin,
            checksum,
            license: package.license.clone(),
        })
    }

    fn reach(&self, from: usize) -> HashSet<usize> {
        reach(from, |at| &self.members[at].dependencies)
    }

    fn way(&self, from: usize, to: usize) -> Option<String> {
        let mut came_from = BTreeMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                break;
            }
            for next in &self.members[at].dependencies {
                if !came_from.contains_key(next) {
                    came_from.insert(*next, at);
                    queue.push_back(*next);
                }
            }
        }
        let mut way = vec![to];
        let mut at = to;
        while at != from {
            at = *came_from.get(&at)?;
            way.push(at);
        }
        let names = way.iter().rev().map(|at| self.members[*at].package.label());
        Some(names.collect::<Vec<_>>().join(" → "))
    }
}

/// The packages that are reached from the root without dev-dependencies, and the position of the root.
fn linked(metadata: Metadata) -> Result<(Vec<Member>, usize), GraphError> {
    let resolve = metadata.resolve.ok_or(GraphError::NoRoot)?;
    let root = resolve.root.ok_or(GraphError::NoRoot)?;
    let nodes: HashMap<&str, &Node> = resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let mut packages: HashMap<String, Package> =
        metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect();
    let mut seen = HashSet::from([root.as_str()]);
    let mut open = vec![root.as_str()];
    let mut found: Vec<(Package, &Node)> = Vec::new();
    while let Some(id) = open.pop() {
        let unknown = || GraphError::Unknown { id: id.to_owned() };
        let node = *nodes.get(id).ok_or_else(unknown)?;
        found.push((packages.remove(id).ok_or_else(unknown)?, node));
        for edge in node.deps.iter().filter(|edge| edge.is_active()) {
            if seen.insert(edge.pkg.as_str()) {
                open.push(edge.pkg.as_str());
            }
        }
    }
    // By name, so that two machines make the same list; by source where two have one name and version.
    let key = |package: &Package| (package.name.clone(), package.version.clone(), package.source.clone());
    found.sort_by(|(a, _), (b, _)| key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
    let at: HashMap<String, usize> = found.iter().enumerate().map(|(at, (p, _))| (p.id.clone(), at)).collect();
    let mut members: Vec<Member> = found.into_iter().map(|(package, node)| member(package, node, &at)).collect();
    let root = at[&root];
    let runtime = reach_runtime(&members, root);
    for (at, member) in members.iter_mut().enumerate() {
        member.build_only = !runtime.contains(&at);
    }
    Ok((members, root))
}

fn member(package: Package, node: &Node, at: &HashMap<String, usize>) -> Member {
    let positions = |wanted: &dyn Fn(&&crate::metadata::Edge) -> bool| {
        let edges = node.deps.iter().filter(wanted);
        let mut list: Vec<usize> = edges.filter_map(|edge| at.get(&edge.pkg).copied()).collect();
        list.sort_unstable();
        list.dedup();
        list
    };
    Member {
        package,
        features: node.features.clone(),
        dependencies: positions(&|edge| edge.is_active()),
        ordinary: positions(&|edge| edge.is_ordinary()),
        build_only: true,
    }
}

/// What ends up in the binary: ordinary dependencies, and nothing behind a proc-macro.
fn reach_runtime(members: &[Member], root: usize) -> HashSet<usize> {
    let is_macro = |at: usize| members[at].package.builds("proc-macro");
    let none = Vec::new();
    let mut found = reach(root, |at| if is_macro(at) { &none } else { &members[at].ordinary });
    found.retain(|at| !is_macro(*at));
    found
}

fn reach<'a>(from: usize, next: impl Fn(usize) -> &'a Vec<usize>) -> HashSet<usize> {
    let mut seen = HashSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        open.extend(next(at).iter().copied().filter(|at| seen.insert(*at)));
    }
    seen
}
