//! A gateway under test as a running process, with a folder of its own: `tyk.conf`, `apps/`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::client::{Answer, Ask, Client, ask, get};
use crate::definition::Definition;
use crate::feed::whole;
use crate::log::Log;
use crate::{DEADLINE, binary, within_deadline};

/// The secret of every gateway under test.
pub const SECRET: &str = "a secret of the tests";
/// The header that carries it.
pub const SECRET_HEADER: &str = "x-tyk-authorization";

/// A gateway about to be started.
pub struct Conf {
    binary: PathBuf,
    conf: Value,
    variables: Vec<(String, String)>,
    folder: Arc<TempDir>,
}

impl Default for Conf {
    fn default() -> Self {
        Self::of(binary::everything())
    }
}

impl Conf {
    /// A gateway from another binary than the one with all plugins.
    ///
    /// # Panics
    /// When there is no room for its folder.
    #[must_use]
    pub fn of(binary: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("gw-e2e-").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("apps")).expect("a folder in a folder of ours");
        let conf = json!({
            "listen_address": "127.0.0.1",
            "listen_port": 8080,
            "secret": SECRET,
            "app_path": folder.path().join("apps"),
            "log_format": "json",
        });
        Self { binary: binary.to_owned(), conf, variables: Vec::new(), folder: Arc::new(folder) }
    }

    /// Sets a variable of its environment, which is empty otherwise.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a key of `tyk.conf`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.conf[key] = value.into();
        self
    }

    /// Sets a key of `http_server_options`.
    #[must_use]
    pub fn server(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.conf["http_server_options"][key] = value.into();
        self
    }

    /// Adds an API.
    #[must_use]
    pub fn with(self, definition: &Definition) -> Self {
        self.file(&definition.file_name(), &definition.to_string())
    }

    /// Adds a file to `apps/`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.apps().join(name), text).expect("a file in a folder of ours");
        self
    }

    /// The gateway's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of definitions.
    #[must_use]
    pub fn apps(&self) -> PathBuf {
        self.folder.path().join("apps")
    }

    /// Runs a command of the gateway to its end, with `--conf`.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.prepared().args(arguments).stdin(Stdio::null()).output().expect("the gateway's binary runs")
    }

    fn prepared(&self) -> Command {
        let path = self.folder.path().join("tyk.conf");
        std::fs::write(&path, format!("{:#}\n", self.conf)).expect("a file in a folder of ours");
        let mut command = Command::new(&self.binary);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.env_clear().envs(variables).current_dir(self.folder.path()).arg("--conf").arg(path);
        command
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub async fn start(self) -> Gateway {
        let process = self.spawn(&["--port", "0"]);
        let line = process.log.message("listening").await;
        let address = line.field("address").parse().expect("the log tells the address");
        Gateway { address, process, conf: self }
    }

    /// Starts it, however it ends.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn spawn(&self, arguments: &[&str]) -> Process {
        self.spawn_as(self.prepared().args(arguments))
    }

    /// Starts it by another command, which is made of the usual one.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn spawn_by(&self, arguments: &[&str], changed: impl FnOnce(&Command) -> Command) -> Process {
        self.spawn_as(&mut changed(self.prepared().args(arguments)))
    }

    fn spawn_as(&self, command: &mut Command) -> Process {
        let mut process = Process::spawn(command);
        process._folder = Some(Arc::clone(&self.folder));
        process
    }
}

/// A child process. It is killed when this is dropped.
pub struct Process {
    pid: Pid,
    /// Its log.
    pub log: Log,
    exit: watch::Receiver<Option<ExitStatus>>,
    /// It reads its files for as long as it lives.
    _folder: Option<Arc<TempDir>>,
}

impl Process {
    /// Starts a command and follows its stderr.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let log = Log::follow(child.stderr.take().expect("stderr is a pipe"));
        let pid = Pid::from_child(&child);
        let (told, exit) = watch::channel(None);
        std::thread::spawn(move || told.send_replace(child.wait().ok()));
        Self { pid, log, exit, _folder: None }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if self.exit.borrow().is_none() {
            // It may be ending just now.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it lives on.
    pub async fn exit(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let ended = tokio::time::timeout(DEADLINE, exit.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(status)) => status.expect("waited for some"),
            Ok(Err(_)) => panic!("nobody waits for the process any more"),
            Err(_) => panic!("the process lives on after {DEADLINE:?}; its log is\n{}", self.log),
        }
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "a failing test shows the log of its gateway")]
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if std::thread::panicking() {
            eprintln!("the log of process {}:\n{}", self.pid(), self.log);
        }
    }
}

/// A gateway that listens.
pub struct Gateway {
    /// Where.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
    conf: Conf,
}

impl Gateway {
    /// A gateway with all plugins and one API.
    pub async fn serving(definition: &Definition) -> Self {
        Conf::default().with(definition).start().await
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.process.log
    }

    /// The folder of definitions.
    #[must_use]
    pub fn apps(&self) -> PathBuf {
        self.conf.apps()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.conf.folder()
    }

    /// A connection to it.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Asks on a connection of its own.
    pub async fn ask(&self, ask: Ask) -> Answer {
        self.connect().await.ask(ask).await
    }

    /// `GET` on a connection of its own.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(get(path)).await
    }

    /// A control route, with the secret.
    pub async fn control(&self, path: &str) -> Answer {
        self.ask(get(path).header(SECRET_HEADER, SECRET)).await
    }

    /// A control route by any method, with the secret and a body.
    pub async fn operate(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(ask(method, path).header(SECRET_HEADER, SECRET).body(whole(body))).await
    }

    /// Writes a definition; it has no effect before a reload.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, definition: &Definition) {
        self.write_file(&definition.file_name(), &definition.to_string());
    }

    /// Writes a file of `apps/`, all of it at once.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_file(&self, name: &str, text: &str) {
        let beside = self.apps().join(format!(".{name}"));
        std::fs::write(&beside, text).expect("a file in a folder of ours");
        std::fs::rename(beside, self.apps().join(name)).expect("renamed in its folder");
    }

    /// Reloads, and waits for the end of the cycle.
    ///
    /// # Panics
    /// When the gateway refuses to answer.
    pub async fn reload(&self) {
        let answer = self.control("/tyk/reload?block=true").await;
        assert_eq!(answer.text(), "{\"status\":\"ok\",\"message\":\"\"}\n", "{}", self.log());
    }

    /// Ends it in good order, and gives how it ended.
    pub async fn terminate(self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        within_deadline("the gateway's end", self.process.exit()).await
    }
}
