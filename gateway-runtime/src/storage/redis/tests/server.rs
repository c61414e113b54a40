//! A real Redis on a free port, for one test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use redis::{Client, Connection, cmd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::storage::conformance::until;
use crate::storage::{RedisSettings, Secret, Topology};

/// How long a server may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn password() -> &'static str {
    "a password of the tests"
}

/// How a gateway reaches these servers.
pub(super) fn settings(servers: &[&Server]) -> RedisSettings {
    RedisSettings {
        nodes: servers.iter().map(|server| ("127.0.0.1".to_owned(), server.port)).collect(),
        topology: Topology::Single,
        username: String::new(),
        password: Secret::default(),
        database: 0,
        tls: None,
        // The machine may be busy.
        timeout: DEADLINE,
        at_once: 500,
    }
}

/// A server. It ends when this is dropped.
pub(super) struct Server {
    pub(super) port: u16,
    arguments: Vec<String>,
    process: Child,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Server {
    /// A server that keeps nothing.
    pub(super) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::start_in(folder, &[&["--save", "", "--appendonly", "no"], arguments].concat(), "--port")
    }

    /// A server that speaks TLS only, and the certificate of who has issued its own.
    pub(super) fn with_tls() -> (Self, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut issuer = CertificateParams::new(Vec::new()).expect("parameters");
        issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate().expect("a key")).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let own = own.signed_by(&key, &issuer).expect("a certificate");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("own.pem", &own.pem());
        write("key.pem", &key.serialize_pem());
        write("issuer.pem", &issuer.pem());
        let arguments = ["--port", "0", "--tls-cert-file", "own.pem", "--tls-key-file", "key.pem"];
        let more = ["--tls-ca-cert-file", "issuer.pem", "--tls-auth-clients", "no", "--save", ""];
        let server = Self::start_in(folder, &[&arguments[..], &more[..]].concat(), "--tls-port");
        (server, issuer.pem().into_bytes())
    }

    /// A sentinel that watches a server by the name `mine`, and needs no other to agree.
    pub(super) fn sentinel(server: &Self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!(
            "sentinel monitor mine 127.0.0.1 {} 1\nsentinel down-after-milliseconds mine 500\n\
             sentinel failover-timeout mine 2000\n",
            server.port
        );
        std::fs::write(folder.path().join("sentinel.conf"), text).expect("written");
        Self::start_in(folder, &["sentinel.conf", "--sentinel"], "--port")
    }

    fn start_in(folder: TempDir, arguments: &[&str], port_flag: &str) -> Self {
        // Another process may take the port before the server has it.
        for _ in 0..5 {
            let port = free_port();
            // The file of a sentinel comes before everything else.
            let (file, rest) = match arguments {
                [file, rest @ ..] if !file.starts_with("--") => (Some(*file), rest),
                all => (None, all),
            };
            let port_text = port.to_string();
            let bound = [port_flag, &port_text, "--bind", "127.0.0.1"];
            let arguments: Vec<String> =
                file.iter().chain(rest).chain(&bound).map(|argument| (*argument).to_owned()).collect();
            let mut process = spawn(folder.path(), &arguments);
            if answers(port, &mut process) {
                return Self { port, arguments, process, folder };
            }
            drop(process.kill());
            drop(process.wait());
        }
        panic!("redis-server does not start: run it with `{arguments:?}`, and see what it says");
    }

    /// A connection of another tool's.
    pub(super) fn connection(&self) -> Connection {
        let client = Client::open(("127.0.0.1", self.port)).expect("an address");
        client.get_connection_with_timeout(DEADLINE).expect("a connection")
    }

    pub(super) fn stop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    /// The same, on the same port.
    pub(super) fn start_again(&mut self) {
        self.process = spawn(self.folder.path(), &self.arguments);
        assert!(answers(self.port, &mut self.process), "redis-server does not start again");
    }

    /// It answers nobody, and keeps its connections.
    pub(super) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is a child of ours");
    }

    /// Waits until this sentinel knows who could take over.
    pub(super) async fn knows_a_replica(&self) {
        until("a replica", async || {
            let mut replicas = cmd("SENTINEL");
            replicas.arg("REPLICAS").arg("mine");
            let known = replicas.query::<Vec<redis::Value>>(&mut self.connection());
            known.is_ok_and(|replicas| !replicas.is_empty())
        })
        .await;
    }
}

/// Two masters, which know each other.
pub(super) async fn cluster() -> [Server; 2] {
    let start = || Server::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
    let servers = [start(), start()];
    for (server, slots) in servers.iter().zip([[0, 8191], [8192, 16383]]) {
        let mut take = cmd("CLUSTER");
        take.arg("ADDSLOTSRANGE").arg(&slots);
        () = take.query(&mut server.connection()).expect("slots");
    }
    // Members whose epochs are the same have to settle whose is the higher first.
    let mut epoch = cmd("CLUSTER");
    epoch.arg("SET-CONFIG-EPOCH").arg(1);
    () = epoch.query(&mut servers[0].connection()).expect("an epoch");
    let mut meet = cmd("CLUSTER");
    meet.arg("MEET").arg("127.0.0.1").arg(servers[1].port);
    () = meet.query(&mut servers[0].connection()).expect("a meeting");
    until("a cluster", async || {
        servers.iter().all(|server| {
            let mut info = cmd("CLUSTER");
            let info = info.arg("INFO").query::<String>(&mut server.connection());
            info.is_ok_and(|info| info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384"))
        })
    })
    .await;
    servers
}

fn free_port() -> u16 {
    // A cluster's members hear each other on a port 10,000 above theirs.
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        if let Some(bus) = port.checked_add(10_000)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok()
        {
            return port;
        }
    }
}

fn spawn(folder: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("redis-server is not here: run tests/install-redis")
}

/// Whether somebody listens before the process ends.
fn answers(port: u16, process: &mut Child) -> bool {
    let begun = std::time::Instant::now();
    while begun.elapsed() < DEADLINE {
        if std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        if !matches!(process.try_wait(), Ok(None)) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
