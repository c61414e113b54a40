//! The graph of a gateway, from what cargo says about crates in temporary folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::gateway::graph::{Asked, Graph, GraphError, PluginOrigin};
use xtask::metadata::Metadata;
use xtask::repository::Repository;
use xtask::toolchain::{Toolchain, cargo};

use crate::standin::StandIn;

/// Crates beside a stand-in of our repository: plugins in `away/`, and a registry that is a folder, so that nothing needs
/// the network.
pub(crate) struct World {
    pub(crate) here: StandIn,
}

/// As the dependencies of a plugin.
pub(crate) const SDK: &str = r#"gateway-sdk = { path = "../../gateway-runtime/sdk" }"#;

impl World {
    pub(crate) fn new() -> Self {
        let here = StandIn::new();
        let registry = here.path("registry").display().to_string();
        fs::create_dir_all(&registry).expect("made");
        here.write(
            ".cargo/config.toml",
            &format!("[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = {registry:?}\n"),
        );
        Self { here }
    }

    /// A crate of the registry. Its checksum is its number, so that tests can tell them apart.
    pub(crate) fn published(&self, name: &str, version: &str, more: &str, dependencies: &str) -> PathBuf {
        let folder = format!("registry/{name}-{version}");
        let dir = self.here.package(&folder, name, version, more, dependencies);
        let json = format!("{{\"files\":{{}},\"package\":\"{}\"}}", checksum(name, version));
        self.here.write(&format!("{folder}/.cargo-checksum.json"), &json);
        dir
    }

    /// A plugin by path.
    pub(crate) fn plugin(&self, name: &str, more: &str, dependencies: &str) -> PathBuf {
        self.here.package(&format!("away/{name}"), name, "0.1.0", more, &format!("{SDK}\n{dependencies}"))
    }

    /// Puts a folder under git, and gives its URL.
    pub(crate) fn git(&self, folder: &str, tag: &str) -> String {
        let dir = self.here.path(folder);
        for args in [
            vec!["init", "--quiet", "--initial-branch=main"],
            vec!["add", "--all"],
            vec!["commit", "--quiet", "--message=one"],
            vec!["tag", tag],
        ] {
            let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"];
            let done = Command::new("git").args(identity).args(args).current_dir(&dir).status().expect("git runs");
            assert!(done.success());
        }
        format!("file://{}", dir.display())
    }

    /// The crate that names the plugins; what cargo says about it.
    pub(crate) fn generated(&self, dependencies: &str) -> Result<(Metadata, String), String> {
        let runtime = r#"gateway-runtime = { path = "../gateway-runtime" }"#;
        self.here.package("gw", "gateway", "0.1.0", "[workspace]", &format!("{runtime}\n{dependencies}"));
        metadata_of(&self.here.path("gw"))
    }

    /// The same with repositories of this machine. cargo keeps checkouts in its home, so it gets one of its own.
    pub(crate) fn fetched(&self, dependencies: &str) -> (Metadata, String) {
        let runtime = r#"gateway-runtime = { path = "../gateway-runtime" }"#;
        let dir = self.here.package("gw", "gateway", "0.1.0", "[workspace]", &format!("{runtime}\n{dependencies}"));
        let mut question = cargo(&dir);
        question.args(["metadata", "--format-version", "1"]).env("CARGO_HOME", self.here.path("cargo-home"));
        let answer = question.output().expect("cargo runs");
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        let lock = fs::read_to_string(dir.join("Cargo.lock")).expect("cargo wrote it");
        (serde_json::from_slice(&answer.stdout).expect("understood"), lock)
    }

    /// The graph of a gateway with plugins by path.
    pub(crate) fn graph(&self, plugins: &[&str]) -> Graph {
        let line = |name: &&str| format!("{name} = {{ path = \"../away/{name}\" }}");
        let lines: Vec<String> = plugins.iter().map(line).collect();
        let (metadata, lock) = self.generated(&lines.join("\n")).expect("resolved");
        let dir = |name: &&str| self.here.path(&format!("away/{name}"));
        let asked: Vec<Asked> =
            plugins.iter().map(|name| Asked { package: (*name).to_owned(), dir: Some(dir(name)) }).collect();
        Graph::new(metadata, &lock, &asked).expect("a graph")
    }
}

