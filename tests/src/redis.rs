//! A real Redis on a port of its own, for one test.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::DEADLINE;

/// A server. It ends when this is dropped.
pub struct Redis {
    /// Where it listens, on the loopback.
    pub port: u16,
    /// What was written is there when it is started again.
    keeps: bool,
    process: Option<Child>,
    folder: TempDir,
}

impl Redis {
    /// A server that runs.
    ///
    /// # Panics
    /// When there is none: `tests/install-redis` installs it.
    #[must_use]
    pub fn start() -> Self {
        Self::running(false)
    }

    /// A server that runs, and that has what was written when it is started again.
    ///
    /// # Panics
    /// When there is none: `tests/install-redis` installs it.
    #[must_use]
    pub fn keeping() -> Self {
        Self::running(true)
    }

    fn running(keeps: bool) -> Self {
        // Another process may take a port before the server has it.
        for _ in 0..5 {
            let mut redis = Self::stopped();
            redis.keeps = keeps;
            if redis.run() {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// A server that does not run yet, and keeps nothing.
    ///
    /// # Panics
    /// When there is no port or no folder.
    #[must_use]
    pub fn stopped() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of the system's choice");
        let port = listener.local_addr().expect("it is bound").port();
        Self { port, keeps: false, process: None, folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Starts it, on the same port as before; says whether it answers.
    ///
    /// # Panics
    /// When there is none: `tests/install-redis` installs it.
    pub fn run(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendfsync", "always"]);
        command.args(["--appendonly", if self.keeps { "yes" } else { "no" }]);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = self.process.insert(command.spawn().expect("redis-server is not here: run tests/install-redis"));
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE && matches!(process.try_wait(), Ok(None)) {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// The names of all that is in it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it runs");
        stream.write_all(b"KEYS *\r\n").expect("it takes a command");
        // `*COUNT`, and for each `$LENGTH` and the name, on lines of their own.
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("an answer"));
        let count = lines.next().and_then(|line| line.strip_prefix('*')?.parse().ok()).expect("a list");
        lines.skip(1).step_by(2).take(count).collect()
    }

    /// What a list has, from its beginning.
    ///
    /// # Panics
    /// When Redis does not answer.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<Vec<u8>> {
        let mut answer = BufReader::new(self.told(&format!("LRANGE {name} 0 -1")));
        let count = number(&mut answer, '*');
        let value = |_| {
            let mut bytes = vec![0; usize::try_from(number(&mut answer, '$')).expect("a length") + 2];
            answer.read_exact(&mut bytes).expect("an answer");
            bytes.truncate(bytes.len() - 2);
            bytes
        };
        (0..count).map(value).collect()
    }

    /// How long something is there, in seconds; -1 is for good, -2 that it is not there.
    ///
    /// # Panics
    /// When Redis does not answer.
    #[must_use]
    pub fn ttl(&self, name: &str) -> i64 {
        number(&mut BufReader::new(self.told(&format!("TTL {name}"))), ':')
    }

    fn told(&self, command: &str) -> TcpStream {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it runs");
        stream.write_all(format!("{command}\r\n").as_bytes()).expect("it takes a command");
        stream
    }

    /// Ends it at once, as a crash does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// A number on a line of its own, behind the mark of what it is.
fn number(answer: &mut impl BufRead, mark: char) -> i64 {
    let mut line = String::new();
    answer.read_line(&mut line).expect("an answer");
    line.trim_end().strip_prefix(mark).and_then(|digits| digits.parse().ok()).expect("a number")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
