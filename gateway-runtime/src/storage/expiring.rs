//! [`Expiring`]: a table of what may have an end, which all cores share.
//!
//! As for the buckets of rates (`session/bucket.rs`), it is a lock for each of [`SHARDS`] parts, held for a look-up and a
//! change, never across a call of others or an await. What has expired is not seen, and goes when its part has grown, or is
//! swept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{Fault, Life, Operation, StoreError};

/// Parts with a lock each.
const SHARDS: usize = 64;
/// Entries that a part has before it is looked for those that have expired.
const FEW: usize = 64;
/// What an entry takes beside its name and its value, in bytes: about.
const ENTRY: usize = 96;

/// A moment, in milliseconds since 1970: it means the same in another process, and after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// Later than any other.
    pub(super) const NEVER: Self = Self(u64::MAX);

    pub(super) fn now() -> Self {
        Self(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// When something ends that begins now and lives for `ttl`.
    pub(super) fn after(self, ttl: Option<Duration>) -> Self {
        ttl.map_or(Self::NEVER, |ttl| Self(self.0.saturating_add(millis(ttl).max(1))))
    }

    /// How long something lives that ends here.
    pub(super) fn life(self, now: Self) -> Life {
        match self {
            Self::NEVER => Life::Endless,
            Self(ends) => Life::For(Duration::from_millis(ends.saturating_sub(now.0))),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How much memory a value takes beyond its own size.
pub(super) trait Weigh {
    /// In bytes.
    fn weight(&self) -> usize;
}

impl Weigh for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for i64 {
    fn weight(&self) -> usize {
        0
    }
}

/// Something that may have an end.
#[derive(Debug, Clone)]
pub(super) struct Entry<V> {
    pub(super) value: V,
    pub(super) ends: Moment,
}

impl<V> Entry<V> {
    pub(super) fn is_live(&self, now: Moment) -> bool {
        now < self.ends
    }
}

/// There is no room for another entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What that means to who asked an engine.
pub(super) fn full(engine: &'static str, operation: Operation) -> impl Fn(Full) -> StoreError {
    move |Full| StoreError { engine, operation, fault: Fault::Full }
}

/// An entry that has changed, and what it is now; `None` if it is gone.
pub(super) type Changed<V> = (Box<str>, Option<Entry<V>>);

/// Entries by name, within a bound.
pub(super) struct Expiring<V> {
    /// Nobody outside can choose names that meet.
    seed: RandomState,
    shards: Box<[Shard<V>]>,
    /// Bytes that all entries take, and may take.
    used: AtomicUsize,
    room: usize,
    /// Whether it is remembered what has changed.
    tracks: bool,
}

/// A part has a cache line of its own: who waits for another disturbs nobody.
#[repr(align(128))]
struct Shard<V>(Mutex<Table<V>>);

struct Table<V> {
    entries: HashMap<Box<str>, Kept<V>, RandomState>,
    /// What has changed since this was asked last; a name may be there twice.
    changed: Vec<Box<str>>,
    /// How many entries there are when it is swept next; at least [`FEW`].
    sweep_at: usize,
}

struct Kept<V> {
    entry: Entry<V>,
    /// It is among those that have changed.
    is_changed: bool,
}

impl<V: Weigh> Expiring<V> {
    /// A table that takes `room` bytes at most.
    pub(super) fn new(room: usize) -> Self {
        let seed = RandomState::new();
        let table = || Table { entries: HashMap::with_hasher(seed.clone()), changed: Vec::new(), sweep_at: FEW };
        let shards = std::iter::repeat_with(|| Shard(Mutex::new(table()))).take(SHARDS).collect();
        Self { seed, shards, used: AtomicUsize::new(0), room, tracks: false }
    }

    /// The same, which remembers what has changed.
    pub(super) fn tracked(room: usize) -> Self {
        Self { tracks: true, ..Self::new(room) }
    }

    /// What `look` sees in the entry, if it has not expired.
    pub(super) fn look<T>(&self, name: &str, now: Moment, look: impl FnOnce(&Entry<V>) -> T) -> Option<T> {
        self.table(name).live(name, now).map(look)
    }

    /// Puts an entry under a name; says whether there was one. With `only_if_there`, it is put only then.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(super) fn put(&self, name: &str, entry: Entry<V>, now: Moment, only_if_there: bool) -> Result<bool, Full> {
        let mut table = self.table(name);
        let was_there = table.live(name, now).is_some();
        if only_if_there && !was_there {
            return Ok(false);
        }
        let (size, replaced) = (size(name, &entry), table.entries.get(name).map(|kept| size(name, &kept.entry)));
        if replaced.is_none() {
            self.make_room(&mut table, now);
        }
        self.take_room(size, replaced.unwrap_or_default())?;
        table.entries.insert(name.into(), Kept { entry, is_changed: self.tracks });
        if self.tracks {
            table.changed.push(name.into());
        }
        Ok(was_there)
    }

    /// Changes an entry, which is `new` if there is none.
    ///
    /// # Errors
    /// When there is no room for a new one.
    pub(super) fn change<T>(
        &self,
        name: &str,
        now: Moment,
        new: impl FnOnce() -> Entry<V>,
        change: impl FnOnce(&mut Entry<V>) -> T,
    ) -> Result<T, Full> {
        let mut table = self.table(name);
        let Table { entries, changed, .. } = &mut *table;
        let Some(kept) = entries.get_mut(name) else {
            self.make_room(&mut table, now);
            self.take_room(ENTRY + name.len(), 0)?;
            let mut entry = new();
            let result = change(&mut entry);
            self.used.fetch_add(entry.value.weight(), Ordering::Relaxed);
            table.entries.insert(name.into(), Kept { entry, is_changed: self.tracks });
            if self.tracks {
                table.changed.push(name.into());
            }
            return Ok(result);
        };
        let before = kept.entry.value.weight();
        if !kept.entry.is_live(now) {
            kept.entry = new();
        }
        let result = change(&mut kept.entry);
        self.used.fetch_add(kept.entry.value.weight(), Ordering::Relaxed);
        self.used.fetch_sub(before, Ordering::Relaxed);
        if self.tracks && !kept.is_changed {
            kept.is_changed = true;
            changed.push(name.into());
        }
        Ok(result)
    }

    /// Removes an entry; says whether there was one.
    pub(super) fn remove(&self, name: &str, now: Moment) -> bool {
        let mut table = self.table(name);
        let Some(Kept { entry, .. }) = table.entries.remove(name) else { return false };
        if self.tracks {
            table.changed.push(name.into());
        }
        self.used.fetch_sub(size(name, &entry), Ordering::Relaxed);
        entry.is_live(now)
    }

    /// The names that begin with `prefix`. It takes as long as the table is large.
    pub(super) fn names(&self, prefix: &str, now: Moment) -> Vec<String> {
        let mut names = Vec::new();
        for shard in &self.shards {
            let table = shard.lock();
            let found = table.entries.iter().filter(|(name, kept)| name.starts_with(prefix) && kept.entry.is_live(now));
            names.extend(found.map(|(name, _)| String::from(&**name)));
        }
        names
    }

    /// What has changed since this was asked last.
    pub(super) fn take_changed(&self) -> Vec<Changed<V>>
    where
        V: Clone,
    {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut table = shard.lock();
            for name in std::mem::take(&mut table.changed) {
                let kept = table.entries.get_mut(&name);
                let entry = kept.map(|kept| {
                    kept.is_changed = false;
                    kept.entry.clone()
                });
                all.push((name, entry));
            }
        }
        all
    }

    /// An entry has changed, whatever happened to it.
    pub(super) fn touch(&self, name: &str) {
        let mut table = self.table(name);
        if let Some(kept) = table.entries.get_mut(name) {
            kept.is_changed = true;
        }
        table.changed.push(name.into());
    }

    /// Forgets what has expired, and gives back its memory.
    pub(super) fn sweep(&self, now: Moment) {
        for shard in &self.shards {
            let mut table = shard.lock();
            self.sweep_one(&mut table, now);
            let room = table.entries.len() * 2;
            table.entries.shrink_to(room);
        }
    }

    fn make_room(&self, table: &mut Table<V>, now: Moment) {
        if table.entries.len() >= table.sweep_at {
            self.sweep_one(table, now);
        }
    }

    fn sweep_one(&self, table: &mut Table<V>, now: Moment) {
        let Table { entries, changed, .. } = table;
        let gone = entries.extract_if(|_, kept| !kept.entry.is_live(now));
        for (name, kept) in gone {
            self.used.fetch_sub(size(&name, &kept.entry), Ordering::Relaxed);
            if self.tracks {
                changed.push(name);
            }
        }
        table.sweep_at = (table.entries.len() * 2).max(FEW);
    }

    /// Takes `size` bytes in place of those that are `replaced`.
    fn take_room(&self, size: usize, replaced: usize) -> Result<(), Full> {
        let used = self.used.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        if used.saturating_sub(replaced) > self.room {
            self.used.fetch_sub(size, Ordering::Relaxed);
            return Err(Full);
        }
        self.used.fetch_sub(replaced, Ordering::Relaxed);
        Ok(())
    }

    fn table(&self, name: &str) -> MutexGuard<'_, Table<V>> {
        // The upper bits; the table goes by the others too.
        let shard = usize::try_from(self.seed.hash_one(name) >> 48).unwrap_or_default() % self.shards.len();
        self.shards[shard].lock()
    }
}

fn size<V: Weigh>(name: &str, entry: &Entry<V>) -> usize {
    ENTRY + name.len() + entry.value.weight()
}

impl<V> Table<V> {
    fn live(&self, name: &str, now: Moment) -> Option<&Entry<V>> {
        self.entries.get(name).map(|kept| &kept.entry).filter(|entry| entry.is_live(now))
    }
}

impl<V> Shard<V> {
    fn lock(&self) -> MutexGuard<'_, Table<V>> {
        // Nothing panics between two writes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
