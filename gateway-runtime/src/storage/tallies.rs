//! [`Tallies`]: counters and logs in this process, for the engines that have no server for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::expiring::{Changed, Entry, Expiring, Moment, Weigh, full};
use super::{Count, Operation, StoreError};

/// What counters may take, and logs, in bytes each.
const ROOM: usize = 64 << 20;

/// Counters and logs in this process.
pub(super) struct Tallies {
    engine: &'static str,
    counters: Expiring<i64>,
    logs: Expiring<Log>,
}

/// Moments, the oldest first. They are of this process's clock: a log is not kept over a restart.
type Log = VecDeque<Instant>;

impl Weigh for Log {
    fn weight(&self) -> usize {
        self.capacity() * size_of::<Instant>()
    }
}

impl Tallies {
    pub(super) fn new(engine: &'static str) -> Self {
        Self { engine, counters: Expiring::new(ROOM), logs: Expiring::new(ROOM) }
    }

    /// The same, which remembers what counters have changed.
    pub(super) fn tracked(engine: &'static str) -> Self {
        Self { engine, counters: Expiring::tracked(ROOM), logs: Expiring::new(ROOM) }
    }

    /// The counters that have changed since this was asked last, and what they are now.
    pub(super) fn take_changed(&self) -> Vec<Changed<i64>> {
        self.counters.take_changed()
    }

    /// These could not be written: they have changed still.
    pub(super) fn put_back(&self, changed: &[Changed<i64>]) {
        changed.iter().for_each(|(name, _)| self.counters.touch(name));
    }

    /// A counter as it was written down.
    pub(super) fn restore(&self, name: &str, value: i64, ends: Moment) -> Result<(), StoreError> {
        let put = self.counters.put(name, Entry { value, ends }, Moment::now(), false);
        put.map(drop).map_err(full(self.engine, Operation::Count))
    }

    pub(super) fn increment(&self, name: &str, by: i64, ttl: Option<Duration>) -> Result<Count, StoreError> {
        let now = Moment::now();
        let new = || Entry { value: 0, ends: now.after(ttl) };
        let added = self.counters.change(name, now, new, |entry| {
            if entry.ends == Moment::NEVER && ttl.is_some() {
                *entry = new();
            }
            entry.value = entry.value.saturating_add(by);
            Count { value: entry.value, life: entry.ends.life(now) }
        });
        added.map_err(full(self.engine, Operation::Count))
    }

    pub(super) fn read(&self, name: &str) -> Option<Count> {
        let now = Moment::now();
        self.counters.look(name, now, |entry| Count { value: entry.value, life: entry.ends.life(now) })
    }

    pub(super) fn put(&self, name: &str, value: i64, ttl: Option<Duration>) -> Result<(), StoreError> {
        let now = Moment::now();
        let put = self.counters.put(name, Entry { value, ends: now.after(ttl) }, now, false);
        put.map(drop).map_err(full(self.engine, Operation::Count))
    }

    pub(super) fn remove(&self, name: &str) -> bool {
        let now = Moment::now();
        self.counters.remove(name, now) | self.logs.remove(name, now)
    }

    pub(super) fn record(&self, name: &str, within: Duration, most: usize) -> Result<u64, StoreError> {
        let (now, moment) = (Moment::now(), Instant::now());
        let new = || Entry { value: Log::new(), ends: Moment::NEVER };
        let counted = self.logs.change(name, now, new, |entry| {
            let log = &mut entry.value;
            while log.front().is_some_and(|oldest| moment.duration_since(*oldest) >= within) {
                log.pop_front();
            }
            let before = log.len();
            while log.len() >= most.max(1) {
                log.pop_front();
            }
            log.push_back(moment);
            entry.ends = now.after(Some(within));
            before as u64
        });
        counted.map_err(full(self.engine, Operation::Count))
    }

    pub(super) fn peek(&self, name: &str, within: Duration) -> u64 {
        let moment = Instant::now();
        let count = |entry: &Entry<Log>| {
            let old = entry.value.partition_point(|recorded| moment.duration_since(*recorded) >= within);
            (entry.value.len() - old) as u64
        };
        self.logs.look(name, Moment::now(), count).unwrap_or_default()
    }

    pub(super) fn sweep(&self) {
        let now = Moment::now();
        self.counters.sweep(now);
        self.logs.sweep(now);
    }
}
