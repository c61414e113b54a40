//! `cargo xtask bench`: what the gateway costs, beside what it may cost and what others cost.
//!
//! ```text
//! budgets.rs    BUDGETS: what it may cost, in one table
//! counts.rs     instructions, system calls and cache misses per request, whatever else the machine does
//! rounds.rs     processor time per request, and latency, in interleaved rounds with the peers
//! life.rs       memory, start, reload
//! soak.rs       memory and descriptors under mixed load, for minutes
//! record.rs     what a gateway runs through under load, for the compiler
//! product.rs    size, rebuild, packages
//! outcome.rs  value.rs      the table; samples, and how they are written
//! subject.rs  gateway.rs    what is measured: peers; the gateway, its configuration and definitions
//! load.rs       xtask/bench/load: the load generator and the upstream
//! process.rs  machine.rs    children, which are ended whatever happens; cores, descriptors, the name of the machine
//! tools.rs      what is installed, and what is built here
//! ```
//!
//! **How to read it.** Counts decide: with `--check` a count over its budget and margin is exit code 1. Times decide nothing:
//! they are samples of a machine that may have other work, told as median (lowest to highest), and compared with a peer as
//! the median of the ratios of each round. All peers run at once and idle while another is asked. A ratio is of CPU used per
//! request when the machine is saturated: throughput would say the same with more noise, as proxy, load generator and
//! upstream share the cores. On loopback, whoever sends pays for the receiver's TCP too; that is so for every peer.
//!
//! **What is compared.** Every proxy has two workers, HTTP/1.1 with keep-alive on both sides, no access log, no TLS. The
//! gateway is the one that goes out (`--profile ship`), with two plugins of `tests/plugins/measured` linked, and none, or one,
//! in the definition. `hyper` and `pingora` are the smallest proxies that can be made of these libraries (xtask/bench); they do
//! less than a gateway must.
//!
//! Everything is on loopback, each run of load is bounded in time, and what is made on the way is in `target/gw/bench/`.

pub mod budgets;
mod counts;
mod error;
mod gateway;
mod life;
mod load;
mod machine;
pub mod outcome;
mod process;
mod product;
mod record;
mod rounds;
mod soak;
mod steps;
mod subject;
mod tools;
pub mod value;

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;

use self::budgets::Row;
use self::counts::{Counter, Counts, per_request, sum};
pub use self::error::BenchError;
use self::gateway::{Conf, EMPTY, Gateway, MANY};
use self::load::Load;
use self::machine::{Machine, WORKERS};
use self::outcome::{Figure, Outcome};
use self::rounds::{Samples, Work};
use self::subject::{Kind, Subject, debian};
use self::tools::{Tool, fresh, helper, install};
use self::value::{Unit, Value};
use crate::cli::{BenchArgs, Peer};
use crate::gateway::BuildError;
use crate::gateway::turn::Turn;
use crate::report::Report;
use crate::repository::Repository;

/// How long times are taken.
#[derive(Debug, Clone, Copy)]
struct Effort {
    quick: bool,
}

impl Effort {
    fn rounds(self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// Of one window.
    fn seconds(self) -> f64 {
        if self.quick { 0.5 } else { 3.0 }
    }
}

/// Runs the command.
///
/// # Errors
/// When something cannot be measured.
pub fn command(args: &BenchArgs, report: &Report) -> Result<ExitCode, BenchError> {
    let repository = Repository::discover();
    let began = Instant::now();
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| BenchError::Io { what, source }
    };
    process::end_with_us().map_err(io("wait for signals"))?;
    let open_files = machine::raise_open_files().map_err(io("raise the limit of open files"))?;
    let machine = Machine::this(repository.root())?;
    report.note(&format!("bench: {machine}"));

    // Two at once would disturb each other, and share folders.
    let _turn = Turn::after(&repository.work_dir().join("bench"), "another bench", report).map_err(BuildError::from)?;
    install(&wanted(args), report)?;
    let peers = peers(&args.peers(), report)?;
    if args.record {
        return record::record(&repository, open_files, report);
    }
    let gateway = match &args.gateway {
        Some(binary) => Gateway::at(binary)?,
        None => Gateway::build(&repository, report)?,
    };
    let dir = repository.work_dir().join("bench/run");
    fresh(&dir)?;
    let load = Load::start(dir, report)?;

