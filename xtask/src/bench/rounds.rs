//! Times, in interleaved rounds: each round asks every proxy for every kind of work, beginning with another one each time.
//!
//! CPU is the kernel's count for all threads of a proxy, between the two ends of the measured window, over the requests
//! answered in it. Ratios are taken within a round, and their median is told: what disturbs a round disturbs both sides.

use std::collections::BTreeMap;

use super::Effort;
use super::error::BenchError;
use super::load::{Job, Load, Mark, Pace};
use super::machine::busy;
use super::process::{cpu, tree};
use super::subject::{Running, Subject};
use super::value::Value;
use crate::report::Report;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// 128 bytes, as fast as it goes.
    Small,
    /// Responses of 10 KiB.
    Ten,
    /// Responses of 1 MiB.
    Mega,
    /// Posts of 10 KiB.
    Post,
    /// 2,000 requests per second.
    Paced,
}

impl Work {
    const ALL: [Self; 5] = [Self::Small, Self::Ten, Self::Mega, Self::Post, Self::Paced];

    fn job(self, seconds: f64) -> Job {
        let closed = Pace::Closed { seconds };
        let (path, post, connections, pace) = match self {
            Self::Small => ("/hello", 0, 64, closed),
            Self::Ten => ("/10k", 0, 64, closed),
            Self::Mega => ("/1m", 0, 16, closed),
            Self::Post => ("/hello", 10 << 10, 64, closed),
            Self::Paced => ("/hello", 0, 64, Pace::Open { rate: 2_000, seconds }),
        };
        Job { path, post, connections, pace }
    }

    /// Bodies and latency are compared with nginx alone.
    fn concerns(self, name: &str) -> bool {
        self == Self::Small || matches!(name, "gateway" | "nginx")
    }
}

/// One window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Per request, in microseconds.
    pub(super) cpu_us: f64,
    pub(super) p99_us: f64,
    /// Cores that others used meanwhile.
    others: f64,
    lost: u64,
}

/// All windows, by work and name, one for each round.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<(Work, &'static str), Vec<Sample>>);

impl Samples {
    /// Measures.
    ///
    /// # Errors
    /// When a proxy or the load generator stops.
    pub(super) fn take(load: &Load, subjects: &[Subject], effort: Effort, report: &Report) -> Result<Self, BenchError> {
        let mut all: Vec<(&'static str, Running)> = Vec::new();
        for subject in subjects {
            let running = subject.start(&load.place)?;
            running.verify()?;
            all.push((subject.name, running));
        }
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        report.note(&format!("all serve what they should: {}", names.join(", ")));
        // Connections, pools, allocators: nobody's first requests are counted.
        for (_, running) in &mut all {
            load.run(running, &Work::Small.job(0.3), |_, _| Ok(()))?;
            running.look_again();
        }
        let mut samples = Self::default();
        for round in 0..effort.rounds() {
            report.note(&format!("round {} of {} …", round + 1, effort.rounds()));
            for work in Work::ALL {
                let turn = round % all.len();
                for (name, running) in all[turn..].iter().chain(&all[..turn]).filter(|(name, _)| work.concerns(name)) {
                    let sample = sample(load, running, &work.job(effort.seconds()))?;
                    samples.0.entry((work, name)).or_default().push(sample);
                }
            }
        }
        Ok(samples)
    }

    fn of(&self, work: Work, name: &'static str) -> &[Sample] {
        self.0.get(&(work, name)).map_or(&[], Vec::as_slice)
    }

    /// A figure of each round.
    pub(super) fn value(&self, work: Work, name: &'static str, figure: fn(&Sample) -> f64) -> Option<Value> {
        Value::of(self.of(work, name).iter().map(figure))
    }

    /// A figure of each round ÷ another's in the same round.
    pub(super) fn ratio(
        &self,
        work: Work,
        (name, other): (&'static str, &'static str),
        figure: fn(&Sample) -> f64,
    ) -> Option<Value> {
        let pairs = self.of(work, name).iter().zip(self.of(work, other));
        Value::of(pairs.map(|(one, other)| figure(one) / figure(other)))
    }

    /// What the reader should know of the values.
    pub(super) fn notes(&self) -> Vec<String> {
        let all = || self.0.values().flatten();
        let mut notes = Vec::new();
        if let Some(others) = Value::of(all().map(|sample| sample.others)).filter(|others| others.median > 0.2) {
            notes.push(format!(
                "others used {:.1} cores meanwhile (up to {:.1}): believe the counts, and measure times on a quiet machine",
                others.median, others.max
            ));
        }
        let lost: u64 = all().map(|sample| sample.lost).sum();
        if lost > 0 {
            notes.push(format!("{lost} requests were refused, failed, or not answered in time"));
        }
        notes
    }
}

/// What the processor has done until a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    tested: u64,
    ours: u64,
    machine: f64,
    at: Option<std::time::Instant>,
}

fn sample(load: &Load, running: &Running, job: &Job) -> Result<Sample, BenchError> {
    let mut moments = [Moment::default(); 2];
    let upstream = load.upstream.child.id();
    let tally = load.run(running, job, |mark, generator| {
        moments[usize::from(mark == Mark::End)] = Moment {
            tested: cpu(&running.tree),
            ours: cpu(&[&tree(generator)[..], &[upstream]].concat()),
            machine: busy(),
            at: Some(std::time::Instant::now()),
        };
        Ok(())
    })?;
    let [begin, end] = moments;
    if tally.answered == 0 {
        return Err(BenchError::Wrong {
            name: running.process.name.clone(),
            what: format!("of all requests to {}, none was answered with 200", job.path),
            log: running.process.log.clone(),
        });
    }
    let seconds = begin.at.zip(end.at).map_or(1.0, |(begin, end)| (end - begin).as_secs_f64());
    let nanoseconds = end.tested.saturating_sub(begin.tested);
    let known = nanoseconds + end.ours.saturating_sub(begin.ours);
    #[expect(clippy::cast_precision_loss, reason = "seconds in nanoseconds, and thousands of requests")]
    let (cpu_us, known) = (nanoseconds as f64 / 1e3 / tally.answered as f64, known as f64 / 1e9);
    let others = ((end.machine - begin.machine - known) / seconds).max(0.0);
    Ok(Sample { cpu_us, p99_us: tally.p99_us, others, lost: tally.lost() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(work: Work, name: &'static str, cpu: &[f64]) -> ((Work, &'static str), Vec<Sample>) {
        let sample = |cpu_us: &f64| Sample { cpu_us: *cpu_us, p99_us: 0.0, others: 0.0, lost: 0 };
        ((work, name), cpu.iter().map(sample).collect())
    }

    /// A round in which both were slow says the same as one in which both were fast.
    #[test]
    fn ratios_are_of_the_same_round() {
        let all = [samples(Work::Small, "a", &[10.0, 30.0, 20.0]), samples(Work::Small, "b", &[10.0, 30.0, 40.0])];
        let samples = Samples(BTreeMap::from(all));
        let ratio = samples.ratio(Work::Small, ("a", "b"), |sample| sample.cpu_us).expect("measured");
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.5, 1.0, 1.0));
        assert_eq!(samples.ratio(Work::Ten, ("a", "b"), |sample| sample.cpu_us), None);
    }
}
