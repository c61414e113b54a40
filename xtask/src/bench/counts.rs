//! Counts per request: user-space instructions by valgrind's callgrind, system calls by strace.
//!
//! A proxy runs twice under the tool, with few and with many requests, one after the other on one connection; the
//! difference is divided by the difference in requests, so that start and end fall out. What else the machine does has no
//! part in it.

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

/// The short run.
const FEW: u64 = 500;
/// How many more the long run has.
const MORE: u64 = 3_000;
/// How long a proxy under a tool may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// Instructions.
    Callgrind,
    /// System calls.
    Strace,
}

impl Counter {
    fn tool(self) -> &'static str {
        match self {
            Self::Callgrind => "valgrind",
            Self::Strace => "strace",
        }
    }

    fn command(self, dir: &Path) -> Vec<OsString> {
        let file = |option: &str, name: &str| {
            let mut word = OsString::from(option);
            word.push(dir.join(name));
            word
        };
        match self {
            Self::Callgrind => vec![
                "valgrind".into(),
                "--tool=callgrind".into(),
                "--trace-children=yes".into(),
                file("--callgrind-out-file=", "count.%p"),
                file("--log-file=", "valgrind.%p"),
            ],
            Self::Strace => {
                vec!["strace".into(), "-f".into(), "-c".into(), "-o".into(), dir.join("count").into_os_string()]
            }
        }
    }

    fn read(self, file: &str) -> BTreeMap<String, u64> {
        match self {
            Self::Callgrind => callgrind(file),
            Self::Strace => strace(file),
        }
    }
}

/// The total of a callgrind file.
fn callgrind(file: &str) -> BTreeMap<String, u64> {
    let total = |line: &str| {
        let number = line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: "))?;
        number.split_whitespace().next()?.parse::<u64>().ok()
    };
    file.lines().find_map(total).map(|total| ("instructions".to_owned(), total)).into_iter().collect()
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
        let few = scope.spawn(|| total(load, subject, counter, FEW));
        let many = total(load, subject, counter, FEW + MORE);
        (few.join(), many)
    });
    let (few, many) = (few.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?, many?);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let each =
        |name: &String, calls: u64| (calls as f64 - few.get(name).copied().unwrap_or_default() as f64) / MORE as f64;
    let mut counts: Counts = many.iter().map(|(name, calls)| (name.clone(), each(name, *calls))).collect();
    counts.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(counts)
}

fn total(load: &Load, subject: &Subject, counter: Counter, requests: u64) -> Result<BTreeMap<String, u64>, BenchError> {
    let folder = format!("{}-{}-{requests}", subject.name, counter.tool());
    let dir = load.place.dir.join(&folder).join("counts");
    fresh(&dir)?;
    let running = subject.start_under(&load.place, &folder, &counter.command(&dir))?;
    let job = Job { path: "/hello", post: 0, connections: 1, pace: Pace::Requests(requests) };
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
        assert_eq!(callgrind("events: Ir\nfn=(1)\n1 5\n\ntotals: 1228\n").get("instructions"), Some(&1228));
        assert!(callgrind("fn=(1)\n1 5\n").is_empty());
    }
}