    let mut outcome = Outcome::default();
    if machine.cores < WORKERS {
        outcome.notes.push(format!("{} core: the gateway has one worker, and its peers two", machine.cores));
    }
    if !gateway.has_plugins {
        let what = "the binary has no plugins of tests/plugins/measured, so what a plugin costs is not measured";
        outcome.notes.push(what.to_owned());
    }
    if let Some(minutes) = args.soak {
        soak::measure(&load, &gateway, minutes, open_files, &mut outcome, report)?;
        return Ok(tell(args, &machine, &outcome, report));
    }
    product::count(&repository, &gateway.binary, &mut outcome)?;
    if !args.quick {
        count(&load, &gateway, &peers, &mut outcome, report)?;
    }
    if !args.quick && !args.check {
        count_misses(&load, &gateway, &peers, &mut outcome, report)?;
    }
    if !args.counts {
        let effort = Effort { quick: args.quick };
        time(&load, &gateway, &peers, effort, &mut outcome, report)?;
        life::measure(&load, &gateway, effort, open_files, &mut outcome, report)?;
        if !args.quick {
            report.note("fast builds …");
            product::rebuild(&repository, effort, &mut outcome, report)?;
        }
    }
    report.note(&format!("measured in {} s", began.elapsed().as_secs()));
    Ok(tell(args, &machine, &outcome, report))
}

/// Prints all of it. With `--check`, what is over its budget and decides is an exit code of 1.
fn tell(args: &BenchArgs, machine: &Machine, outcome: &Outcome, report: &Report) -> ExitCode {
    report.product("machine", &machine.to_string(), machine);
    let lines = outcome.lines();
    lines.iter().for_each(|line| report.fact("row", line));
    outcome.figures.iter().for_each(|figure| report.fact("figure", figure));
    outcome.notes.iter().for_each(|note| report.fact("remark", &json!({ "text": note })));
    report.lines(&outcome.table());
    let failing: Vec<&str> = lines.iter().filter(|line| line.fails).map(|line| line.budget.what).collect();
    if args.check && !failing.is_empty() {
        report.warn(&format!(
            "over budget: {}\n  = find what has grown: {}; budgets: xtask/src/bench/budgets.rs",
            failing.join("; "),
            if args.soak.is_some() {
                "the samples above, what the load generator saw in target/gw/bench/run/load.log, /proc/PID/smaps"
            } else {
                "valgrind --tool=callgrind, or strace -c"
            }
        ));
        return ExitCode::from(crate::FAILED);
    }
    ExitCode::SUCCESS
}

/// The programs that a run needs.
fn wanted(args: &BenchArgs) -> Vec<Tool> {
    let mut tools =
        if args.quick || args.record || args.soak.is_some() { vec![] } else { vec![Tool::Valgrind, Tool::Strace] };
    for peer in args.peers() {
        match peer {
            Peer::Nginx => tools.push(Tool::Nginx),
            Peer::NginxLua => tools.extend([Tool::Nginx, Tool::Lua]),
            Peer::Haproxy => tools.push(Tool::Haproxy),
            Peer::Pingora => tools.push(Tool::Cmake),
            Peer::Hyper | Peer::None => {}
        }
    }
    tools
}

fn peers(peers: &[Peer], report: &Report) -> Result<Vec<Subject>, BenchError> {
    let built = |name, package| {
        let program = helper(package, report)?;
        Ok(Subject { name, kind: Kind::Crate { program }, sets_header: false })
    };
    let subject = |peer: &Peer| match peer {
        Peer::None => None,
        Peer::Nginx => Some(debian(*peer, "nginx")),
        Peer::NginxLua => Some(debian(*peer, "nginx+lua")),
        Peer::Haproxy => Some(debian(*peer, "haproxy")),
        Peer::Pingora => Some(built("pingora", "pingora-floor")),
        Peer::Hyper => Some(built("hyper", "hyper-floor")),
    };
    peers.iter().filter_map(subject).collect()
}

/// Instructions and system calls.
fn count(
    load: &Load,
    gateway: &Gateway,
    peers: &[Subject],
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    let count = |subject: &Subject, counter: Counter| {
        report.note(&format!("counting {} of {} …", counter.what(), subject.name));
        per_request(load, subject, counter, 0)
    };
    let instructions = |subject: &Subject| count(subject, Counter::Callgrind).map(|counts| sum(&counts));
    let calls = count(&gateway.plain(), Counter::Strace)?;
    outcome.put_one(Row::SystemCalls, sum(&calls));
    outcome.notes.push(format!("system calls of a keyless request: {}", by_name(&calls)));
    let plain = instructions(&gateway.plain())?;
    outcome.put_one(Row::Instructions, plain);
    if gateway.has_plugins {
        let empty = gateway.with("gateway+empty", Conf { plugin: Some(EMPTY), ..Conf::PLAIN });
        for (row, subject) in [(Row::HeaderPlugin, gateway.header()), (Row::EmptyPlugin, empty)] {
            outcome.put_one(row, instructions(&subject)? - plain);
        }
    }
    let keys = gateway.with("gateway+keys", Conf { keys: true, ..Conf::PLAIN });
    outcome.put_one(Row::Keys, instructions(&keys)? - plain);
    let many = gateway.with("gateway with 5,000 APIs", Conf { apis: MANY, ..Conf::PLAIN });
    outcome.put_one(Row::ManyApis, instructions(&many)? / plain);
    steps::measure(load, gateway, plain, outcome, report)?;
    for peer in peers {
        let calls = count(peer, Counter::Strace)?;
        let figures =
            [("instructions", Unit::Instructions, instructions(peer)?), ("system calls", Unit::Calls, sum(&calls))];
        outcome.figures.extend(figures.into_iter().filter_map(|(what, unit, number)| {
            Some(Figure { name: peer.name, what, unit, value: Value::of([number])? })
        }));
    }
    Ok(())
}

