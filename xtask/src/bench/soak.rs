//! Memory and descriptors under mixed load, for minutes: whether the gateway keeps what it should have let go.
//!
//! The load is that of xtask/bench/load (`soak.rs` there), with a plugin in the chain. Every ten seconds a crowd of idle
//! connections comes and goes, and all definitions are replaced and loaded again by SIGHUP. Like is compared with like:
//! growth is between the moments at which the crowd has gone.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::budgets::Row;
use super::error::BenchError;
use super::gateway::{Conf, Gateway, HEADER, SECRET};
use super::life::rested;
use super::load::{Counts, Load, Soak};
use super::outcome::{Figure, Outcome};
use super::process::{Held, connections_to, held, signal};
use super::subject::Running;
use super::value::{Unit, Value};
use crate::report::Report;

/// Requests per second.
const RATE: u32 = 1_500;
/// Connections that come and go.
const CROWD: u32 = 1_000;
/// APIs that are reloaded.
const APIS: usize = 100;
/// After the load, before memory is looked at again.
const REST: Duration = Duration::from_secs(15);
/// What the load generator calls the requests that may fail, or have nobody who waits for them.
const MAY_FAIL: [&str; 3] = ["cut", "dropped", "left"];
/// The parts of the run that are told apart.
const FIFTHS: [&str; 5] = ["1st fifth", "2nd fifth", "3rd fifth", "4th fifth", "last fifth"];

/// Of what is held, in the unit of its row.
type Pick = fn(&Held) -> f64;

/// What the gateway held at a moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    held: Held,
    /// The crowd is there.
    crowd: bool,
}

/// Runs it.
///
/// # Errors
/// When the gateway or the load generator stops, or a reload comes to nothing.
pub(super) fn measure(
    load: &Load,
    gateway: &Gateway,
    minutes: u32,
    open_files: u64,
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    let plugin = gateway.has_plugins.then_some(HEADER);
    let conf = Conf { apis: APIS, plugin, ..Conf::PLAIN };
    let name = "gateway in a soak";
    let running = gateway.with(name, conf.clone()).start(&load.place)?;
    running.verify()?;
    let (before, open) = (rested(&running), open_at_rest(&running, load));
    let soak = Soak { rate: RATE, seconds: minutes * 60, crowd: crowd(open_files) };
    if soak.crowd < CROWD {
        outcome
            .notes
            .push(format!("a crowd of {} only: we may have {open_files} descriptors: ulimit -Hn 20000", soak.crowd));
    }
    report.note(&format!("{minutes} min of {RATE} requests/s …"));

    let apps = load.place.dir.join(name).join("apps");
    let mut samples = Vec::new();
    let mut generation = 0;
    let counts = load.soak(&running, &soak, |crowd| {
        let held = held(&running.tree);
        report.fact(
            "sample",
            &json!({
                "rss_kib": held.rss, "pss_kib": held.pss,
                "descriptors": held.descriptors, "threads": held.threads, "crowd": crowd,
            }),
        );
        samples.push(Sample { held, crowd });
        if crowd {
            return Ok(());
        }
        // The last reload is ten seconds old.
        if !has_loaded(&running, &conf, generation) {
            return Err(BenchError::Deaf { log: running.process.log.clone() });
        }
        generation += 1;
        conf.write_definitions(&apps, load.place.upstream, generation)?;
        signal(running.process.child.id(), Signal::HUP);
        Ok(())
    })?;
    report.note(&format!("{} s of rest …", REST.as_secs()));
    thread::sleep(REST);
    let (after, left) = (rested(&running), open_at_rest(&running, load));

    put(&samples, &counts, outcome);
    outcome.put_one(Row::SoakFloor, (after - before) / 1024.0);
    outcome.put_one(Row::SoakDescriptors, left - open);
    let mib = |kib: f64| Unit::Mebibytes.write(kib / 1024.0);
    outcome.notes.push(format!("resident memory at rest: {} before the soak, {} after it", mib(before), mib(after)));
    outcome.notes.push(format!("{generation} reloads; {}", written(&counts)));
    Ok(())
}

/// Descriptors, without those of connections that are kept to the upstream: how many those are is a matter of what was asked
/// at once.
fn open_at_rest(running: &Running, load: &Load) -> f64 {
    descriptors(&held(&running.tree)) - count(connections_to(load.place.upstream.port()))
}

/// As many as there may be connections, on both sides of the gateway.
fn crowd(open_files: u64) -> u32 {
    u32::try_from(open_files.saturating_sub(500)).map_or(CROWD, |most| most.min(CROWD))
}

/// The API that is asked is that of a generation.
fn has_loaded(running: &Running, conf: &Conf, generation: u32) -> bool {
    let url = format!("http://{}/tyk/apis{}", running.address, conf.prefix());
    let answer = minreq::get(&url).with_header("x-tyk-authorization", SECRET).with_timeout(5).send();
    let expected = format!("generation {generation}\"");
    answer.is_ok_and(|answer| answer.as_str().is_ok_and(|text| text.contains(&expected)))
}

