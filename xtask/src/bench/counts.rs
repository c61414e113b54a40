//! Counts per request: user-space instructions by valgrind's callgrind, system calls by strace.
//!
//! A proxy is asked few times and many times, one after the other on one connection; the difference is divided by the
//! difference in requests, so that the connection falls out. valgrind is asked for its counts between the two, so that a start
//! has no part in them; strace cannot be, and the proxy runs anew. What else the machine does has no part either; for what
//! the gateway does by the clock, it is asked [`ROUNDS`] times.
//!
//! Instructions are not all of a time: one that waits for memory costs as much as dozens. So callgrind also runs a model of a
//! processor's caches ([`CACHES`]), with as many connections as times are taken with: what does not fit into the first
//! caches between two requests of one connection is missed. It depends on where the allocator has put things: the data's
//! misses differ by a third from run to run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::error::BenchError;
use super::load::{Job, Load, Pace};
use super::subject::{Running, Subject};
use super::tools::fresh;
use crate::toolchain::run;

/// The fewer requests.
const FEW: u64 = 128;
/// How many more the many are.
const MORE: u64 = 832;
/// Of so many rounds the lowest counts. When it has rested, such as before a round, a gateway gives memory back: a million
/// instructions, which may fall into the few or into the many.
const ROUNDS: usize = 6;
/// Connections where caches are counted, each with so many requests less.
const CROWD: u64 = 64;
/// The caches of a core of a server of today: 32 KiB for instructions, 48 KiB for data, and 2 MiB behind them.
const CACHES: [&str; 4] = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=49152,12,64", "--LL=2097152,16,64"];
/// What callgrind calls misses of the first caches: of instructions, of data that is read, and written.
const MISSES: [(&str, &str); 3] = [("I1mr", INSTRUCTION_MISSES), ("D1mr", DATA_MISSES), ("D1mw", DATA_MISSES)];
/// The name of a count of [`Counter::Caches`].
pub(super) const INSTRUCTION_MISSES: &str = "cache misses, instructions";
/// The name of a count of [`Counter::Caches`].
pub(super) const DATA_MISSES: &str = "cache misses, data";
/// How long a proxy under a tool may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Totals, by name.
type Totals = BTreeMap<String, u64>;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// Instructions.
    Callgrind,
    /// System calls.
    Strace,
    /// Misses of a processor's first caches, in a model of them.
    Caches,
}

impl Counter {
    /// As it is told.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Callgrind => "instructions",
            Self::Strace => "system calls",
            Self::Caches => "cache misses",
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Self::Callgrind => "valgrind",
            Self::Strace => "strace",
            Self::Caches => "valgrind-caches",
        }
    }

    fn connections(self) -> u64 {
        match self {
            Self::Callgrind | Self::Strace => 1,
            Self::Caches => CROWD,
        }
    }

    /// So many requests that each connection has as many.
    fn whole(self, requests: u64) -> u64 {
        requests / self.connections() * self.connections()
    }

    fn command(self, dir: &Path) -> Vec<OsString> {
        let file = |option: &str, name: &str| {
            let mut word = OsString::from(option);
            word.push(dir.join(name));
            word
        };
        if self == Self::Strace {
            return vec!["strace".into(), "-f".into(), "-c".into(), "-o".into(), dir.join("count").into_os_string()];
        }
        let mut command = vec![
            "valgrind".into(),
            "--tool=callgrind".into(),
            "--trace-children=yes".into(),
            file("--callgrind-out-file=", "count.%p"),
            file("--log-file=", "valgrind.%p"),
        ];
        if self == Self::Caches {
            command.extend(CACHES.map(OsString::from));
        }
        command
    }

    fn read(self, file: &str) -> Totals {
        match self {
            Self::Callgrind => callgrind(file, &[("Ir", self.what())]),
            Self::Caches => callgrind(file, &MISSES),
            Self::Strace => strace(file),
        }
    }
}