/// Misses of a processor's first caches, in a model of them: what instructions do not say of times.
fn count_misses(
    load: &Load,
    gateway: &Gateway,
    peers: &[Subject],
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    for subject in [gateway.plain()].iter().chain(peers) {
        report.note(&format!("counting {} of {} …", Counter::Caches.what(), subject.name));
        let misses = per_request(load, subject, Counter::Caches, 0)?;
        for what in [counts::INSTRUCTION_MISSES, counts::DATA_MISSES] {
            let of = |(name, number): &(String, f64)| (name == what).then_some(*number);
            let value = Value::of(misses.iter().filter_map(of));
            outcome.figures.extend(value.map(|value| Figure { name: subject.name, what, unit: Unit::Misses, value }));
        }
    }
    Ok(())
}

/// `epoll_wait 2.00, recvfrom 2.00`; what nearly never happens is left out.
fn by_name(calls: &Counts) -> String {
    let often = calls.iter().filter(|(_, count)| *count >= 0.01);
    often.map(|(name, count)| format!("{name} {count:.2}")).collect::<Vec<_>>().join(", ")
}

/// Times, beside those of the peers.
fn time(
    load: &Load,
    gateway: &Gateway,
    peers: &[Subject],
    effort: Effort,
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    let mut subjects = vec![gateway.plain()];
    subjects.extend(gateway.has_plugins.then(|| gateway.header()));
    subjects.extend(peers.iter().cloned());
    let samples = Samples::take(load, &subjects, effort, report)?;
    let cpu = |sample: &rounds::Sample| sample.cpu_us;
    let rows = [
        (Row::CpuNginx, Work::Small, ("gateway", "nginx")),
        (Row::CpuNginxLua, Work::Small, ("gateway+plugin", "nginx+lua")),
        (Row::CpuPingora, Work::Small, ("gateway", "pingora")),
        (Row::CpuTen, Work::Ten, ("gateway", "nginx")),
        (Row::CpuMega, Work::Mega, ("gateway", "nginx")),
        (Row::CpuPost, Work::Post, ("gateway", "nginx")),
    ];
    for (row, work, pair) in rows {
        outcome.put(row, samples.ratio(work, pair, cpu));
    }
    outcome.put(Row::Latency, samples.ratio(Work::Paced, ("gateway", "nginx"), |sample| sample.p99_us));
    for subject in &subjects {
        let name = subject.name;
        let value = samples.value(Work::Small, name, cpu);
        outcome.figures.extend(value.map(|value| Figure {
            name,
            what: "CPU per request",
            unit: Unit::Microseconds,
            value,
        }));
        let p99 = samples.value(Work::Paced, name, |sample| sample.p99_us);
        outcome.figures.extend(p99.map(|value| Figure {
            name,
            what: "p99 at 2,000/s",
            unit: Unit::Microseconds,
            value,
        }));
    }
    outcome.notes.extend(samples.notes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(peers: &[Peer]) -> BenchArgs {
        BenchArgs { peers: peers.to_vec(), ..BenchArgs::default() }
    }

    #[test]
    fn without_a_word_all_peers_are_measured_and_with_none_no_one() {
        assert_eq!(args(&[]).peers().len(), 5);
        assert!(args(&[Peer::None]).peers().is_empty());
        assert_eq!(args(&[Peer::Nginx, Peer::Hyper]).peers(), [Peer::Nginx, Peer::Hyper]);
    }

    #[test]
    fn only_what_is_used_is_installed() {
        let counts = BenchArgs { counts: true, ..args(&[Peer::None]) };
        assert_eq!(wanted(&counts), [Tool::Valgrind, Tool::Strace]);
        let quick = BenchArgs { quick: true, ..args(&[Peer::Haproxy, Peer::Hyper]) };
        assert_eq!(wanted(&quick), [Tool::Haproxy]);
        assert!(wanted(&BenchArgs { soak: Some(5), ..args(&[]) }).is_empty());
        assert!(wanted(&BenchArgs { record: true, ..args(&[]) }).is_empty());
    }

    #[test]
    fn calls_are_told_by_name() {
        let calls = vec![("epoll_wait".to_owned(), 2.004), ("writev".to_owned(), 2.0), ("mmap".to_owned(), 0.001)];
        assert_eq!(by_name(&calls), "epoll_wait 2.00, writev 2.00");
    }
}
