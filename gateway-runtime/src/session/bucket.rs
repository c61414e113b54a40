//! Counters of rates in this process: a bucket for each key, which holds what passes within a window.
//!
//! Source: Tyk, `limitDRL` in `gateway/session_manager.go`: a bucket holds the rate times [`TOKENS`]; a request takes
//! [`TOKENS`] for each node of the cluster; the window begins with its first request, and a new one with the first
//! request after it is over.
//!
//! A counter that all cores share cannot be without some waiting: at the least its memory goes from core to core. Here it
//! is a lock for each of [`SHARDS`] parts. It is held for one look-up and two additions, never across a call or an await,
//! and only who adds a bucket allocates under it, or sweeps its part of the table. Where two cores meet at one, the other
//! spins for that long, and sleeps only if the system has just stopped the holder. A table of atomics would do without,
//! but not grow, and how many keys there are is not known beforehand.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use super::limits::Rate;

/// What a request takes, for each node.
const TOKENS: u64 = 100;

/// Parts with a lock each.
const SHARDS: usize = 64;

/// Buckets that a part has before it is looked for those whose window is over.
const FEW: usize = 64;

/// Buckets that a part has at most: about 32 MiB in all parts together.
const MANY: usize = 16_384;

/// Nodes times this, in requests per second, is what the buckets of single nodes count well enough.
pub(crate) const THRESHOLD: f64 = 5.0;

/// Whether each node counts for itself, or all of them in one place. Source: Tyk, `drl_threshold`.
pub(crate) fn counts_here(nodes: u32, threshold: f64, rate: Rate) -> bool {
    nodes <= 1 || f64::from(nodes) * threshold < rate.requests / rate.per_s
}

/// What is counted by itself. Another `last_updated` of a session is another bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketKey<'k> {
    pub(crate) scope: &'k str,
    /// Under which the key is stored, or what counts in its place.
    pub(crate) id: &'k str,
    /// Empty for all endpoints together.
    pub(crate) endpoint: &'k str,
    pub(crate) last_updated: &'k str,
}

impl Hash for BucketKey<'_> {
    /// The parts and where each ends, in as few writes as can be: each has a price.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { scope, id, endpoint, last_updated } = self;
        let lengths = [scope.len(), endpoint.len(), last_updated.len()];
        state.write_u64(lengths.into_iter().fold(0, |all, length| (all << 21) ^ length as u64));
        for part in [scope, id, endpoint, last_updated].into_iter().filter(|part| !part.is_empty()) {
            state.write(part.as_bytes());
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) is_allowed: bool,
    /// Requests that this window still has.
    pub(crate) remaining: u64,
    /// Until the window is over.
    pub(crate) resets_in: Duration,
}

/// All buckets.
pub(crate) struct Buckets {
    /// Moments are counted from here.
    begun: Instant,
    /// Nobody outside can choose keys that meet.
    seed: RandomState,
    shards: Box<[Shard]>,
}

/// A part has a cache line of its own: who waits for another disturbs nobody.
#[repr(align(128))]
#[derive(Default)]
struct Shard(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// By the hash of the key. Two keys of a million have one bucket together once in some ten million runs.
    buckets: HashMap<u64, Bucket, FxBuildHasher>,
    /// How many buckets there are when it is swept next; at least [`FEW`].
    sweep_at: usize,
    /// Requests that it was asked about, those that were refused among them.
    asked: u64,
}

struct Bucket {
    /// In nanoseconds.
    ends: u64,
    /// Tokens.
    spent: u64,
}

