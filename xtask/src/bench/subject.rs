//! What is measured: gateways, and the peers beside them. Each has two workers, keeps connections alive on both sides and
//! writes no access log.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::error::BenchError;
use super::gateway::{Conf, KEY, SECRET};
use super::machine::{Side, on};
use super::process::{Process, tree};
use super::tools::{LUA, NDK, Tool};
use crate::cli::Peer;

const NGINX: &str = include_str!("../../bench/peers/nginx.conf");
const HAPROXY: &str = include_str!("../../bench/peers/haproxy.cfg");
/// As gateways that are made of nginx run their plugins.
const SET_HEADER: &str = r#"access_by_lua_block { ngx.req.set_header("X-Bench", "1") }"#;

/// Where everything happens.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Each subject has a folder in it.
    pub(super) dir: PathBuf,
    /// Every proxy's.
    pub(super) upstream: SocketAddr,
}

/// How a proxy is started.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A gateway, with definitions.
    Gateway { binary: PathBuf, conf: Conf },
    /// A peer from a package of Debian's.
    Debian { peer: Peer, program: PathBuf },
    /// A peer from xtask/bench: `PROGRAM LISTEN UPSTREAM`.
    Crate { program: PathBuf },
}

/// A proxy.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// It sets `X-Bench`.
    pub(super) sets_header: bool,
}

/// A proxy that serves.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    /// Before the paths that the upstream knows.
    pub(super) prefix: String,
    /// From exec to the first 200.
    pub(super) took: Duration,
    /// It and its children, when it began to serve.
    pub(super) tree: Vec<u32>,
    /// What its clients show, if anything.
    pub(super) key: Option<&'static str>,
    sets_header: bool,
}

impl Subject {
    /// Starts it, and waits for its first 200.
    ///
    /// # Errors
    /// When that does not come.
    pub(super) fn start(&self, place: &Place) -> Result<Running, BenchError> {
        self.start_under(place, self.name, &[])
    }

    /// As [`Subject::start`], by another program that runs it, in a folder of its own.
    ///
    /// # Errors
    /// As [`Subject::start`].
    pub(super) fn start_under(&self, place: &Place, folder: &str, wrapper: &[OsString]) -> Result<Running, BenchError> {
        let dir = place.dir.join(folder);
        fs::create_dir_all(&dir).map_err(BenchError::io("make", &dir))?;
        let port = free_port().map_err(|source| BenchError::Io { what: "find a free port".to_owned(), source })?;
        let arguments = self.arguments(place, &dir, port)?;
        let all: Vec<OsString> = wrapper.iter().cloned().chain(arguments).collect();
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).current_dir(&dir);
        let began = Instant::now();
        let mut process = on(Side::Tested, || Process::spawn(self.name, &mut command, &dir))?;
        let (prefix, session) = match &self.kind {
            Kind::Gateway { conf, .. } => (conf.prefix(), conf.keys.then(|| conf.session())),
            _ => (String::new(), None),
        };
        let key = session.is_some().then_some(KEY);
        // What runs in another program is slow, and its requests are counted: it is asked once, and waited for.
        let (seconds, each) = if wrapper.is_empty() { (20, 2) } else { (120, 100) };
        let url = format!("http://127.0.0.1:{port}{prefix}/hello");
        let is_served =
            |request: minreq::Request| request.with_timeout(each).send().is_ok_and(|answer| answer.status_code == 200);
        loop {
            if let Some(session) = &session {
                let keys = format!("http://127.0.0.1:{port}/tyk/keys/{KEY}");
                let written = minreq::post(keys).with_header("x-tyk-authorization", SECRET);
                // The request without it is refused, and tried again.
                is_served(written.with_body(session.to_string()));
            }
            // As the load generator calls itself.
            let asked = minreq::get(&url).with_header("user-agent", "load/1");
            if is_served(key.map_or(asked.clone(), |key| asked.with_header("authorization", key))) {
                break;
            }
            if let Some(status) = process.ended() {
                let (said, log) = (process.said(), process.log.clone());
                return Err(BenchError::Ended { name: self.name.to_owned(), status, said, log });
            }
            if began.elapsed() > Duration::from_secs(seconds) {
                return Err(BenchError::Silent { name: self.name.to_owned(), seconds, log: process.log.clone() });
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        let (took, tree) = (began.elapsed(), process.tree());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Running { process, address, prefix, took, tree, key, sets_header: self.sets_header })
    }