pub(crate) fn checksum(name: &str, version: &str) -> String {
    let digits: String = format!("{name}{version}").bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")
}

/// cargo's answer, or its words.
pub(crate) fn metadata_of(dir: &Path) -> Result<(Metadata, String), String> {
    let host = Toolchain::ask(dir).expect("rustc").host;
    let mut question = cargo(dir);
    question.args(["metadata", "--offline", "--format-version", "1", "--filter-platform", &host]);
    let answer = question.output().expect("cargo runs");
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into_owned());
    }
    let lock = fs::read_to_string(dir.join("Cargo.lock")).expect("cargo wrote it");
    Ok((serde_json::from_slice(&answer.stdout).expect("understood"), lock))
}

fn names(graph: &Graph) -> Vec<String> {
    graph.members().iter().map(|member| member.package.label()).collect()
}

fn id(graph: &Graph, name: &str) -> String {
    graph.members().iter().find(|member| member.package.name == name).expect("in the graph").package.id.clone()
}

#[test]
fn what_tests_and_other_systems_need_is_not_linked() {
    let world = World::new();
    world.published("needed", "1.0.0", "", "");
    world.published("in-build", "1.0.0", "", "");
    world.published("in-tests", "1.0.0", "", "");
    world.published("elsewhere", "1.0.0", "", "");
    // In the workspace of the generated crate, where cargo also resolves what tests need.
    let dir = world.here.package(
        "gw/links/a",
        "a",
        "0.1.0",
        "",
        &format!("needed = \"1\"\n{}", SDK.replace("../../", "../../../")),
    );
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
    let more = "[build-dependencies]\nin-build = \"1\"\n[dev-dependencies]\nin-tests = \"1\"\n\
                [target.'cfg(windows)'.dependencies]\nelsewhere = \"1\"\n";
    fs::write(dir.join("Cargo.toml"), manifest + more).expect("written");
    fs::write(dir.join("build.rs"), "fn main() {}").expect("written");
    let (metadata, lock) = world.generated("a = { path = \"links/a\" }").expect("resolved");
    assert!(metadata.packages.iter().any(|package| package.name == "in-tests"), "cargo names it");
    let graph = Graph::new(metadata, &lock, &[Asked { package: "a".to_owned(), dir: None }]).expect("a graph");
    assert_eq!(
        names(&graph),
        [
            "a 0.1.0",
            "gateway 0.1.0",
            "gateway-model 0.1.0",
            "gateway-runtime 0.1.0",
            "gateway-sdk 0.1.0",
            "in-build 1.0.0",
            "needed 1.0.0"
        ]
    );
    let build_only = graph.members().iter().filter(|member| member.build_only);
    assert_eq!(build_only.map(|member| member.package.name.as_str()).collect::<Vec<_>>(), ["in-build"]);
}

#[test]
fn a_macro_and_what_it_uses_are_there_while_building_only() {
    let world = World::new();
    world.published("parser", "1.0.0", "", "");
    world.published("derive", "1.0.0", "[lib]\nproc-macro = true", "parser = \"1\"");
    world.plugin("a", "", "derive = \"1\"");
    let graph = world.graph(&["a"]);
    let build_only = graph.members().iter().filter(|member| member.build_only);
    assert_eq!(build_only.map(|member| member.package.name.as_str()).collect::<Vec<_>>(), ["derive", "parser"]);

    // Once somebody links the parser, it is in the binary.
    world.plugin("b", "", "parser = \"1\"");
    let graph = world.graph(&["a", "b"]);
    let build_only = graph.members().iter().filter(|member| member.build_only);
    assert_eq!(build_only.map(|member| member.package.name.as_str()).collect::<Vec<_>>(), ["derive"]);
}

