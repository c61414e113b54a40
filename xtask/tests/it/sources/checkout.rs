//! A stand-in checkout in which the real `xtask` runs, a registry that is a folder of it, and folders and git repositories
//! outside of it. cargo has a home of its own here, so nothing of this machine's is used or touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use xtask::toolchain::cargo;

use crate::graph::World;

/// As a dependency of a plugin that is published.
pub(crate) const PUBLISHED_SDK: &str = "gateway-sdk = \"0.1\"";

pub(crate) struct Checkout {
    pub(crate) world: World,
    away: TempDir,
}

/// What a command has said, without the names of temporary folders: `$ROOT` is the checkout, `$AWAY` everything else.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Checkout {
    pub(crate) fn new() -> Self {
        let away = tempfile::tempdir().expect("a temporary folder");
        let world = World::new();
        // The glob of the members has to find something.
        world.here.package("plugins/nothing", "nothing", "0.0.0", "", "");
        Self { world, away }
    }

    /// Runs `xtask` in the root of the checkout.
    pub(crate) fn xtask(&self, args: &[&str]) -> Said {
        self.xtask_in(&self.path(""), args)
    }

    pub(crate) fn xtask_in(&self, dir: &Path, args: &[&str]) -> Said {
        self.said(self.command(dir).args(args))
    }

    /// Runs `xtask` where the network must not be needed.
    pub(crate) fn without_network(&self, args: &[&str]) -> Said {
        self.said(self.command(&self.path("")).args(args).env("CARGO_NET_OFFLINE", "true"))
    }

    /// Builds, and gives what was linked: `a 0.1.0, b 1.2.0`.
    pub(crate) fn built(&self, args: &[&str]) -> String {
        let said = self.xtask(&[&["build"], args].concat()).succeeded();
        let (_, plugins) = said.stdout.trim_end().split_once("  plugins: ").expect("the line of a gateway");
        plugins.to_owned()
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        self.isolated(&mut command);
        command.current_dir(dir);
        command
    }

    /// Runs cargo itself in a folder.
    pub(crate) fn cargo_in(&self, dir: &Path, args: &[&str]) -> Said {
        let mut command = cargo(dir);
        self.isolated(&mut command);
        self.said(command.args(args).env_remove("CARGO_TARGET_DIR"))
    }

    fn isolated(&self, command: &mut Command) {
        command.env("CARGO_HOME", self.path("cargo-home")).env("CARGO_NET_RETRY", "0");
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env_remove("SSH_AUTH_SOCK");
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy);
        }
    }

    fn said(&self, command: &mut Command) -> Said {
        let output = command.output().expect("it runs");
        let text = |bytes: &[u8]| self.named(&String::from_utf8_lossy(bytes));
        let Output { status, stdout, stderr } = &output;
        Said { code: status.code().expect("not killed"), stdout: text(stdout), stderr: text(stderr) }
    }

    /// A text without the names of temporary folders.
    fn named(&self, text: &str) -> String {
        let root = self.path("").display().to_string();
        let text = text.replace(root.trim_end_matches('/'), "$ROOT");
        text.replace(&self.away_root(), "$AWAY")
    }

    fn away_root(&self) -> String {
        fs::canonicalize(self.away.path()).expect("there").display().to_string()
    }

    /// A place in the checkout.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.world.here.path(path)
    }

    /// A place outside of it.
    pub(crate) fn away(&self, path: &str) -> PathBuf {
        Path::new(&self.away_root()).join(path)
    }

    /// Writes a file outside of the checkout.
    pub(crate) fn write(&self, path: &str, text: &str) {
        write(&self.away(path), text);
    }

    /// A plugin in `plugins/`.
    pub(crate) fn bundled(&self, name: &str) {
        let dir = self.path("plugins").join(name);
        write_plugin(&dir, name, "0.1.0", "gateway-sdk = { path = \"../../gateway-runtime/sdk\" }");
    }

    /// A plugin outside of the checkout, in no workspace. Its SDK is the published one.
    pub(crate) fn plugin(&self, folder: &str, name: &str, version: &str) -> PathBuf {
        let dir = self.away(folder);
        write_plugin(&dir, name, version, PUBLISHED_SDK);
        dir
    }

    /// A plugin in the registry.
    pub(crate) fn published(&self, name: &str, version: &str) {
        let dir = self.world.published(name, version, "", PUBLISHED_SDK);
        write(&dir.join("src/lib.rs"), &registering("\"Name\""));
    }

    /// A git repository outside of the checkout, with nothing in it.
    pub(crate) fn git(&self, folder: &str) -> Git {
        let git = Git { dir: self.away(folder) };
        fs::create_dir_all(&git.dir).expect("made");
        git.run(&["init", "--quiet", "--initial-branch=main"]);
        git
    }

    /// A git repository of one plugin: 1.0.0 is `v1`, 2.0.0 the end of the branch `side`, and 3.0.0 that of `main`.
    pub(crate) fn git_plugin(&self, name: &str) -> Git {
        let git = self.git(&format!("git/{name}"));
        git.release(name, "1.0.0");
        git.run(&["tag", "v1"]);
        git.run(&["checkout", "--quiet", "-b", "side"]);
        git.release(name, "2.0.0");
        git.run(&["checkout", "--quiet", "main"]);
        git.release(name, "3.0.0");
        git
    }

    /// Makes the checkout that of another release.
    pub(crate) fn is_release(&self, version: &str) {
        for folder in ["gateway-runtime", "gateway-runtime/sdk", "gateway-runtime/model"] {
            let file = self.path(folder).join("Cargo.toml");
            let manifest = fs::read_to_string(&file).expect("there");
            write(&file, &manifest.replacen("version = \"0.1.0\"", &format!("version = \"{version}\""), 1));
        }
    }

    /// `gw.toml` in a folder of its own outside of the checkout.
    pub(crate) fn manifest(&self, text: &str) -> String {
        self.write("project/gw.toml", text);
        self.away("project/gw.toml").display().to_string()
    }

    pub(crate) fn lock(&self) -> String {
        fs::read_to_string(self.away("project/gw.lock")).expect("there")
    }
}

