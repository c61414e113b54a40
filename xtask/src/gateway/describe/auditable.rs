//! The list of packages in the format of cargo-auditable, which `rust-audit-info` and scanners of images read.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;

use super::{About, DescribeError};
use crate::gateway::graph::{Graph, Member};

/// The revision of the format in which proc-macros count as needed for the build only.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct List<'a> {
    packages: Vec<Package<'a>>,
    format: u32,
}

#[derive(Serialize)]
struct Package<'a> {
    name: &'a str,
    version: String,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    dependencies: &'a [usize],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    root: bool,
}

pub(super) fn auditable(graph: &Graph, about: &About) -> Result<Vec<u8>, DescribeError> {
    let root = &graph.root().package.id;
    let packages = graph.members().iter().map(|member| {
        let is_root = member.package.id == *root;
        let version = if is_root { &about.version } else { &member.package.version };
        Package {
            name: &member.package.name,
            version: version.to_string(),
            source: source(member),
            kind: member.build_only.then_some("build"),
            dependencies: &member.dependencies,
            root: is_root,
        }
    });
    let json = serde_json::to_vec(&List { packages: packages.collect(), format: FORMAT })?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&json)?;
    Ok(encoder.finish()?)
}

/// Sources have no URLs here: they may be private.
fn source(member: &Member) -> &'static str {
    match member.package.source.as_deref() {
        None => "local",
        Some(source) if source.starts_with("git+") => "git",
        Some(source) if source.ends_with("//github.com/rust-lang/crates.io-index") => "crates.io",
        Some(source) if source.ends_with("//index.crates.io/") => "crates.io",
        Some(_) => "registry",
    }
}