#[test]
fn it_is_known_who_brings_what_and_by_which_way() {
    let world = World::new();
    world.published("deep", "2.0.0", "", "");
    world.published("middle", "1.0.0", "", "deep = \"2\"");
    world.plugin("a", "", "middle = \"1\"");
    world.plugin("b", "", "deep = \"2\"");
    world.plugin("c", "", "");
    let graph = world.graph(&["c", "a", "b"]);
    let brought = graph.who_brings(&id(&graph, "deep"));
    assert_eq!((brought.plugins.as_slice(), brought.core), (["a".to_owned(), "b".to_owned()].as_slice(), false));
    assert_eq!(graph.who_brings(&id(&graph, "middle")).plugins, ["a"]);
    let brought = graph.who_brings(&id(&graph, "gateway-sdk"));
    assert_eq!((brought.plugins.len(), brought.core), (3, true));
    assert_eq!(graph.path("a", &id(&graph, "deep")).as_deref(), Some("a 0.1.0 → middle 1.0.0 → deep 2.0.0"));
    assert_eq!(graph.path("b", &id(&graph, "deep")).as_deref(), Some("b 0.1.0 → deep 2.0.0"));
    assert_eq!(graph.path("c", &id(&graph, "deep")), None);
    let model = id(&graph, "gateway-model");
    assert_eq!(
        graph.path_of_core(&model).as_deref(),
        Some("gateway-runtime 0.1.0 → gateway-sdk 0.1.0 → gateway-model 0.1.0")
    );
}

#[test]
fn the_checksum_of_a_plugin_by_path_changes_with_its_files_and_with_nothing_else() {
    let world = World::new();
    let dir = world.plugin("a", "license = \"MIT\"", "");
    let first = world.graph(&["a"]).plugins()[0].clone();
    assert_eq!((first.origin, first.license.as_deref()), (PluginOrigin::Path(dir.clone()), Some("MIT")));
    assert_eq!(first.checksum.len(), "sha256:".len() + 64);

    for name in ["target/debug/x", ".git/HEAD", "Cargo.lock"] {
        world.here.write(&format!("away/a/{name}"), "other");
    }
    assert_eq!(world.graph(&["a"]).plugins()[0].checksum, first.checksum, "what cargo and git leave there");

    fs::write(dir.join("README.md"), "new").expect("written");
    let second = world.graph(&["a"]).plugins()[0].checksum.clone();
    assert_ne!(second, first.checksum, "a new file");
    fs::rename(dir.join("README.md"), dir.join("READ.md")).expect("renamed");
    let third = world.graph(&["a"]).plugins()[0].checksum.clone();
    assert_ne!(third, second, "another name");
    world.here.write("away/a/src/target/mod.rs", "");
    assert_ne!(world.graph(&["a"]).plugins()[0].checksum, third, "a module named target is a source");
}

#[test]
fn a_plugin_that_cargo_saw_as_a_copy_is_hashed_where_the_user_works() {
    let world = World::new();
    let real = world.plugin("a", "", "");
    world.here.package("gw/copies/a", "a", "0.1.0", "", &SDK.replace("../../", "../../../"));
    let (metadata, lock) = world.generated("a = { path = \"copies/a\" }").expect("resolved");
    let asked = [Asked { package: "a".to_owned(), dir: Some(real.clone()) }];
    let graph = Graph::new(metadata, &lock, &asked).expect("a graph");
    assert_eq!(graph.plugins()[0].origin, PluginOrigin::Path(real.clone()));
    assert_eq!(graph.plugins()[0].checksum, world.graph(&["a"]).plugins()[0].checksum);
    let member = graph.member(&graph.plugins()[0].id).expect("in the graph");
    assert_eq!(graph.place(&member.package), real.display().to_string());
}

#[test]
fn a_plugin_from_git_has_its_commit_for_a_checksum() {
    let world = World::new();
    world.here.package("repository", "a", "0.3.0", "", "");
    let url = world.git("repository", "v1");
    let (metadata, lock) = world.fetched(&format!("a = {{ git = \"{url}\", tag = \"v1\" }}"));
    let graph = Graph::new(metadata, &lock, &[Asked { package: "a".to_owned(), dir: None }]).expect("a graph");
    let plugin = &graph.plugins()[0];
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(world.here.path("repository")).output();
    let commit = String::from_utf8(head.expect("git runs").stdout).expect("hex").trim().to_owned();
    assert_eq!(plugin.checksum, format!("sha1:{commit}"));
    assert_eq!(plugin.origin, PluginOrigin::Git { url, reference: Some("tag=v1".to_owned()), commit });
    assert!(plugin.dir.starts_with(world.here.path("cargo-home")), "{}", plugin.dir.display());
}

