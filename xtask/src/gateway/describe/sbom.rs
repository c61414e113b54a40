//! The software bill of materials: CycloneDX 1.5, JSON. Source: <https://cyclonedx.org/docs/1.5/json/>.

use std::collections::HashSet;
use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{About, DescribeError, source_of};
use crate::gateway::graph::{Graph, Member};
use crate::gateway::preflight::spdx_expression;
use crate::metadata::Package;
use crate::redact::redact;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: BomMetadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct BomMetadata {
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    name: String,
    version: String,
    /// `required`: in the binary; `excluded`: needed to build it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Licence {
    Expression(String),
    License { name: String },
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

pub(super) fn sbom(graph: &Graph, about: &About) -> Result<String, DescribeError> {
    let refs = references(graph, about);
    let root = &graph.root().package.id;
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for (member, bom_ref) in graph.members().iter().zip(&refs) {
        if member.package.id != *root {
            components.push(component(graph, member, bom_ref, about));
        }
        let mut depends_on: Vec<String> = member.dependencies.iter().map(|at| refs[*at].clone()).collect();
        depends_on.sort();
        dependencies.push(Dependency { of: bom_ref.clone(), depends_on });
    }
    let mut bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        serial_number: None,
        version: 1,
        metadata: BomMetadata { tools: Tools { components: vec![tool()] }, component: gateway(about) },
        components,
        dependencies,
    };
    bom.serial_number = Some(serial_number(&serde_json::to_vec(&bom)?));
    Ok(serde_json::to_string(&bom)?)
}

/// A name for each package that is the same on every machine.
fn references(graph: &Graph, about: &About) -> Vec<String> {
    let root = &graph.root().package.id;
    let mut taken = HashSet::new();
    let name = |member: &Member| {
        let package = &member.package;
        let name = if package.id == *root {
            gateway_ref(about)
        } else {
            purl(package).unwrap_or_else(|| format!("path+{}@{}", package.name, package.version))
        };
        // Two folders with one name and one version: nothing that is the same everywhere tells them apart.
        let again = (2..).map(|number| format!("{name}#{number}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !taken.contains(name)).unwrap_or(name);
        taken.insert(free.clone());
        free
    };
    graph.members().iter().map(name).collect()
}

fn gateway_ref(about: &About) -> String {
    format!("gateway@{}", about.version)
}

fn gateway(about: &About) -> Component {
    let property = |name, value: &str| Property { name, value: value.to_owned() };
    let mut properties = vec![
        property("gw:rustc", &about.rustc),
        property("gw:target", &about.target),
        property("gw:profile", &about.profile),
        property("gw:lock", &format!("sha256:{}", about.lock_sha256)),
    ];
    properties.extend(about.commit.as_deref().map(|commit| property("gw:commit", commit)));
    Component { properties, ..plain("application", gateway_ref(about), "gateway", about.version.to_string()) }
}

fn tool() -> Component {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    plain("application", format!("xtask@{version}"), "xtask", version)
}

fn plain(kind: &'static str, bom_ref: String, name: &str, version: String) -> Component {
    Component {
        kind,
        bom_ref,
        name: name.to_owned(),
        version,
        scope: None,
        hashes: Vec::new(),
        licenses: Vec::new(),
        purl: None,
        properties: Vec::new(),
    }
}

fn component(graph: &Graph, member: &Member, bom_ref: &str, about: &About) -> Component {
    let package = &member.package;
    let hash = graph.locked_checksum(package);
    let licence = package.license.as_ref().map(|text| match spdx_expression(text) {
        Some(expression) => Licence::Expression(expression),
        None => Licence::License { name: text.clone() },
    });
    let plugin = graph.plugin(&package.id).map(|node| {
        [
            Property { name: "gw:plugin", value: "true".to_owned() },
            Property { name: "gw:source", value: source_of(node, &about.checkout) },
            Property { name: "gw:checksum", value: node.checksum.clone() },
        ]
    });
    Component {
        scope: Some(if member.build_only { "excluded" } else { "required" }),
        hashes: hash.map(|hash| Hash { alg: "SHA-256", content: hash.to_owned() }).into_iter().collect(),
        licenses: licence.into_iter().collect(),
        purl: purl(package),
        properties: plugin.into_iter().flatten().collect(),
        ..plain("library", bom_ref.to_owned(), &package.name, package.version.to_string())
    }
}

/// The package URL. A folder has none: `pkg:cargo/x@1` alone would say that it is the x of crates.io.
fn purl(package: &Package) -> Option<String> {
    let source = package.source.as_deref()?;
    let base = format!("pkg:cargo/{}@{}", package.name, encoded(&package.version.to_string()));
    if let Some(git) = source.strip_prefix("git+") {
        let (place, commit) = git.split_once('#').unwrap_or((git, ""));
        let url = place.split_once('?').map_or(place, |(url, _)| url);
        return Some(format!("{base}?vcs_url={}", encoded(&format!("git+{}@{commit}", public(url)))));
    }
    let url = source.split_once('+').map_or(source, |(_, url)| url);
    if url.ends_with("//github.com/rust-lang/crates.io-index") || url.ends_with("//index.crates.io/") {
        return Some(base);
    }
    Some(format!("{base}?repository_url={}", encoded(&public(url))))
}

/// A URL without a trace of credentials: it is to be compared with others.
fn public(url: &str) -> String {
    redact(url).replace("://***@", "://")
}

/// As package URLs want it: `:` and `/` may stay.
fn encoded(text: &str) -> String {
    let mut done = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:/".contains(&byte) {
            done.push(char::from(byte));
        } else {
            // A String takes all that is written to it.
            let _ = write!(done, "%{byte:02X}");
        }
    }
    done
}

/// A UUID of the kind that is made in one's own way (version 8), from the content.
fn serial_number(content: &[u8]) -> String {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&Sha256::digest(content)[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_a_uuid_that_follows_the_content() {
        let number = serial_number(b"a");
        assert_eq!(number, "urn:uuid:ca978112-ca1b-8dca-bac2-31b39a23dc4d");
        assert_ne!(number, serial_number(b"b"));
    }

    #[test]
    fn package_urls_are_encoded() {
        assert_eq!(encoded("git+https://h/x@1"), "git%2Bhttps://h/x%401");
        assert_eq!(encoded("1.0.0+build"), "1.0.0%2Bbuild");
    }
}
