//! A client that notices every failure.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Much longer than any answer takes.
const DEADLINE: Duration = Duration::from_secs(180);

/// A connection to the gateway.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// The gateway is going to close it.
    pub(crate) closing: bool,
}

impl Connection {
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), closing: false })
    }

    pub(crate) fn send(&mut self, path: &str, connection: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Sends a request, and gives status and body.
    pub(crate) fn get(&mut self, path: &str, connection: &str) -> io::Result<(u16, String)> {
        self.send(path, connection)?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
                Some(("connection", value)) => self.closing = value == "close",
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = status.ok_or_else(|| io::Error::other("no status"))?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// One answer on a connection of its own.
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    Connection::open(port).and_then(|mut connection| connection.get(path, "close")).expect("answered")
}

/// Asks 200 times a second until it is stopped: in turns on one connection that is kept, and on fresh ones.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Outcome>>,
    fresh: Receiver<String>,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answers: usize,
    pub(crate) bodies: BTreeSet<String>,
    pub(crate) failures: Vec<String>,
}

impl Load {
    pub(crate) fn start(port: u16, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, fresh) = channel();
        let threads = [true, false].map(|keep| {
            let (stop, sender) = (Arc::clone(&stop), sender.clone());
            thread::spawn(move || load(port, path, keep, &stop, &sender))
        });
        Self { stop, threads: threads.into(), fresh }
    }

    /// Waits until both of the clients have seen an answer.
    pub(crate) fn both_see(&self, body: &str) {
        for _ in 0..2 {
            let seen = self.fresh.recv_timeout(DEADLINE).expect("a new answer");
            assert_eq!(seen, body);
        }
    }

    pub(crate) fn stop(self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("the client ends")).collect()
    }
}

fn load(port: u16, path: &str, keep: bool, stop: &AtomicBool, fresh: &Sender<String>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut kept: Option<Connection> = None;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        // This is the rate, not a wait for anything.
        next += Duration::from_millis(10);
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let answer = kept.take().map_or_else(|| Connection::open(port), Ok).and_then(|mut connection| {
            let answer = connection.get(path, if keep { "keep-alive" } else { "close" })?;
            kept = Some(connection).filter(|connection| keep && !connection.closing);
            Ok(answer)
        });
        match answer {
            Ok((200, body)) => {
                outcome.answers += 1;
                if outcome.bodies.insert(body.clone()) {
                    let _ = fresh.send(body);
                }
            }
            other => outcome.failures.push(format!("{other:?}")),
        }
    }
    outcome
}
