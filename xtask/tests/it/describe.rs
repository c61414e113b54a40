//! What a gateway says about itself.

use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::path::PathBuf;

use flate2::read::ZlibDecoder;
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};
use xtask::gateway::describe::{About, Described, describe};
use xtask::gateway::graph::{Asked, Graph};
use xtask::metadata::Metadata;

use crate::graph::{World, checksum, real};

fn about(checkout: PathBuf) -> About {
    About {
        version: Version::new(0, 9, 1),
        commit: Some("0123456789ab".to_owned()),
        rustc: "rustc 1.95.0".to_owned(),
        target: "x86_64-unknown-linux-gnu".to_owned(),
        profile: "ship".to_owned(),
        lock_sha256: "ab".repeat(32),
        checkout,
    }
}

/// A plugin by path outside, one inside, and one of the registry, with a macro and a library of the registry.
fn sample() -> (World, Described) {
    let world = World::new();
    world.published("lib", "1.0.0", "license = \"MIT/Apache-2.0\"", "");
    world.published("derive", "1.0.0", "license = \"my own\"\n[lib]\nproc-macro = true", "lib = \"1\"");
    world.published("bought", "2.0.0", "", "lib = \"1\"");
    world.plugin("away", "license = \"MIT\"", "derive = \"1\"");
    world.here.package("plugins/home", "home", "0.1.0", "", crate::standin::SDK_BY_PATH);
    let dependencies = "away = { path = \"../away/away\" }\nhome = { path = \"../plugins/home\" }\nbought = \"2\"";
    let (metadata, lock) = world.generated(dependencies).expect("resolved");
    let described = described(&world, metadata, &lock);
    (world, described)
}