/// The totals of some events in a callgrind file, by what they are called here. Those of one name are added up.
fn callgrind(file: &str, wanted: &[(&str, &str)]) -> Totals {
    let line = |names: &[&str]| names.iter().find_map(|name| file.lines().find_map(|line| line.strip_prefix(name)));
    let (Some(events), Some(totals)) = (line(&["events: "]), line(&["summary: ", "totals: "])) else {
        return Totals::new();
    };
    let totals: BTreeMap<&str, u64> = events
        .split_whitespace()
        .zip(totals.split_whitespace())
        .filter_map(|(event, total)| Some((event, total.parse().ok()?)))
        .collect();
    let mut sums = Totals::new();
    for (event, name) in wanted {
        if let Some(total) = totals.get(event) {
            *sums.entry((*name).to_owned()).or_default() += total;
        }
    }
    sums
}

/// The calls in a summary of strace: `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn strace(file: &str) -> Totals {
    let call = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (calls, name) = (words.get(3)?.parse().ok()?, words.last()?);
        (words.len() >= 5 && *name != "total").then(|| ((*name).to_owned(), calls))
    };
    file.lines().filter_map(call).collect()
}

/// Per request, by name; the highest first.
pub(super) type Counts = Vec<(String, f64)>;

/// The sum over all names.
pub(super) fn sum(counts: &Counts) -> f64 {
    counts.iter().map(|(_, count)| count).sum()
}

/// Counts for one request to `/hello`: a `GET`, or a `POST` of so many bytes.
///
/// # Errors
/// When the proxy does not run under the tool.
pub(super) fn per_request(load: &Load, subject: &Subject, counter: Counter, post: usize) -> Result<Counts, BenchError> {
    let (few, many) = match counter {
        Counter::Callgrind | Counter::Caches => by_dumps(load, subject, counter, post)?,
        Counter::Strace => by_runs(load, subject, post)?,
    };
    let more = counter.whole(FEW + MORE) - counter.whole(FEW);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let each =
        |name: &String, calls: u64| (calls as f64 - few.get(name).copied().unwrap_or_default() as f64) / more as f64;
    let mut counts: Counts = many.iter().map(|(name, calls)| (name.clone(), each(name, *calls))).collect();
    counts.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(counts)
}

/// The totals of few and of many requests, of one process that dumps what it has counted in between.
fn by_dumps(load: &Load, subject: &Subject, counter: Counter, post: usize) -> Result<(Totals, Totals), BenchError> {
    let counted = Counted::start(load, subject, counter, "")?;
    // Every core has met a client, and has its connection to the upstream.
    for _ in 0..ROUNDS {
        counted.ask(load, FEW, post)?;
    }
    counted.dump()?;
    let mut lowest: Option<(Totals, Totals)> = None;
    // Caches are not asked again: their misses are told, and no bound is on them.
    for _ in 0..if counter == Counter::Caches { 1 } else { ROUNDS } {
        let totals = |requests| -> Result<Totals, BenchError> {
            counted.ask(load, requests, post)?;
            counted.dump()
        };
        let next = (totals(FEW)?, totals(FEW + MORE)?);
        lowest = Some(match lowest {
            None => next,
            Some((few, many)) => (lower(few, next.0), lower(many, next.1)),
        });
    }
    counted.end()?;
    Ok(lowest.unwrap_or_default())
}

/// The totals of few and of many requests, each of a process of its own, from its start to its end.
fn by_runs(load: &Load, subject: &Subject, post: usize) -> Result<(Totals, Totals), BenchError> {
    let run = |requests| -> Result<Totals, BenchError> {
        let counted = Counted::start(load, subject, Counter::Strace, &format!("-{requests}"))?;
        counted.ask(load, requests, post)?;
        counted.end()
    };
    let lowest = |requests| -> Result<Totals, BenchError> {
        (1..ROUNDS).try_fold(run(requests)?, |lowest, _| Ok(lower(lowest, run(requests)?)))
    };
    // Both at once: it is no time that is taken.
    std::thread::scope(|scope| {
        let few = scope.spawn(|| lowest(FEW));
        let many = lowest(FEW + MORE)?;
        Ok((few.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?, many))
    })
}

fn lower(one: Totals, other: Totals) -> Totals {
    if other.values().sum::<u64>() < one.values().sum() { other } else { one }
}

/// A proxy that runs under a tool.
struct Counted {
    running: Running,
    counter: Counter,
    /// Where the tool writes.
    dir: PathBuf,
    name: String,
}

