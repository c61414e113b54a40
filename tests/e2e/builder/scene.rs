//! Three plugins of three places, and the manifest of a gateway with all of them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway_tests::{Definition, Upstream, api, binary};
use tempfile::TempDir;
use xtask::cli::{BuildArgs, Hook, NewArgs, Selection};
use xtask::gateway::plan::plan;
use xtask::new::new;
use xtask::report::{Report, chain};
use xtask::repository::Repository;

/// Folders outside of the repository: `gateway/gw.toml` and `mine/`; and a git repository.
pub(crate) struct Scene {
    dir: TempDir,
    /// What `theirs` is fetched from. It is the same in each run, as cargo keeps a clone of every address for months.
    pub(crate) url: String,
    /// What the tag stands for.
    pub(crate) commit: String,
}

impl Scene {
    /// Both plugins are what `cargo xtask new` makes; the one under git asks for the SDK by its version.
    pub(crate) fn new(repository: &Repository) -> Self {
        let dir = folder();
        let repositories = binary::work_dir().join("git");
        // Of an earlier run, if there was one.
        let _ = fs::remove_dir_all(&repositories);
        for (name, hook, parent) in [("mine", Hook::Post, real(&dir)), ("theirs", Hook::Response, repositories.clone())]
        {
            let args = NewArgs { name: name.to_owned(), hook, gateway: false, path: Some(parent) };
            new(repository, &args, &Report::silent()).unwrap_or_else(|error| failed(&error));
        }
        let theirs = repositories.join("theirs");
        let sdk = format!("{{ path = {:?} }}", repository.root().join("gateway-runtime/sdk"));
        replace(&theirs.join("Cargo.toml"), &sdk, "\"0.1\"");
        git(&theirs, &["init", "--quiet"]);
        git(&theirs, &["add", "--all"]);
        git(&theirs, &["commit", "--quiet", "--message=theirs: add a header"]);
        git(&theirs, &["tag", "v1"]);
        let commit = git(&theirs, &["rev-parse", "HEAD"]);
        let scene = Self { dir, url: format!("file://{}", theirs.display()), commit };
        let manifest = format!(
            "[gateway]\nversion = {:?}\n\n[plugins]\nadd-foo-bar-header = {{ bundled = true }}\n\
             mine = {{ path = \"../mine\" }}\ntheirs = {{ git = {:?}, tag = \"v1\" }}\n\n\
             [build]\nprofile = {:?}\napis = \"apps\"\noutput = \"dist/gateway\"\n",
            env!("CARGO_PKG_VERSION"),
            scene.url,
            binary::profile().name(),
        );
        fs::create_dir_all(scene.path("gateway/apps")).expect("a folder in a folder of ours");
        fs::write(scene.path("gateway/gw.toml"), manifest).expect("a file in a folder of ours");
        let definition = three("http://127.0.0.1:1".to_owned());
        fs::write(scene.path("gateway/apps/three.json"), definition.to_string()).expect("a file in a folder of ours");
        scene
    }

    /// The same gateway and the same lock at another place.
    pub(crate) fn moved(&self) -> Self {
        let there = Self { dir: folder(), url: self.url.clone(), commit: self.commit.clone() };
        for file in ["gateway/gw.toml", "gateway/gw.lock", "gateway/apps/three.json"] {
            copy(&self.path(file), &there.path(file));
        }
        copy(&self.path("mine"), &there.path("mine"));
        there
    }

    pub(crate) fn args(&self) -> BuildArgs {
        let manifest = Some(self.path("gateway/gw.toml"));
        let selection = Selection { manifest, ..Selection::default() };
        BuildArgs { selection, ..BuildArgs::default() }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path("gateway/gw.lock")
    }

    /// Changes the source of the plugin in the folder.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        replace(&self.path("mine/src/lib.rs"), old, new);
    }

    /// An API with all three.
    pub(crate) fn definition(&self, upstream: &Upstream) -> Definition {
        three(format!("http://{}/", upstream.address))
    }

    fn path(&self, path: &str) -> PathBuf {
        real(&self.dir).join(path)
    }
}

/// The generated crates name folders that are about to go; after a failure somebody may want to look at them.
impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Ok(plan) = plan(&Repository::of_xtask(), &self.args())
        {
            let _ = fs::remove_dir_all(plan.dir());
        }
    }
}

/// Ends the test with an error and its causes.
pub(crate) fn failed(error: &dyn Error) -> ! {
    panic!("{}", chain(error))
}

fn three(target: String) -> Definition {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    api("three", nowhere)
        .set("/proxy/target_url", target)
        .plugins("post", &["AddFooBarHeader", "Mine@mine"])
        .plugins("response", &["Theirs@theirs"])
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("gw-outside-").tempdir().expect("a temporary folder")
}

/// Without links, as the builder names it.
fn real(dir: &TempDir) -> PathBuf {
    fs::canonicalize(dir.path()).expect("a folder of ours")
}

fn replace(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).expect("a file of ours");
    assert!(text.contains(old), "{old} in {}:\n{text}", file.display());
    fs::write(file, text.replacen(old, new, 1)).expect("a file of ours");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap_or(to)).expect("a folder in a folder of ours");
    if from.is_file() {
        fs::copy(from, to).expect("room for a copy");
        return;
    }
    for entry in fs::read_dir(from).expect("a folder of ours") {
        let name = entry.expect("a folder of ours").file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}

/// Runs git as if nobody had configured it.
fn git(dir: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(args).current_dir(dir);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    // The same content is the same commit.
    git.env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z").env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z");
    let output = git.output().expect("git runs");
    assert!(output.status.success(), "{git:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
