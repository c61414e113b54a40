//! The load generator and the upstream: xtask/bench/load, from outside.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

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

/// A mixed load for a long time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Soak {
    /// Requests per second.
    pub(super) rate: u32,
    pub(super) seconds: u32,
    /// Connections that come, ask once, and go.
    pub(super) crowd: u32,
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

/// What became of the requests of one kind, in a soak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Count {
    pub(super) asked: u64,
    pub(super) failed: u64,
}

/// By kind, as the load generator calls them.
pub(super) type Counts = BTreeMap<String, Count>;

/// What the load generator tells.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Begin,
    End,
    Result(Tally),
    Look { crowd: bool },
    Soaked { parts: Counts },
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
            "key": running.key,
            "connections": job.connections,
            "threads": threads,
            "pace": pace,
        });
        let (mut load, events) = self.begin("run", &job)?;
        for event in events {
            match event {
                Event::Result(tally) => return Ok(tally),
                Event::End => at(Mark::End, load.child.id())?,
                Event::Begin => {
                    at(Mark::Begin, load.child.id())?;
                    if pace == "hold" {
                        // Its end of stdin is that of the connections.
                        drop(load.child.stdin.take());
                        return Ok(Tally::default());
                    }
                }
                Event::Look { .. } | Event::Soaked { .. } => break,
            }
        }
        Err(BenchError::Load { said: load.said(), log: running.process.log.clone() })
    }

    /// Asks everything at once. `look` is called every five seconds: when the crowd has come, and is at rest, and when it has
    /// gone.
    ///
    /// # Errors
    /// When the load generator stops, or `look` does.
    pub(super) fn soak(
        &self,
        running: &Running,
        soak: &Soak,
        mut look: impl FnMut(bool) -> Result<(), BenchError>,
    ) -> Result<Counts, BenchError> {
        let Soak { rate, seconds, crowd } = soak;
        let prefix = &running.prefix;
        let job = json!({
            "address": running.address, "prefix": prefix, "rate": rate, "seconds": seconds, "crowd": crowd,
        });
        let (load, events) = self.begin("soak", &job)?;
        for event in events {
            match event {
                Event::Soaked { parts } => return Ok(parts),
                Event::Look { crowd } => look(crowd)?,
                Event::Begin | Event::End | Event::Result(_) => {}
            }
        }
        Err(BenchError::Load { said: load.said(), log: running.process.log.clone() })
    }

    /// Starts the load generator; what it tells ends when it does.
    fn begin(&self, command: &str, job: &Value) -> Result<(Process, impl Iterator<Item = Event> + use<>), BenchError> {
        let log = self.place.dir.join("load.log");
        let file = File::create(&log).map_err(BenchError::io("write", &log))?;
        let mut program = Command::new(&self.program);
        program.arg(command).arg(job.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut load = on(Side::Helper, || Process::spawn_with("the load generator", &mut program, log))?;
        let out = load.child.stdout.take();
        let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok);
        Ok((load, lines.map_while(|line| serde_json::from_str(&line).ok())))
    }
}
