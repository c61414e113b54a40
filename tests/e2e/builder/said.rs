//! What a binary says of its own making: when it is asked, and to those who only read it.

use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;
use gateway_tests::{Conf, binary};
use serde_json::{Value, json};
use xtask::elf::Elf;
use xtask::inspect::{self, AUDIT_SECTION};

use super::scene::Scene;

/// A command of a binary, which has to succeed.
fn told(binary: &Path, arguments: &[&str]) -> String {
    let output = Conf::of(binary).command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn read(binary: &Path) -> Elf {
    Elf::read(binary).expect("an ELF file")
}

/// `gateway version -m` names each plugin with where it came from, and what it was.
pub(crate) fn names_the_three_sources(binary: &Path, scene: &Scene) {
    let version: Value = serde_json::from_str(&told(binary, &["version", "-m", "--json"])).expect("JSON");
    let plugins = version["Plugins"].as_array().expect("a list");
    let theirs = format!("git+{}?tag=v1#{}", scene.url, scene.commit);
    let commit = format!("sha1:{}", scene.commit);
    let expected = [
        ("add-foo-bar-header", "path+plugins/add-foo-bar-header", "sha256:"),
        ("mine", "path+mine", "sha256:"),
        ("theirs", theirs.as_str(), commit.as_str()),
    ];
    assert_eq!(plugins.len(), expected.len(), "{version:#}");
    for (plugin, (name, source, checksum)) in plugins.iter().zip(expected) {
        assert_eq!((&plugin["Name"], &plugin["Version"]), (&json!(name), &json!("0.1.0")));
        assert_eq!(plugin["Source"], source);
        let told = plugin["Checksum"].as_str().unwrap_or_default();
        assert!(told.starts_with(checksum), "{version:#}");
        let (_, digits) = told.split_once(':').unwrap_or_default();
        assert!(digits.len() >= 40 && digits.chars().all(|digit| digit.is_ascii_hexdigit()), "{version:#}");
    }
    let facts = inspect::facts(&read(binary)).expect("a gateway");
    let built = facts.build.expect("a section of the builder");
    let read = built.plugins.iter().map(|one| json!([one.name, one.version, one.source, one.checksum]));
    let asked = plugins.iter().map(|one| json!([one["Name"], one["Version"], one["Source"], one["Checksum"]]));
    assert!(read.eq(asked), "who reads the file learns the same: {:#?}", built.plugins);
    assert_eq!(version["Lock"], json!(built.lock));
}

#[test]
fn the_sbom_is_the_same_asked_and_read_and_lists_what_is_linked() {
    let told = told(binary::examples(), &["sbom"]);
    let elf = read(binary::examples());
    let sbom = inspect::sbom(&elf).expect("JSON").expect("a section of the builder");
    assert_eq!(told.trim_end_matches('\n'), sbom.trim_end_matches('\n'));
    let sbom: Value = serde_json::from_str(sbom).expect("JSON");
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    let components = sbom["components"].as_array().expect("a list");
    let is_plugin = |component: &&Value| component["properties"][0]["name"] == "gw:plugin";
    let plugins: Vec<_> = components.iter().filter(is_plugin).map(|component| &component["name"]).collect();
    let mut expected = binary::EXAMPLES;
    expected.sort_unstable();
    assert_eq!(plugins, expected);
    let hyper = components.iter().find(|component| component["name"] == "hyper").expect("the server is on hyper");
    assert_eq!((&hyper["scope"], &hyper["hashes"][0]["alg"]), (&json!("required"), &json!("SHA-256")));
    assert!(hyper["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:cargo/hyper@1.")), "{hyper}");
}

/// In the format of cargo-auditable: JSON, compressed with zlib, with one root.
#[test]
fn the_list_for_auditors_is_in_the_binary() {
    let elf = read(binary::examples());
    let section = elf.section(AUDIT_SECTION).expect("an ELF file").expect("a section of the builder");
    let mut text = String::new();
    ZlibDecoder::new(section).read_to_string(&mut text).expect("zlib");
    let audit: Value = serde_json::from_str(&text).expect("JSON");
    let packages = audit["packages"].as_array().expect("a list");
    let roots: Vec<_> = packages.iter().filter(|package| package["root"] == true).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert_eq!((&roots[0]["name"], &roots[0]["version"]), (&json!("gateway"), &json!(env!("CARGO_PKG_VERSION"))));
    let source = |name: &str| packages.iter().find(|package| package["name"] == name).map(|found| &found["source"]);
    assert_eq!(source("gateway-runtime"), Some(&json!("local")));
    assert_eq!(source("token-auth"), Some(&json!("local")));
    assert_eq!(source("hyper"), Some(&json!("crates.io")));
    let at = |index: &Value| index.as_u64().and_then(|index| packages.get(usize::try_from(index).ok()?));
    let direct: Vec<_> = roots[0]["dependencies"].as_array().expect("a list").iter().filter_map(at).collect();
    assert_eq!(direct.len(), binary::EXAMPLES.len() + 1, "the plugins and the server: {direct:?}");
}