#[test]
fn a_plugin_from_a_registry_has_the_checksum_of_the_lock() {
    let world = World::new();
    world.published("a", "1.2.3", "", "");
    let (metadata, lock) = world.generated("a = \"1\"").expect("resolved");
    let asked = [Asked { package: "a".to_owned(), dir: None }];
    let graph = Graph::new(metadata.clone(), &lock, &asked).expect("a graph");
    let plugin = &graph.plugins()[0];
    assert_eq!(plugin.checksum, format!("sha256:{}", checksum("a", "1.2.3")));
    assert_eq!(
        plugin.origin,
        PluginOrigin::Registry { url: "https://github.com/rust-lang/crates.io-index".to_owned() }
    );
    let error = Graph::new(metadata, "", &asked).expect_err("no checksum").to_string();
    assert!(error.starts_with("the lock file has no checksum of plugin `a` 1.2.3\n  = "), "{error}");
}

#[test]
fn what_is_no_gateway_is_said() {
    let world = World::new();
    let (metadata, lock) = world.generated("").expect("resolved");
    let asked = [Asked { package: "ghost".to_owned(), dir: None }];
    let error = Graph::new(metadata.clone(), &lock, &asked).expect_err("not linked");
    assert!(matches!(&error, GraphError::NotLinked { package } if package == "ghost"), "{error}");
    let error = Graph::new(metadata.clone(), "[[package", &[]).expect_err("no TOML");
    assert!(matches!(error, GraphError::Lock(_)), "{error}");
    let mut rootless = metadata;
    rootless.resolve = None;
    assert!(matches!(Graph::new(rootless, &lock, &[]), Err(GraphError::NoRoot)));
}

/// The real gateway and its sample plugins, with the lock of this repository.
pub(crate) fn real(plugins: &[&str]) -> (tempfile::TempDir, Graph) {
    let repository = Repository::of_xtask();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |folder: PathBuf| toml::Value::String(folder.display().to_string()).to_string();
    let mut manifest = format!(
        "[package]\nname = \"gateway\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         gateway-runtime = {{ path = {} }}\n",
        path(repository.runtime())
    );
    let folder = |name: &&str| repository.plugins().join(name);
    for name in plugins {
        manifest += &format!("{name} = {{ path = {} }}\n", path(folder(name)));
    }
    fs::create_dir(dir.path().join("src")).expect("made");
    fs::write(dir.path().join("src/lib.rs"), "").expect("written");
    fs::write(dir.path().join("Cargo.toml"), manifest).expect("written");
    fs::copy(repository.root().join("Cargo.lock"), dir.path().join("Cargo.lock")).expect("copied");
    let (metadata, lock) = metadata_of(dir.path()).expect("resolved");
    let asked: Vec<Asked> =
        plugins.iter().map(|name| Asked { package: (*name).to_owned(), dir: Some(folder(name)) }).collect();
    (dir, Graph::new(metadata, &lock, &asked).expect("a graph"))
}

#[test]
fn the_real_gateway_is_understood() {
    let (_dir, graph) = real(&["add-foo-bar-header"]);
    let member = |name: &str| graph.member(&id(&graph, name)).expect("in the graph");
    assert!(!member("tokio").build_only);
    assert!(member("plugin-macros").build_only && member("syn").build_only);
    assert!(graph.locked_checksum(&member("tokio").package).is_some_and(|checksum| checksum.len() == 64));
    assert_eq!(graph.plugins()[0].license.as_deref(), Some("Apache-2.0"));
    assert!(!names(&graph).iter().any(|name| name.starts_with("trybuild ")), "that is for tests");
}
