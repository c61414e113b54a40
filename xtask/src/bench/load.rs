//! The load generator and the upstream: xtask/bench/load, from outside.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::json;

use super::error::BenchError;
use super::machine::{Side, on};
use super::process::Process;
use super::subject::{Place, Running};
use super::tools::helper;
use crate::report::Report;

/// When the next request is sent; the words are the load generator's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// When the previous one is answered.
    Closed { seconds: f64 },
    /// At a fixed rate, whatever becomes of those before.
    Open { rate: u32, seconds: f64 },
    /// So many, one after the other, on one connection.
    Requests(u64),
    /// One on each connection, which is then held.
    Hold,
}

/// What is asked, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) path: &'static str,
    /// Bytes to post; 0: `GET`.
    pub(super) post: usize,
    pub(super) connections: usize,
    pub(super) pace: Pace,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Tally {
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) unanswered: u64,
    pub(super) p99_us: f64,
}

impl Tally {
    /// Those that came to nothing.
    pub(super) fn lost(&self) -> u64 {
        self.refused + self.failed + self.unanswered
    }
}

/// What the load generator tells.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Begin,
    End,
    Result(Tally),
}

/// A moment of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Counting begins; or all connections are there.
    Begin,
    /// Counting ends.
    End,
}

/// The load generator, and the upstream that it has started.
#[derive(Debug)]
pub(super) struct Load {
    program: PathBuf,
    pub(super) upstream: Process,
    pub(super) place: Place,
}

impl Load {
    /// Builds it if need be, and starts the upstream.
    ///
    /// # Errors
    /// When that is not possible.
    pub(super) fn start(dir: PathBuf, report: &Report) -> Result<Self, BenchError> {
        let program = helper("load", report)?;
        let log = dir.join("upstream.log");
        let file = File::create(&log).map_err(BenchError::io("write", &log))?;
        let mut command = Command::new(&program);
        command.arg("upstream").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut upstream = on(Side::Helper, || Process::spawn_with("the upstream", &mut command, log))?;
        let mut line = String::new();
        if let Some(out) = upstream.child.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let Ok(address) = line.trim().parse::<SocketAddr>() else {
            let said = upstream.said();
            return Err(BenchError::Load { said, log: upstream.log.clone() });
        };
        Ok(Self { program, upstream, place: Place { dir, upstream: address } })
    }

    /// Does a job; `at` is called at its moments, with the number of the load generator's process. A [`Pace::Hold`] is over
    /// when `at` returns.
    ///
    /// # Errors
    /// When the load generator stops, or `at` does.
    pub(super) fn run(
        &self,
        running: &Running,
        job: &Job,
        mut at: impl FnMut(Mark, u32) -> Result<(), BenchError>,
    ) -> Result<Tally, BenchError> {
        let milliseconds = |seconds: f64| std::time::Duration::from_secs_f64(seconds).as_millis();
        // A fifth of the time, for connections, caches and branches to settle.
        let warmup = |seconds: f64| milliseconds((seconds / 5.0).max(0.3));
        let pace = match job.pace {
            Pace::Closed { seconds } => {
                json!({ "closed": { "warmup_ms": warmup(seconds), "measure_ms": milliseconds(seconds) } })
            }
            Pace::Open { rate, seconds } => {
                json!({ "open": { "rate": rate, "warmup_ms": warmup(seconds), "measure_ms": milliseconds(seconds) } })
            }
            Pace::Requests(count) => json!({ "requests": count }),
            Pace::Hold => json!("hold"),
        };
        let threads = if matches!(job.pace, Pace::Closed { .. }) { 2 } else { 1 };
        let job = json!({
            "address": running.address,
            "path": running.path(job.path),
            "post": job.post,
            "connections": job.connections,
            "threads": threads,
            "pace": pace,
        });
        let log = self.place.dir.join("load.log");
        let file = File::create(&log).map_err(BenchError::io("write", &log))?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg(job.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut load = on(Side::Helper, || Process::spawn_with("the load generator", &mut command, log))?;
        let out = load.child.stdout.take();
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Event::Result(tally)) => return Ok(tally),
                Ok(Event::End) => at(Mark::End, load.child.id())?,
                Ok(Event::Begin) => {
                    at(Mark::Begin, load.child.id())?;
                    if pace == "hold" {
                        // Its end of stdin is that of the connections.
                        drop(load.child.stdin.take());
                        return Ok(Tally::default());
                    }
                }
                Err(_) => break,
            }
        }
        Err(BenchError::Load { said: load.said(), log: running.process.log.clone() })
    }
}
