//! Counts per request: user-space instructions by valgrind's callgrind, system calls by strace.
//!
//! A proxy runs twice under the tool, with few and with many requests, one after the other on one connection; the
//! difference is divided by the difference in requests, so that start and end fall out. What else the machine does has no
//! part in it; for what the gateway does by the clock, each run is made [`RUNS`] times.
//!
//! Instructions are not all of a time: one that waits for memory costs as much as dozens. So callgrind also runs a model of a
//! processor's caches ([`CACHES`]), with as many connections as times are taken with: what does not fit into the first
//! caches between two requests of one connection is missed. It depends on where the allocator has put things: the data's
//! misses differ by a third from run to run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::error::BenchError;
use super::load::{Job, Load, Pace};
use super::process::tree;
use super::subject::Subject;
use super::tools::fresh;

/// Requests of the short run.
const FEW: u64 = 500;
/// How many more the long run has.
const MORE: u64 = 3_000;
/// Each run is made so often, and the lowest total counts: what a gateway does now and then, such as to give memory back when
/// it has rested, is some 900 instructions a request if it falls into the long run alone.
const RUNS: usize = 3;
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

    fn read(self, file: &str) -> BTreeMap<String, u64> {
        match self {
            Self::Callgrind => callgrind(file, &[("Ir", self.what())]),
            Self::Caches => callgrind(file, &MISSES),
            Self::Strace => strace(file),
        }
    }
}

/// The totals of some events in a callgrind file, by what they are called here. Those of one name are added up.
fn callgrind(file: &str, wanted: &[(&str, &str)]) -> BTreeMap<String, u64> {
    let line = |names: &[&str]| names.iter().find_map(|name| file.lines().find_map(|line| line.strip_prefix(name)));
    let (Some(events), Some(totals)) = (line(&["events: "]), line(&["summary: ", "totals: "])) else {
        return BTreeMap::new();
    };
    let totals: BTreeMap<&str, u64> = events
        .split_whitespace()
        .zip(totals.split_whitespace())
        .filter_map(|(event, total)| Some((event, total.parse().ok()?)))
        .collect();
    let mut sums = BTreeMap::new();
    for (event, name) in wanted {
        if let Some(total) = totals.get(event) {
            *sums.entry((*name).to_owned()).or_default() += total;
        }
    }
    sums
}

/// The calls in a summary of strace: `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn strace(file: &str) -> BTreeMap<String, u64> {
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

/// Counts for one request, of `GET /hello`.
///
/// # Errors
/// When the proxy does not run under the tool.
pub(super) fn per_request(load: &Load, subject: &Subject, counter: Counter) -> Result<Counts, BenchError> {
    // Both at once: it is no time that is taken.
    let (few, many) = std::thread::scope(|scope| {
        let few = scope.spawn(|| lowest(load, subject, counter, FEW));
        let many = lowest(load, subject, counter, FEW + MORE);
        (few.join(), many)
    });
    let (few, many) = (few.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?, many?);
    let whole = |requests: u64| requests / counter.connections() * counter.connections();
    let more = whole(FEW + MORE) - whole(FEW);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let each =
        |name: &String, calls: u64| (calls as f64 - few.get(name).copied().unwrap_or_default() as f64) / more as f64;
    let mut counts: Counts = many.iter().map(|(name, calls)| (name.clone(), each(name, *calls))).collect();
    counts.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(counts)
}

/// The lowest of some totals. Caches are not asked again: their misses are told, and no bound is on them.
fn lowest(
    load: &Load,
    subject: &Subject,
    counter: Counter,
    requests: u64,
) -> Result<BTreeMap<String, u64>, BenchError> {
    let mut lowest = total(load, subject, counter, requests)?;
    let again = if counter == Counter::Caches { 0 } else { RUNS - 1 };
    for _ in 0..again {
        let next = total(load, subject, counter, requests)?;
        if next.values().sum::<u64>() < lowest.values().sum() {
            lowest = next;
        }
    }
    Ok(lowest)
}

fn total(load: &Load, subject: &Subject, counter: Counter, requests: u64) -> Result<BTreeMap<String, u64>, BenchError> {
    let folder = format!("{}-{}-{requests}", subject.name, counter.tool());
    let dir = load.place.dir.join(&folder).join("counts");
    fresh(&dir)?;
    let running = subject.start_under(&load.place, &folder, &counter.command(&dir))?;
    let connections = counter.connections();
    let requests = requests / connections * connections;
    let job = Job {
        path: "/hello",
        post: 0,
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        pace: Pace::Requests(requests / connections),
    };
    let tally = load.run(&running, &job, |_, _| Ok(()))?;
    let no_count = || BenchError::NoCount { tool: counter.tool(), name: subject.name.to_owned(), dir: dir.clone() };
    // valgrind becomes the proxy; strace is its parent.
    let id = running.process.child.id();
    let asked = if counter == Counter::Strace { tree(id).get(1).copied().ok_or_else(no_count)? } else { id };
    if !running.process.stop(asked, PATIENCE) || tally.answered != requests {
        return Err(no_count());
    }
    let mut sum = BTreeMap::new();
    for file in fs::read_dir(&dir).map_err(BenchError::io("read", &dir))?.flatten() {
        if file.file_name().to_string_lossy().starts_with("count") {
            let text = fs::read_to_string(file.path()).map_err(BenchError::io("read", &file.path()))?;
            counter.read(&text).into_iter().for_each(|(name, count)| *sum.entry(name).or_default() += count);
        }
    }
    if sum.is_empty() { Err(no_count()) } else { Ok(sum) }
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