    fn arguments(&self, place: &Place, dir: &Path, port: u16) -> Result<Vec<OsString>, BenchError> {
        let words = match &self.kind {
            Kind::Gateway { binary, conf } => {
                let conf = conf.write(dir, port, place.upstream)?;
                return Ok([binary.as_os_str(), "--conf".as_ref(), conf.as_os_str()].map(OsString::from).into());
            }
            Kind::Crate { program } => {
                [program.clone().into(), format!("127.0.0.1:{port}").into(), place.upstream.to_string().into()].into()
            }
            Kind::Debian { peer: Peer::Haproxy, program } => {
                let conf = filled(HAPROXY, place, dir, port, false, &dir.join("haproxy.cfg"))?;
                vec![program.clone().into(), "-db".into(), "-f".into(), conf.into()]
            }
            Kind::Debian { peer, program } => {
                let conf = filled(NGINX, place, dir, port, *peer == Peer::NginxLua, &dir.join("nginx.conf"))?;
                let words = ["-e".into(), dir.join("error.log").into(), "-g".into(), "daemon off;".into()];
                let first = [program.clone().into(), "-p".into(), dir.into(), "-c".into(), conf.into()];
                first.into_iter().chain(words).collect()
            }
        };
        Ok(words)
    }
}

/// Writes a configuration from a template.
fn filled(template: &str, place: &Place, dir: &Path, port: u16, lua: bool, file: &Path) -> Result<PathBuf, BenchError> {
    let mut load = String::new();
    if lua {
        load = format!("load_module {NDK};\nload_module {LUA};\n");
    }
    if rustix::process::geteuid().is_root() {
        load.push_str("user root;");
    }
    let text = template
        .replace("@LOAD@", &load)
        .replace("@LOCATION@", if lua { SET_HEADER } else { "" })
        .replace("@DIR@", &dir.display().to_string())
        .replace("@PORT@", &port.to_string())
        .replace("@UPSTREAM@", &place.upstream.to_string());
    fs::write(file, text).map_err(BenchError::io("write", file))?;
    Ok(file.to_owned())
}

/// A peer, by the program that it is.
///
/// # Errors
/// When a program that was installed cannot be found.
pub(super) fn debian(peer: Peer, name: &'static str) -> Result<Subject, BenchError> {
    let tool = if peer == Peer::Haproxy { Tool::Haproxy } else { Tool::Nginx };
    Ok(Subject { name, kind: Kind::Debian { peer, program: tool.path()? }, sets_header: peer == Peer::NginxLua })
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Running {
    /// What is asked of it for a path of the upstream.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Its process and children as they are now: some start theirs after the first answer.
    pub(super) fn look_again(&mut self) {
        self.tree = tree(self.process.child.id());
    }

    /// Checks that bodies pass whole, and that the header is set, or is not.
    ///
    /// # Errors
    /// When something else comes.
    pub(super) fn verify(&self) -> Result<(), BenchError> {
        let wrong = |what: String| {
            Err(BenchError::Wrong { name: self.process.name.clone(), what, log: self.process.log.clone() })
        };
        let ask = |path: &str| {
            let url = format!("http://{}{}", self.address, self.path(path));
            minreq::get(&url).with_timeout(10).send().map(|answer| (answer.status_code, answer.into_bytes()))
        };
        for (path, length) in [("/hello", 128), ("/10k", 10 << 10), ("/1m", 1 << 20)] {
            match ask(path) {
                Ok((200, body)) if body.len() == length => {}
                Ok((status, body)) => return wrong(format!("{path} gives {status} and {} bytes", body.len())),
                Err(error) => return wrong(format!("{path}: {error}")),
            }
        }
        let expected: &[u8] = if self.sets_header { b"yes" } else { b"no" };
        match ask("/seen") {
            Ok((200, body)) if body == expected => Ok(()),
            Ok((_, body)) => wrong(format!("the upstream has seen X-Bench: {}", String::from_utf8_lossy(&body))),
            Err(error) => wrong(format!("/seen: {error}")),
        }
    }
}
