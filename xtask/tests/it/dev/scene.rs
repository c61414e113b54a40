//! A plugin outside of the repository, a definition that uses it, and `cargo xtask dev`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use xtask::gateway::plan::plan;
use xtask::repository::Repository;

use crate::cli::free_port;
use crate::standin::args;

/// A gateway may have to be built from nothing, after others.
const FIRST_BUILD: Duration = Duration::from_secs(1200);
/// For all that comes after it.
const DEADLINE: Duration = Duration::from_secs(180);

pub(crate) struct Scene {
    pub(crate) port: u16,
    dir: TempDir,
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Scene {
    /// Builds and serves the answer `one` below `/mine/`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = fs::canonicalize(dir.path()).expect("there");
        let sdk = Repository::of_xtask().root().join("gateway-runtime/sdk").display().to_string();
        write(
            &root.join("my-plugin/Cargo.toml"),
            &format!(
                "[package]\nname = \"my-plugin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
                 [dependencies]\ngateway-sdk = {{ path = {sdk:?} }}\n"
            ),
        );
        write(&root.join("my-plugin/src/lib.rs"), &source("\"one\""));
        write(&root.join("apis/mine.json"), &definition("mine", 9));
        let port = free_port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["dev", "--plugins"])
            .arg(root.join("my-plugin"))
            .arg("--apis")
            .arg(root.join("apis"))
            .args(["--port", &port])
            .current_dir(Repository::of_xtask().root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("xtask runs");
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        let port = port.parse().expect("a number");
        let mut scene = Self { port, dir, child, lines, said: Vec::new() };
        scene.within(FIRST_BUILD, "serving on http://127.0.0.1:");
        scene
    }

    /// Waits for a line with these words, and gives it.
    pub(crate) fn until(&mut self, words: &str) -> String {
        self.within(DEADLINE, words)
    }

    fn within(&mut self, time: Duration, words: &str) -> String {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("`{words}` was not said, but:\n{}", self.said.join("\n"));
            };
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// What was said since this was asked the last time.
    pub(crate) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).expect("there").join(path)
    }

    /// Saves the plugin with another answer, which may be no Rust.
    pub(crate) fn edit(&self, answer: &str) {
        write(&self.path("my-plugin/src/lib.rs"), &source(answer));
    }

    /// The same, as many editors do: written beside it, and renamed over it.
    pub(crate) fn edit_by_rename(&self, answer: &str) {
        let file = self.path("my-plugin/src/lib.rs");
        let beside = file.with_file_name("lib.rs~");
        write(&beside, &source(answer));
        fs::rename(beside, file).expect("renamed");
    }

    /// A definition, served below its name; what the plugin lets pass goes to this port.
    pub(crate) fn define(&self, name: &str, upstream: u16) {
        write(&self.path(&format!("apis/{name}.json")), &definition(name, upstream));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// The process that was started from `gateway-N`.
    pub(crate) fn gateway(&self, number: u32) -> Option<Pid> {
        self.gateways().get(&number).copied()
    }

    /// Waits until all other gateways are gone, and their files too.
    pub(crate) fn until_only(&self, number: u32) {
        let deadline = Instant::now() + DEADLINE;
        let dir = Repository::of_xtask().work_dir().join("dev").join(self.port.to_string());
        let file = |number: &u32| dir.join(format!("gateway-{number}")).is_file();
        while !self.gateways().into_keys().eq([number]) || !(1..=number).filter(file).eq([number]) {
            assert!(Instant::now() < deadline, "still running: {:?}", self.gateways());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// All gateways of this scene, by their number.
    fn gateways(&self) -> BTreeMap<u32, Pid> {
        let name = format!("/dev/{}/gateway-", self.port);
        let mut found = BTreeMap::new();
        for entry in fs::read_dir("/proc").expect("readable").flatten() {
            let pid = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            // It may have ended meanwhile. That of a zombie is empty.
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            let number = command.split('\0').find_map(|word| word.split_once(&name)?.1.parse().ok());
            if let (Some(pid), Some(number)) = (pid, number) {
                found.insert(number, pid);
            }
        }
        found
    }

    /// Gives the plugin a build script that is still running when this returns, and ends once the file is closed.
    pub(crate) fn edit_to_a_long_build(&self) -> File {
        let gate = self.path("gate");
        let made = Command::new("mkfifo").arg(&gate).status().expect("mkfifo runs");
        assert!(made.success());
        write(&self.path("my-plugin/build.rs"), &format!("fn main() {{ std::fs::read({gate:?}).unwrap(); }}"));
        let (sender, opened) = channel();
        // Waits for the reader.
        thread::spawn(move || sender.send(File::options().write(true).open(gate)));
        opened.recv_timeout(DEADLINE).expect("it was built").expect("opened")
    }

    /// Waits for its end.
    pub(crate) fn status(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end; nothing of it is left.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.status();
        self.said.extend(self.lines.iter());
        assert!(self.gateways().is_empty(), "still running: {:?}", self.gateways());
        TcpListener::bind(("127.0.0.1", self.port)).expect("the port is free");
        (status, self.said())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind either. Twice: at once.
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::INT);
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
        // Best effort: they name a folder and a port that are nobody's any more.
        let repository = Repository::of_xtask();
        let _ = fs::remove_dir_all(repository.work_dir().join("dev").join(self.port.to_string()));
        if let Ok(plan) = plan(&repository, &args(&[&self.path("my-plugin").display().to_string()])) {
            let _ = fs::remove_dir_all(plan.dir());
        }
    }
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    fs::write(file, text).expect("written");
}

/// Answers everything but `/slow/`.
fn source(answer: &str) -> String {
    format!(
        "use gateway_sdk::prelude::*;\n\
         #[gw_plugin(hook = \"pre\", name = \"Answer\")]\n\
         fn answer(_: &Request, api: &ApiDefinition) -> Option<(StatusCode, &'static str)> {{\n    \
             (api.name != \"slow\").then_some((StatusCode::OK, {answer}))\n\
         }}\n"
    )
}

fn definition(name: &str, upstream: u16) -> String {
    format!(
        r#"{{
  "name": "{name}", "api_id": "{name}", "org_id": "default", "active": true, "use_keyless": true,
  "version_data": {{ "not_versioned": true, "versions": {{ "Default": {{ "name": "Default" }} }} }},
  "proxy": {{ "listen_path": "/{name}/", "target_url": "http://127.0.0.1:{upstream}/", "strip_listen_path": true }},
  "custom_middleware": {{ "driver": "goplugin", "pre": [{{ "name": "Answer", "path": "my-plugin.so" }}] }}
}}
"#
    )
}

fn forward(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let stream = BufReader::new(stream.expect("piped"));
    thread::spawn(move || {
        for line in stream.lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}
