//! [`Memory`]: what is kept goes with the process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::expiring::{Entry, Expiring, Full, Moment, Weigh};
use super::hub::Hub;
use super::{Count, Counters, Engine, Fault, Keys, Life, Operation, Reply, Signals, StoreError, Subscription};

/// As `storage.type` names it.
pub(crate) const NAME: &str = "memory";

/// What keys may take, in bytes.
const KEYS: usize = 256 << 20;
/// What counters may take, and logs, in bytes each.
const COUNTERS: usize = 64 << 20;

/// The engine of tests, and of gateways that need to remember nothing.
pub(crate) struct Memory {
    keys: Expiring<Bytes>,
    tallies: Tallies,
    hub: Hub,
}

impl Default for Memory {
    fn default() -> Self {
        Self { keys: Expiring::new(KEYS), tallies: Tallies::new(NAME), hub: Hub::default() }
    }
}

fn full(engine: &'static str, operation: Operation) -> impl Fn(Full) -> StoreError {
    move |Full| StoreError { engine, operation, fault: Fault::Full }
}

impl Keys for Memory {
    fn get(&self, name: &str) -> Reply<Option<Bytes>> {
        self.keys.look(name, Moment::now(), |entry| entry.value.clone()).into()
    }

    fn set(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<()> {
        let now = Moment::now();
        let put = self.keys.put(name, Entry { value, ends: now.after(ttl) }, now, false);
        Reply::Ready(put.map(drop).map_err(full(NAME, Operation::Write)))
    }

    fn replace(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<bool> {
        let now = Moment::now();
        let put = self.keys.put(name, Entry { value, ends: now.after(ttl) }, now, true);
        Reply::Ready(put.map_err(full(NAME, Operation::Write)))
    }

    fn delete(&self, name: &str) -> Reply<bool> {
        self.keys.remove(name, Moment::now()).into()
    }

    fn exists(&self, name: &str) -> Reply<bool> {
        self.keys.look(name, Moment::now(), |_| ()).is_some().into()
    }

    fn life(&self, name: &str) -> Reply<Option<Life>> {
        let now = Moment::now();
        self.keys.look(name, now, |entry| entry.ends.life(now)).into()
    }

    fn list(&self, prefix: &str) -> Reply<Vec<String>> {
        self.keys.names(prefix, Moment::now()).into()
    }
}

impl Counters for Memory {
    fn increment(&self, name: &str, by: i64, ttl: Option<Duration>) -> Reply<Count> {
        Reply::Ready(self.tallies.increment(name, by, ttl))
    }

    fn read(&self, name: &str) -> Reply<Option<Count>> {
        self.tallies.read(name).into()
    }

    fn put(&self, name: &str, value: i64, ttl: Option<Duration>) -> Reply<()> {
        Reply::Ready(self.tallies.put(name, value, ttl))
    }

    fn remove(&self, name: &str) -> Reply<bool> {
        self.tallies.remove(name).into()
    }

    fn record(&self, name: &str, within: Duration, most: usize) -> Reply<u64> {
        Reply::Ready(self.tallies.record(name, within, most))
    }
}

impl Signals for Memory {
    fn publish(&self, message: &str) -> Reply<()> {
        self.hub.tell(super::Signal::Message(message.into()));
        ().into()
    }

    fn subscribe(&self) -> Subscription {
        self.hub.subscribe()
    }
}

impl Engine for Memory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn sweep(&self) {
        self.keys.sweep(Moment::now());
        self.tallies.sweep();
    }

    fn close(&self) -> Reply<()> {
        ().into()
    }
}

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
        Self { engine, counters: Expiring::new(COUNTERS), logs: Expiring::new(COUNTERS) }
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

    pub(super) fn sweep(&self) {
        let now = Moment::now();
        self.counters.sweep(now);
        self.logs.sweep(now);
    }
}
