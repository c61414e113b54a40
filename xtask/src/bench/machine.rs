//! The machine that is measured on: what it is, and how its cores and descriptors are given out.

use std::path::Path;
use std::{fmt, fs, io, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::toolchain::{Toolchain, ToolchainError, commit};

/// Cores, and with them workers, that a process under test has.
pub(super) const WORKERS: usize = 2;

/// What values are to be read with.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    /// Of the checkout, with `-dirty` when something differs from it.
    pub(super) commit: Option<String>,
    /// As the kernel calls it.
    pub(super) cpu: String,
    /// That we may use.
    pub(super) cores: usize,
    /// Its release.
    pub(super) kernel: String,
    /// Its version.
    pub(super) rustc: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// When there is no rustc.
    pub(super) fn this(repository: &Path) -> Result<Self, ToolchainError> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            commit: commit(repository),
            cpu: model.map_or("an unknown processor", |(_, model)| model).to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            rustc: Toolchain::ask(repository)?.version,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.commit.as_deref().unwrap_or("unknown");
        let Self { cpu, cores, kernel, rustc, .. } = self;
        write!(out, "commit {commit}; {cores} cores of {cpu}; Linux {kernel}; {rustc}")
    }
}

/// More than any connections need; some programs walk through all that they may have.
const OPEN_FILES: u64 = 65_536;

/// Takes as many descriptors as we may have, for all that is started from now on. How many that are.
///
/// # Errors
/// When the system refuses.
pub(super) fn raise_open_files() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(u64::MAX).min(OPEN_FILES);
    let wanted = current.map_or(most, |current| current.max(most));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    Ok(wanted)
}

/// Which cores a child begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A process under test.
    Tested,
    /// Load generator and upstream.
    Helper,
}

/// Starts something on the cores of its side: two for the tested, the rest for the helpers; if there are no more than two,
/// all share them.
pub(super) fn on<T>(side: Side, start: impl FnOnce() -> T) -> T {
    let Ok(all) = sched_getaffinity(None) else { return start() };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
    if cores.len() > WORKERS {
        let mut set = CpuSet::new();
        let (tested, helpers) = cores.split_at(WORKERS);
        let share = if side == Side::Tested { tested } else { helpers };
        share.iter().for_each(|core| set.set(*core));
        // It runs all the same, and the machine is told with the values.
        let _ = sched_setaffinity(None, &set);
    }
    let started = start();
    let _ = sched_setaffinity(None, &all);
    started
}

/// Processor time that the whole machine has used, in seconds.
pub(super) fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map_while(|word| word.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    let used = ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks);
    #[expect(clippy::cast_precision_loss, reason = "a hundred or a thousand")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    used.sum::<f64>() / per_second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_is() {
        let machine = Machine::this(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("rustc runs");
        assert!(machine.rustc.starts_with("rustc 1."), "{machine}");
        assert!(machine.cores > 0 && !machine.kernel.is_empty() && busy() > 0.0, "{machine}");
    }

    #[test]
    fn who_starts_something_keeps_its_own_cores() {
        let cores = || thread::available_parallelism().expect("known").get();
        let before = cores();
        let inside = on(Side::Tested, cores);
        assert_eq!(inside, before.min(WORKERS));
        assert_eq!(cores(), before);
    }
}