/// All that follows from samples and counts.
fn put(samples: &[Sample], counts: &Counts, outcome: &mut Outcome) {
    let failed: u64 =
        counts.iter().filter(|(name, _)| !MAY_FAIL.contains(&name.as_str())).map(|(_, count)| count.failed).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    outcome.put_one(Row::SoakFailed, failed as f64);
    outcome.put(Row::SoakGrowth, growth(samples, rss).and_then(|growth| Value::of([growth])));
    let figures: [(&str, Unit, Pick); 4] = [
        ("resident memory", Unit::Mebibytes, rss),
        ("proportional memory", Unit::Mebibytes, |held| held.pss / 1024.0),
        ("descriptors", Unit::Descriptors, descriptors),
        ("threads", Unit::Threads, threads),
    ];
    for (what, unit, figure) in figures {
        outcome.figures.extend(FIFTHS.iter().enumerate().filter_map(|(at, name)| {
            let value = Value::of(fifth(samples, at).iter().map(|sample| figure(&sample.held)))?;
            Some(Figure { name, what, unit, value })
        }));
    }
}

fn rss(held: &Held) -> f64 {
    held.rss / 1024.0
}

fn descriptors(held: &Held) -> f64 {
    count(held.descriptors)
}

fn threads(held: &Held) -> f64 {
    count(held.threads)
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn count(number: usize) -> f64 {
    number as f64
}

/// One of five parts, of which none is longer than another by more than one.
fn fifth<T>(all: &[T], at: usize) -> &[T] {
    &all[all.len() * at / 5..all.len() * (at + 1) / 5]
}

/// The median of the last fifth − that of the second: in the first, pools and buffers are still made.
fn growth(samples: &[Sample], figure: Pick) -> Option<f64> {
    let alone: Vec<f64> = samples.iter().filter(|sample| !sample.crowd).map(|sample| figure(&sample.held)).collect();
    let median = |at| Value::of(fifth(&alone, at).iter().copied()).map(|value| value.median);
    Some(median(4)? - median(1)?)
}

/// `small 243,000, dropped 9,000 (2 failed)`.
fn written(counts: &Counts) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let number = |count: u64| Unit::Requests.write(count as f64);
    let one = |(name, count): (&String, &super::load::Count)| match count.failed {
        0 => format!("{name} {}", number(count.asked)),
        failed => format!("{name} {} ({} not as they must be)", number(count.asked), number(failed)),
    };
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::load::Count;
    use super::*;

    /// With the crowd, and without it, by turns.
    fn samples(alone: &[f64]) -> Vec<Sample> {
        let sample = |rss: f64, crowd| {
            let held = Held { rss, pss: rss, descriptors: 80 + usize::from(crowd) * 1_000, threads: 4 };
            Sample { held, crowd }
        };
        alone.iter().flat_map(|mib| [sample((mib + 9.0) * 1024.0, true), sample(mib * 1024.0, false)]).collect()
    }

    #[test]
    fn growth_is_between_medians_of_the_second_and_the_last_fifth_without_the_crowd() {
        // Warming up is no growth, and neither is one sample that sticks out.
        let rises = [7.0, 9.0, 10.0, 10.5, 99.0, 10.5, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 12.0, 99.0];
        assert_eq!(growth(&samples(&rises), rss), Some(1.5));
        assert_eq!(growth(&samples(&rises), descriptors), Some(0.0));
        // A minute has one or two samples in a fifth; less has none.
        assert_eq!(growth(&samples(&[7.0, 10.0, 10.0, 10.0, 10.0, 13.0]), rss), Some(1.5));
        assert_eq!(growth(&samples(&[7.0]), rss), None);
    }

    #[test]
    fn fifths_are_all_of_it() {
        let all: Vec<u32> = (0..62).collect();
        let parts: Vec<&[u32]> = (0..5).map(|at| fifth(&all, at)).collect();
        assert_eq!(parts.concat(), all);
        assert!(parts.iter().all(|part| matches!(part.len(), 12 | 13)));
    }

    #[test]
    fn what_grows_or_fails_is_over_its_budget() {
        let counts = |name: &str| Counts::from([(name.to_owned(), Count { asked: 10, failed: 1 })]);
        let fails = |last: f64, failing: &str| {
            let mut outcome = Outcome::default();
            put(&samples(&[10.0, 10.0, 10.0, 10.0, last]), &counts(failing), &mut outcome);
            assert_eq!(outcome.figures.len(), 20);
            let lines = outcome.lines();
            lines.iter().filter(|line| line.fails).map(|line| line.budget.row).collect::<Vec<_>>()
        };
        assert_eq!(fails(11.0, "cut"), []);
        assert_eq!(fails(11.1, "left"), [Row::SoakGrowth]);
        assert_eq!(fails(9.0, "small"), [Row::SoakFailed]);
    }

    #[test]
    fn counts_are_told_by_kind() {
        let counts = Counts::from([
            ("small".to_owned(), Count { asked: 243_000, failed: 0 }),
            ("late".to_owned(), Count { asked: 9, failed: 2 }),
        ]);
        assert_eq!(written(&counts), "late 9 (2 not as they must be), small 243,000");
    }

    #[test]
    fn the_crowd_is_as_large_as_descriptors_allow() {
        assert_eq!((crowd(65_536), crowd(1_024), crowd(100)), (1_000, 524, 0));
    }
}