impl Buckets {
    pub(crate) fn new(now: Instant) -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        Self { begun: now, seed: RandomState::new(), shards }
    }

    /// Counts a request, if its rate allows it. One that is refused costs nothing.
    pub(crate) fn take(&self, key: &BucketKey<'_>, rate: Rate, nodes: u32, now: Instant) -> Taken {
        if !rate.is_limited() {
            return Taken { is_allowed: true, remaining: u64::MAX, resets_in: Duration::ZERO };
        }
        let (capacity, cost) = tokens(rate, nodes);
        let now = self.nanos(now);
        let (hash, mut table) = self.table(key);
        table.asked = table.asked.wrapping_add(1);
        let bucket = table.bucket(hash, rate, now);
        let is_allowed = bucket.spent.saturating_add(cost) <= capacity;
        if is_allowed {
            bucket.spent += cost;
        }
        let remaining = capacity.saturating_sub(bucket.spent) / cost;
        Taken { is_allowed, remaining, resets_in: Duration::from_nanos(bucket.ends.saturating_sub(now)) }
    }

    /// Whether a request would be refused. Nothing is counted.
    pub(crate) fn is_spent(&self, key: &BucketKey<'_>, rate: Rate, nodes: u32, now: Instant) -> bool {
        let (capacity, cost) = tokens(rate, nodes);
        let now = self.nanos(now);
        let (hash, table) = self.table(key);
        let bucket = table.buckets.get(&hash).filter(|bucket| now < bucket.ends);
        rate.is_limited() && bucket.is_some_and(|bucket| bucket.spent.saturating_add(cost) > capacity)
    }

    /// Requests so far, those that were refused among them.
    pub(crate) fn asked(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.wrapping_add(shard.lock().asked))
    }

    /// Forgets the buckets whose window is over. They are forgotten too when others come: this is for when none do.
    pub(crate) fn sweep(&self, now: Instant) {
        let now = self.nanos(now);
        for shard in &self.shards {
            let mut table = shard.lock();
            table.sweep(now);
            let room = table.buckets.len() * 2;
            table.buckets.shrink_to(room);
        }
    }

    fn nanos(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.begun))
    }

    fn table(&self, key: &BucketKey<'_>) -> (u64, MutexGuard<'_, Table>) {
        let hash = self.seed.hash_one(key);
        // The upper bits; the table goes by the others too.
        let shard = usize::try_from(hash >> 48).unwrap_or_default() % self.shards.len();
        (hash, self.shards[shard].lock())
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics between two writes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The bucket of this moment's window.
    fn bucket(&mut self, hash: u64, rate: Rate, now: u64) -> &mut Bucket {
        let is_new = !self.buckets.contains_key(&hash);
        if is_new && self.buckets.len() >= self.sweep_at.max(FEW) {
            self.sweep(now);
        }
        let bucket = self.buckets.entry(hash).or_insert(Bucket { ends: 0, spent: 0 });
        if now >= bucket.ends {
            *bucket = Bucket { ends: now.saturating_add(window(rate)), spent: 0 };
        }
        bucket
    }

    /// Forgets what is over. If there is too much of the rest, the half goes that would be over first: those keys begin
    /// anew.
    fn sweep(&mut self, now: u64) {
        self.buckets.retain(|_, bucket| now < bucket.ends);
        let count = self.buckets.len();
        if count >= MANY {
            let mut ends: Vec<u64> = self.buckets.values().map(|bucket| bucket.ends).collect();
            let (_, middle, _) = ends.select_nth_unstable(count / 2);
            let middle = *middle;
            let mut surplus = count / 2;
            self.buckets.retain(|_, bucket| {
                let goes = bucket.ends <= middle && surplus > 0;
                surplus -= usize::from(goes);
                !goes
            });
        }
        self.sweep_at = (self.buckets.len() * 2).clamp(FEW, MANY);
    }
}

/// What a bucket holds, and what a request takes of it. One request always fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the nearest number that there is")]
fn tokens(rate: Rate, nodes: u32) -> (u64, u64) {
    let cost = TOKENS * u64::from(nodes.max(1));
    (((rate.requests * TOKENS as f64) as u64).max(cost), cost)
}

/// The window of a rate, in nanoseconds. One that is longer than any time never ends.
fn window(rate: Rate) -> u64 {
    let longest = if rate.per_s > 0.0 { Duration::MAX } else { Duration::ZERO };
    nanos(Duration::try_from_secs_f64(rate.per_s).unwrap_or(longest))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