impl Said {
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// The message of a command that has failed with this exit code.
    pub(crate) fn refused(self, code: u8) -> String {
        assert_eq!(self.code, i32::from(code), "{}{}", self.stdout, self.stderr);
        // cargo may have had an error of its own to tell before.
        let mut messages = self.stderr.rsplit("\nerror: ");
        messages.next().expect("a message").trim_start_matches("error: ").trim_end().to_owned()
    }
}

/// A git repository of this machine.
pub(crate) struct Git {
    pub(crate) dir: PathBuf,
}

impl Git {
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.dir.display())
    }

    /// Runs git as somebody who exists only here, and gives what it prints.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"];
        let mut command = Command::new("git");
        command.args(identity).args(args).current_dir(&self.dir).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().expect("git runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// Commits all files, and gives the commit.
    pub(crate) fn commit(&self) -> String {
        self.run(&["add", "--all"]);
        self.run(&["commit", "--quiet", "--message=one more"]);
        self.run(&["rev-parse", "HEAD"])
    }

    /// Makes the plugin in the root of the repository this version, and commits.
    pub(crate) fn release(&self, name: &str, version: &str) -> String {
        write_plugin(&self.dir, name, version, PUBLISHED_SDK);
        self.commit()
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// A plugin that registers itself under the name `Name`.
pub(crate) fn write_plugin(dir: &Path, name: &str, version: &str, dependencies: &str) {
    let package = format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n");
    write(&dir.join("Cargo.toml"), &format!("{package}[dependencies]\n{dependencies}\n"));
    write(&dir.join("src/lib.rs"), &registering("\"Name\""));
}

/// What `#[gw_plugin]` leaves in a binary. The name of the function is anything that `concat!` takes.
pub(crate) fn registering(name: &str) -> String {
    format!(
        r##"const TEXT: &str = concat!(
            "{{\"crate\":\"", env!("CARGO_PKG_NAME"), "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
            "\",\"name\":\"", {name}, "\",\"hooks\":[\"post\"]}}\n"
        );
        #[used]
        #[unsafe(link_section = ".gw_plugins")]
        static RECORD: [u8; TEXT.len()] = match TEXT.as_bytes().first_chunk() {{ Some(all) => *all, None => panic!() }};
        "##
    )
}

/// The names under which the plugins of a binary have registered, sorted.
pub(crate) fn registered(binary: &Path) -> Vec<String> {
    let proof = xtask::gateway::prove::inspect(binary).expect("a gateway");
    let mut names: Vec<String> =
        proof.records.into_iter().map(|record| format!("{}::{}", record.package, record.name)).collect();
    names.sort();
    names
}

/// What a stand-in gateway prints: what it expects to hold, and what it says of itself.
pub(crate) fn says(binary: &Path) -> String {
    let output = Command::new(binary).output().expect("it runs");
    String::from_utf8(output.stdout).expect("text")
}