fn described(world: &World, metadata: Metadata, lock: &str) -> Described {
    let asked = [("away", Some("away/away")), ("bought", None), ("home", Some("plugins/home"))];
    let asked =
        asked.map(|(package, dir)| Asked { package: package.to_owned(), dir: dir.map(|dir| world.here.path(dir)) });
    // The checkout is the stand-in without what is `away`.
    let graph = Graph::new(metadata, lock, &asked).expect("a graph");
    let mut about = about(world.here.path(""));
    about.checkout = world.here.path("").join("plugins");
    describe(&graph, &about).expect("described")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_build_names_plugins_with_sources_that_are_the_same_everywhere() {
    let (world, described) = sample();
    let build = parsed(&described.build);
    let plugins = build["plugins"].as_array().expect("a list");
    assert_eq!(
        (&build["version"], &build["commit"], &build["profile"], &build["lock"]),
        (&json!("0.9.1"), &json!("0123456789ab"), &json!("ship"), &json!(format!("sha256:{}", "ab".repeat(32))))
    );
    assert_eq!(plugins.len(), 3);
    assert_eq!((&plugins[0]["source"], &plugins[0]["license"]), (&json!("path+away"), &json!("MIT")));
    assert_eq!(
        plugins[1],
        json!({
            "name": "bought", "version": "2.0.0", "source": "registry+https://github.com/rust-lang/crates.io-index",
            "checksum": format!("sha256:{}", checksum("bought", "2.0.0")), "license": null,
        })
    );
    assert_eq!(plugins[2]["source"], "path+home");
    let here = world.here.path("").display().to_string();
    assert!(!described.build.contains(here.trim_end_matches('/')), "{}", described.build);
    assert!(!described.sbom.contains(here.trim_end_matches('/')), "{}", described.sbom);
}

#[test]
fn two_checkouts_give_the_same_bytes() {
    let (first_world, first) = sample();
    let (second_world, second) = sample();
    assert_ne!(first_world.here.path(""), second_world.here.path(""));
    assert_eq!(first, second);
}

#[test]
fn another_order_of_cargos_answer_gives_the_same_bytes() {
    let (world, first) = sample();
    let dependencies = "bought = \"2\"\nhome = { path = \"../plugins/home\" }\naway = { path = \"../away/away\" }";
    let (mut metadata, lock) = world.generated(dependencies).expect("resolved");
    metadata.packages.reverse();
    for node in &mut metadata.resolve.as_mut().expect("a graph").nodes {
        node.deps.reverse();
    }
    assert_eq!(described(&world, metadata, &lock), first);
}

#[test]
fn the_sbom_lists_each_package_with_hash_licence_and_scope() {
    let (_world, described) = sample();
    let sbom = parsed(&described.sbom);
    check_bom(&sbom);
    let component = |name: &str| {
        let all = sbom["components"].as_array().expect("a list");
        all.iter().find(|component| component["name"] == name).expect("listed").clone()
    };
    assert_eq!(
        component("lib"),
        json!({
            "type": "library", "bom-ref": "pkg:cargo/lib@1.0.0", "name": "lib", "version": "1.0.0", "scope": "required",
            "hashes": [{"alg": "SHA-256", "content": checksum("lib", "1.0.0")}],
            "licenses": [{"expression": "MIT OR Apache-2.0"}], "purl": "pkg:cargo/lib@1.0.0",
        })
    );
    let derive = component("derive");
    assert_eq!(
        (&derive["scope"], &derive["licenses"]),
        (&json!("excluded"), &json!([{"license": {"name": "my own"}}]))
    );
    let away = component("away");
    assert_eq!(away.get("purl"), None, "a folder is not the crate of that name on crates.io");
    assert_eq!(away["properties"][0], json!({"name": "gw:plugin", "value": "true"}));
    let plugins = sbom["components"].as_array().expect("a list").iter();
    let plugins = plugins.filter(|component| component["properties"][0]["name"] == "gw:plugin");
    assert_eq!(plugins.map(|plugin| plugin["name"].clone()).collect::<Vec<_>>(), ["away", "bought", "home"]);
    assert_eq!(sbom["metadata"]["component"]["version"], "0.9.1");
    let tree = sbom["dependencies"].as_array().expect("a list");
    let of = |name: &str| tree.iter().find(|one| one["ref"] == name).expect("in the tree")["dependsOn"].clone();
    assert_eq!(of("pkg:cargo/bought@2.0.0"), json!(["pkg:cargo/lib@1.0.0"]));
    let gateway = of("gateway@0.9.1");
    assert!(gateway.as_array().is_some_and(|list| list.len() == 4), "runtime and three plugins: {gateway}");
}

/// What the schema of CycloneDX 1.5 requires of the parts that we write: bom, component, hash, licence, dependency.
fn check_bom(bom: &Value) {
    assert_eq!(
        (&bom["bomFormat"], &bom["specVersion"], &bom["version"]),
        (&json!("CycloneDX"), &json!("1.5"), &json!(1))
    );
    let serial = bom["serialNumber"].as_str().expect("there").strip_prefix("urn:uuid:").expect("a UUID");
    let lengths: Vec<usize> = serial.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert!(serial.chars().all(|c| c == '-' || (c.is_ascii_hexdigit() && !c.is_ascii_uppercase())), "{serial}");
    assert!(bom["metadata"].get("timestamp").is_none(), "it would differ each time");
    let components: Vec<&Value> = bom["components"].as_array().expect("a list").iter().collect();
    let mut refs = HashSet::from([bom["metadata"]["component"]["bom-ref"].as_str().expect("named")]);
    for component in components {
        assert_eq!(component["type"], "library");
        assert!(component["name"].is_string() && component["version"].is_string(), "{component}");
        assert!(["required", "excluded"].iter().any(|scope| component["scope"] == *scope), "{component}");
        assert!(refs.insert(component["bom-ref"].as_str().expect("named")), "twice: {component}");
        for hash in component["hashes"].as_array().into_iter().flatten() {
            let content = hash["content"].as_str().expect("hex");
            assert!(hash["alg"] == "SHA-256" && content.len() == 64 && content.chars().all(|c| c.is_ascii_hexdigit()));
        }
        for licence in component["licenses"].as_array().into_iter().flatten() {
            assert!(licence["expression"].is_string() || licence["license"]["name"].is_string(), "{licence}");
        }
    }
    let mut listed = HashSet::new();
    for dependency in bom["dependencies"].as_array().expect("a list") {
        assert!(listed.insert(dependency["ref"].as_str().expect("named")), "twice: {dependency}");
        let on: Vec<&str> =
            dependency["dependsOn"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(on.iter().all(|name| refs.contains(name)), "{dependency}");
        assert_eq!(on.iter().collect::<BTreeSet<_>>().len(), on.len(), "twice: {dependency}");
    }
    assert_eq!(listed, refs, "each component is in the tree");
}

#[test]
fn a_package_from_git_has_a_url_with_its_commit_and_no_credentials() {
    let (world, _) = sample();
    let (metadata, lock) = world.generated("bought = \"2\"").expect("resolved");
    let git = "git+https://user:tok@host/x?token=t&tag=v1#0123456789012345678901234567890123456789";
    // The same answer, as if the library had come from a private repository: there is none without a network.
    let text = lock.replace("registry+https://github.com/rust-lang/crates.io-index", "registry+https://u:p@corp/index");
    let mut metadata = metadata;
    for package in metadata.packages.iter_mut().filter(|package| package.source.is_some()) {
        let source = if package.name == "lib" { git } else { "registry+https://u:p@corp/index" };
        package.source = Some(source.to_owned());
    }
    let asked = [Asked { package: "bought".to_owned(), dir: None }];
    let graph = Graph::new(metadata, &text, &asked).expect("a graph");
    let described = describe(&graph, &about(world.here.path(""))).expect("described");
    let sbom = parsed(&described.sbom);
    let purls: Vec<&str> =
        sbom["components"].as_array().expect("a list").iter().filter_map(|c| c["purl"].as_str()).collect();
    assert_eq!(
        purls,
        [
            "pkg:cargo/bought@2.0.0?repository_url=https://corp/index",
            "pkg:cargo/lib@1.0.0?vcs_url=git%2Bhttps://host/x%400123456789012345678901234567890123456789",
        ]
    );
    assert_eq!(parsed(&described.build)["plugins"][0]["source"], "registry+https://***@corp/index");
}

#[test]
fn one_commit_by_two_names_is_two_components() {
    let world = World::new();
    world.here.package("repository", "lib", "0.3.0", "", "");
    let url = world.git("repository", "v1");
    world.plugin("a", "", &format!("lib = {{ git = \"{url}\", tag = \"v1\" }}"));
    world.plugin("b", "", &format!("lib = {{ git = \"{url}\", branch = \"main\" }}"));
    let (metadata, lock) = world.fetched("a = { path = \"../away/a\" }\nb = { path = \"../away/b\" }");
    let graph = Graph::new(metadata, &lock, &[]).expect("a graph");
    let described = describe(&graph, &about(world.here.path(""))).expect("described");
    let sbom = parsed(&described.sbom);
    check_bom(&sbom);
    let libraries = sbom["components"].as_array().expect("a list").iter().filter(|one| one["name"] == "lib");
    assert_eq!(libraries.count(), 2);
}

/// As cargo-auditable reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Audit {
    packages: Vec<Audited>,
    format: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Audited {
    name: String,
    version: Version,
    source: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

fn audited(described: &Described) -> Audit {
    let mut json = Vec::new();
    ZlibDecoder::new(described.auditable.as_slice()).read_to_end(&mut json).expect("zlib");
    serde_json::from_slice(&json).expect("the format")
}

#[test]
fn the_auditable_list_is_read_back() {
    let (_world, described) = sample();
    let audit = audited(&described);
    assert_eq!(audit.format, 1);
    let line = |one: &Audited| {
        let on: Vec<&str> = one.dependencies.iter().map(|at| audit.packages[*at].name.as_str()).collect();
        format!("{} {} {} {} [{}]", one.name, one.version, one.source, one.kind.as_deref().unwrap_or("-"), on.join(" "))
    };
    assert_eq!(
        audit.packages.iter().map(line).collect::<Vec<_>>(),
        [
            "away 0.1.0 local - [derive gateway-sdk]",
            "bought 2.0.0 crates.io - [lib]",
            "derive 1.0.0 crates.io build [lib]",
            "gateway 0.9.1 local - [away bought gateway-runtime home]",
            "gateway-model 0.1.0 local - []",
            "gateway-runtime 0.1.0 local - [gateway-sdk]",
            "gateway-sdk 0.1.0 local - [gateway-model]",
            "home 0.1.0 local - [gateway-sdk]",
            "lib 1.0.0 crates.io - []",
        ]
    );
    let roots: Vec<&str> = audit.packages.iter().filter(|one| one.root).map(|one| one.name.as_str()).collect();
    assert_eq!(roots, ["gateway"]);
}

#[test]
fn the_real_gateway_is_described() {
    let (_dir, graph) = real(&["add-foo-bar-header"]);
    let checkout = xtask::repository::Repository::of_xtask().root().to_owned();
    let described = describe(&graph, &about(checkout.clone())).expect("described");
    assert_eq!(parsed(&described.build)["plugins"][0]["source"], "path+plugins/add-foo-bar-header");
    check_bom(&parsed(&described.sbom));
    assert!(!described.sbom.contains(&checkout.display().to_string()), "no path of this machine");
    let audit = audited(&described);
    assert_eq!(audit.packages.len(), graph.members().len());
    let kind = |name: &str| audit.packages.iter().find(|one| one.name == name).expect("listed").kind.clone();
    assert_eq!((kind("tokio"), kind("syn")), (None, Some("build".to_owned())));
}
