//! A repository in a temporary folder: our layout, our template, and crates that do nearly nothing.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use xtask::build;
use xtask::cli::{BuildArgs, PluginArg, Selection};
use xtask::gateway::compile::{CompileError, Product, compile};
use xtask::gateway::describe::Described;
use xtask::gateway::plan::Plan;
use xtask::gateway::prove::{Proof, ProveError, prove};
use xtask::gateway::resolve::Resolved;
use xtask::gateway::stage::Stage;
use xtask::gateway::turn::Turn;
use xtask::report::Report;
use xtask::repository::Repository;

pub(crate) const SDK_BY_PATH: &str = r#"gateway-sdk = { path = "../../gateway-runtime/sdk" }"#;

pub(crate) struct StandIn {
    dir: TempDir,
}

impl StandIn {
    /// Runtime, SDK and model; no plugins.
    pub(crate) fn new() -> Self {
        let here = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        here.write(
            "Cargo.toml",
            r#"
            [workspace]
            resolver = "3"
            members = ["gateway-runtime", "gateway-runtime/sdk", "gateway-runtime/model", "plugins/*"]
            exclude = ["gateway-template", "target"]
            [profile.fast]
            inherits = "release"
            opt-level = 0
            incremental = true
            [profile.ship]
            inherits = "release"
            lto = "fat"
            strip = "symbols"
            "#,
        );
        here.package("gateway-runtime/model", "gateway-model", "0.1.0", "", "");
        let model = r#"gateway-model = { path = "../model" }"#;
        here.package("gateway-runtime/sdk", "gateway-sdk", "0.1.0", "links = \"gw_sdk\"", model);
        // As the real one: else all that depends on it would be compiled anew in each generated crate.
        let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }";
        here.write("gateway-runtime/sdk/build.rs", script);
        let sdk = r#"gateway-sdk = { path = "sdk" }"#;
        here.package("gateway-runtime", "gateway-runtime", "0.1.0", "", sdk);
        here.write("gateway-runtime/src/lib.rs", RUNTIME);
        here.copy("gateway-template/gateway");
        here
    }

    /// A plugin that registers itself.
    pub(crate) fn plugin(&self, folder: &str, name: &str, dependencies: &str) -> PathBuf {
        let dir = self.package(folder, name, "0.1.0", "", dependencies);
        self.write(&format!("{folder}/src/lib.rs"), &registration(name));
        dir
    }

    pub(crate) fn package(&self, folder: &str, name: &str, version: &str, more: &str, dependencies: &str) -> PathBuf {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n{more}\n[dependencies]\n{dependencies}\n"
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
        self.write(&format!("{folder}/src/lib.rs"), "");
        self.path(folder)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).expect("there").join(path)
    }

    /// The names in a folder, sorted.
    pub(crate) fn entries(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("readable").file_name().display().to_string();
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::at(self.path(""))
    }

    /// One more crate of the workspace.
    pub(crate) fn member(&self, folder: &str) {
        let file = self.path("Cargo.toml");
        let mut manifest: toml::Table = toml::from_str(&fs::read_to_string(&file).expect("there")).expect("TOML");
        manifest["workspace"]["members"].as_array_mut().expect("a list").push(folder.into());
        fs::write(file, manifest.to_string()).expect("written");
    }

    /// A folder of our own checkout, without what was compiled.
    pub(crate) fn copy(&self, folder: &str) {
        let from = Repository::of_xtask().root().join(folder);
        for entry in fs::read_dir(&from).expect("in the checkout") {
            let entry = entry.expect("readable");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                if entry.file_name() != "target" {
                    self.copy(&path);
                }
            } else {
                let to = self.path(&path);
                fs::create_dir_all(to.parent().expect("it has a folder")).expect("made");
                fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
}

/// The real SDK with its crates and the templates, under another version, in a workspace like ours.
pub(crate) fn second_checkout(version: &str) -> StandIn {
    let here = StandIn { dir: tempfile::tempdir().expect("a temporary folder") };
    for folder in ["gateway-runtime/sdk", "gateway-runtime/model", "plugin-macros", "gateway-template"] {
        here.copy(folder);
    }
    let root = Repository::of_xtask().root().to_owned();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("there");
    let mut manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
    let workspace = manifest["workspace"].as_table_mut().expect("a table");
    let members = ["gateway-runtime/sdk", "gateway-runtime/model", "plugin-macros", "plugins/*"];
    workspace.insert("members".to_owned(), members.map(toml::Value::from).to_vec().into());
    workspace["package"]["version"] = version.into();
    for (_, dependency) in workspace["dependencies"].as_table_mut().expect("a table") {
        if dependency.get("path").is_some() {
            dependency["version"] = version.into();
        }
    }
    here.write("Cargo.toml", &manifest.to_string());
    here.write("Cargo.lock", &fs::read_to_string(root.join("Cargo.lock")).expect("there"));
    here.write(".rustfmt.toml", &fs::read_to_string(root.join(".rustfmt.toml")).unwrap_or_default());
    fs::create_dir_all(here.path("plugins")).expect("made");
    // The glob of the members has to find something.
    here.package("plugins/nothing", "nothing", "0.0.0", "", "");
    here
}

pub(crate) fn args(plugins: &[&str]) -> BuildArgs {
    let plugins: Result<Vec<PluginArg>, _> = plugins.iter().map(|item| item.parse()).collect();
    let selection = Selection { plugins: plugins.expect("understood"), offline: true, ..Selection::default() };
    BuildArgs { selection, ..BuildArgs::default() }
}

/// A gateway that can be compiled: all steps before that are done.
pub(crate) struct Settled {
    pub(crate) plan: Plan,
    pub(crate) stage: Stage,
    pub(crate) resolved: Resolved,
    described: Described,
    _turn: Turn,
}

impl Settled {
    pub(crate) fn of(repository: &Repository, args: &BuildArgs) -> Self {
        let report = Report::silent();
        let (turn, plan, resolved) = build::settled(repository, args, &report, 7).expect("settled");
        let (stage, described) = build::prepare(&plan, &resolved, &report).expect("nothing against it");
        Self { plan, stage, resolved, described, _turn: turn }
    }

    pub(crate) fn compile(&self) -> Result<Product, CompileError> {
        compile(&self.plan, &self.stage, &Report::silent())
    }

    pub(crate) fn prove(&self, product: &Product) -> Result<Proof, ProveError> {
        prove(&self.plan, &self.resolved.graph, &self.described, &product.path)
    }
}

/// What `#[gw_plugin]` leaves in a binary.
pub(crate) fn registration(package: &str) -> String {
    let record = format!("{{\"crate\":\"{package}\",\"version\":\"0.1.0\",\"name\":\"Name\",\"hooks\":[\"post\"]}}\n");
    format!(
        "#[used]\n#[unsafe(link_section = \".gw_plugins\")]\nstatic RECORD: [u8; {}] = *b{record:?};\n",
        record.len()
    )
}

/// Prints what it was built with.
const RUNTIME: &str = r#"
use std::process::ExitCode;
#[derive(Debug, Default)]
pub struct Build {
    pub expected: &'static [(&'static str, &'static str)],
    pub about: Option<&'static str>,
    pub sbom: Option<&'static str>,
}
pub fn main_with(build: Build) -> ExitCode {
    println!("{:?}\n{}", build.expected, build.about.unwrap_or_default());
    ExitCode::SUCCESS
}
"#;
