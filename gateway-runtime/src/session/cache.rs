//! The sessions that were looked up a moment ago, so that a key is not asked of the store with every request.
//!
//! Source: Tyk, `SessionCache` in `gateway/middleware.go`: 10 seconds, for which a change elsewhere may go unseen.
//!
//! It is a table of slots that are read and swapped whole (`arc-swap`): no core ever waits for another, whoever is slow.
//! moka, which comes with the resolver, locks where it writes, keeps house in the calls of others, and has a clock of its
//! own. What does not fit into the few slots that a key can be in goes, and is looked up again.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use gateway_model::Session;

/// How long a session is kept.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10);

/// Slots that a key can be in.
const WAYS: usize = 4;

/// Sessions by the key that a client shows and the organisation of the API that it is shown to.
///
/// Keys themselves are not kept, hashed or not: only two keyed hashes, which mean nothing elsewhere. What is forgotten
/// goes by the id under which a session is stored, which is all that other gateways know of a key.
pub(crate) struct SessionCache {
    seeds: [RandomState; 2],
    slots: Box<[ArcSwapOption<Entry>]>,
    lifetime: Duration,
    /// How often anything was forgotten.
    forgotten: AtomicU64,
}

struct Entry {
    digest: [u64; 2],
    known: Known,
    ends: Instant,
}

/// A session, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) session: Arc<Session>,
    /// Under which it is stored, and by which its limits count.
    pub(crate) id: Arc<str>,
}

/// Taken before a session is read from the store: what is forgotten meanwhile is not kept after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl SessionCache {
    /// A cache of so many sessions at most.
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Self {
        let sets = capacity.div_ceil(WAYS).max(1);
        Self {
            seeds: [RandomState::new(), RandomState::new()],
            slots: std::iter::repeat_with(ArcSwapOption::empty).take(sets * WAYS).collect(),
            lifetime,
            forgotten: AtomicU64::new(0),
        }
    }

    /// The session of a key, if it was kept not long ago.
    pub(crate) fn get(&self, org_id: &str, key: &str, now: Instant) -> Option<Known> {
        let digest = self.digest(org_id, key);
        self.ways(digest).iter().find_map(|slot| {
            let entry = slot.load();
            let entry = entry.as_ref().filter(|entry| entry.digest == digest && now < entry.ends)?;
            Some(entry.known.clone())
        })
    }

    /// To be taken before the store is asked.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.forgotten.load(Ordering::SeqCst))
    }

    /// Keeps a session that was read from the store.
    pub(crate) fn keep(&self, ticket: Ticket, org_id: &str, key: &str, known: Known, now: Instant) {
        let digest = self.digest(org_id, key);
        let slot = self.slot(digest, now);
        let entry = Some(Arc::new(Entry { digest, known, ends: now + self.lifetime }));
        slot.store(entry.clone());
        // Either this is seen by who forgets, or who forgets is seen here.
        fence(Ordering::SeqCst);
        if self.ticket() != ticket {
            slot.compare_and_swap(&entry, None);
        }
    }

    /// Forgets the session that is stored under `id`, by whatever key it was found. All slots are looked at.
    pub(crate) fn forget(&self, id: &str) {
        self.forget_where(|entry| &*entry.known.id == id);
    }

    /// Forgets all, as when the policies are others.
    pub(crate) fn clear(&self) {
        self.forget_where(|_| true);
    }

    /// Gives back the memory of what is not kept any longer.
    pub(crate) fn sweep(&self, now: Instant) {
        self.drop_where(|entry| entry.ends <= now);
    }

    fn forget_where(&self, is_it: impl Fn(&Entry) -> bool) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.drop_where(is_it);
    }

    fn drop_where(&self, is_it: impl Fn(&Entry) -> bool) {
        for slot in &self.slots {
            let mut entry = slot.load();
            // Another may be in its place by then, of the same key.
            while entry.as_deref().is_some_and(&is_it) {
                let seen = slot.compare_and_swap(&*entry, None);
                if std::ptr::eq(address(&seen), address(&entry)) {
                    break;
                }
                entry = seen;
            }
        }
    }

    fn digest(&self, org_id: &str, key: &str) -> [u64; 2] {
        [self.seeds[0].hash_one((org_id, key)), self.seeds[1].hash_one((org_id, key))]
    }

    fn ways(&self, [index, _]: [u64; 2]) -> &[ArcSwapOption<Entry>] {
        let sets = self.slots.len() / WAYS;
        let set = usize::try_from(index % sets as u64).unwrap_or_default();
        &self.slots[set * WAYS..][..WAYS]
    }

    /// Where a session goes: in place of what it replaces, else of nothing, else of what ends first.
    fn slot(&self, digest: [u64; 2], now: Instant) -> &ArcSwapOption<Entry> {
        let rank = |slot: &&ArcSwapOption<Entry>| match slot.load().as_ref() {
            Some(entry) if entry.digest == digest => None,
            None => Some(now.checked_sub(self.lifetime).unwrap_or(now)),
            Some(entry) => Some(entry.ends),
        };
        let ways = self.ways(digest);
        ways.iter().min_by_key(rank).unwrap_or(&ways[0])
    }
}

fn address(entry: &Guard<Option<Arc<Entry>>>) -> *const Entry {
    entry.as_ref().map_or(std::ptr::null(), Arc::as_ptr)
}

#[cfg(test)]
mod tests;