impl Counted {
    fn start(load: &Load, subject: &Subject, counter: Counter, suffix: &str) -> Result<Self, BenchError> {
        let folder = format!("{}-{}{suffix}", subject.name, counter.tool());
        let dir = load.place.dir.join(&folder).join("counts");
        fresh(&dir)?;
        let mut running = subject.start_under(&load.place, &folder, &counter.command(&dir))?;
        running.look_again();
        Ok(Self { running, counter, dir, name: subject.name.to_owned() })
    }

    fn ask(&self, load: &Load, requests: u64, post: usize) -> Result<(), BenchError> {
        let connections = self.counter.connections();
        let requests = self.counter.whole(requests);
        let job = Job {
            path: "/hello",
            post,
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            pace: Pace::Requests(requests / connections),
        };
        let tally = load.run(&self.running, &job, |_, _| Ok(()))?;
        if tally.answered == requests { Ok(()) } else { Err(self.no_count()) }
    }

    /// What valgrind has counted since the last time.
    fn dump(&self) -> Result<Totals, BenchError> {
        for process in &self.running.tree {
            let output = run(Command::new("vgdb").arg(format!("--pid={process}")).arg("dump"))?;
            if !output.status.success() {
                return Err(self.no_count());
            }
        }
        take(self.counter, &self.dir, &self.name)
    }

    /// Ends it, and gives what was counted to the end.
    fn end(self) -> Result<Totals, BenchError> {
        // valgrind becomes the proxy; strace is its parent.
        let place = usize::from(self.counter == Counter::Strace);
        let asked = self.running.tree.get(place).copied().ok_or_else(|| self.no_count())?;
        let Self { running, counter, dir, name } = self;
        if running.process.stop(asked, PATIENCE) {
            take(counter, &dir, &name)
        } else {
            Err(BenchError::NoCount { tool: counter.tool(), name, dir })
        }
    }

    fn no_count(&self) -> BenchError {
        BenchError::NoCount { tool: self.counter.tool(), name: self.name.clone(), dir: self.dir.clone() }
    }
}
/// Reads what a tool has written, and removes it.
fn take(counter: Counter, dir: &Path, name: &str) -> Result<Totals, BenchError> {
    let mut sum = Totals::new();
    for file in fs::read_dir(dir).map_err(BenchError::io("read", dir))?.flatten() {
        let path = file.path();
        if file.file_name().to_string_lossy().starts_with("count") {
            let text = fs::read_to_string(&path).map_err(BenchError::io("read", &path))?;
            counter.read(&text).into_iter().for_each(|(name, count)| *sum.entry(name).or_default() += count);
            fs::remove_file(&path).map_err(BenchError::io("remove", &path))?;
        }
    }
    if sum.is_empty() {
        return Err(BenchError::NoCount { tool: counter.tool(), name: name.to_owned(), dir: dir.to_owned() });
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_strace_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 42.16    0.011071           5      2008           epoll_wait
 20.01    0.005254           2      2003         3 recvfrom
  0.00    0.000000           0         0           close
------ ----------- ----------- --------- --------- ----------------
100.00    0.026260           4      4011         3 total
";
        let read = strace(text);
        assert_eq!((read.get("epoll_wait"), read.get("recvfrom"), read.len()), (Some(&2008), Some(&2003), 3));
    }

    #[test]
    fn the_total_of_callgrind_is_read() {
        let read = |file: &str, counter: Counter| counter.read(file).into_iter().collect::<Vec<_>>();
        let one = "events: Ir\nfn=(1)\n1 5\n\ntotals: 1228\n";
        assert_eq!(read(one, Counter::Callgrind), [("instructions".to_owned(), 1228)]);
        assert!(read(one, Counter::Caches).is_empty());
        assert!(read("fn=(1)\n1 5\n", Counter::Callgrind).is_empty());
        let many = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\nsummary: 900 300 200 12 7 2 1 1 1\n";
        assert_eq!(read(many, Counter::Callgrind), [("instructions".to_owned(), 900)]);
        let misses = [(DATA_MISSES.to_owned(), 9), (INSTRUCTION_MISSES.to_owned(), 12)];
        assert_eq!(read(many, Counter::Caches), misses);
    }
}
