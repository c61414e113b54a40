//! The passwords that were right a moment ago, so that bcrypt is not asked with every request.
//!
//! Like the table of sessions, it is one of slots that are read and swapped whole: no core waits for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use ring::hmac;
use ring::rand::SystemRandom;

use crate::config::LONGEST;

/// Passwords that are known at the same time.
const KNOWN: usize = 8 * 1024;
/// Slots that one can be in.
const WAYS: usize = 4;

/// Pairs of a stored hash and the password that it is of. Neither is kept: only a digest of both, keyed by what nobody
/// outside of this process knows. Another password has another hash, so that nothing has to be forgotten.
pub(crate) struct RightPasswords {
    key: hmac::Key,
    slots: Box<[ArcSwapOption<Entry>]>,
}

/// A hash and its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair([u8; 32]);

struct Entry {
    pair: Pair,
    ends: Instant,
}

impl RightPasswords {
    /// An empty table; `None` if the system has no random numbers to key it by.
    pub(crate) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self { key, slots: std::iter::repeat_with(ArcSwapOption::empty).take(KNOWN).collect() })
    }

    pub(crate) fn pair(&self, hash: &str, password: &str) -> Pair {
        let mut context = hmac::Context::with_key(&self.key);
        // The border between the two cannot be moved.
        context.update(&hash.len().to_le_bytes());
        context.update(hash.as_bytes());
        context.update(password.as_bytes());
        let mut pair = [0; 32];
        pair.copy_from_slice(context.sign().as_ref());
        Pair(pair)
    }

    /// Whether the two belong together, as was found not long ago.
    pub(crate) fn knows(&self, pair: Pair, now: Instant) -> bool {
        let is_it = |entry: &Entry| entry.pair == pair && now < entry.ends;
        self.ways(pair).iter().any(|slot| slot.load().as_deref().is_some_and(is_it))
    }

    /// The two were found to belong together, which is known for so long.
    pub(crate) fn keep(&self, pair: Pair, lifetime: Duration, now: Instant) {
        let rank = |slot: &&ArcSwapOption<Entry>| match slot.load().as_deref() {
            Some(entry) if entry.pair == pair => None,
            None => Some(now),
            Some(entry) => Some(entry.ends.max(now)),
        };
        let entry = Entry { pair, ends: now + lifetime.min(LONGEST) };
        if let Some(slot) = self.ways(pair).iter().min_by_key(rank) {
            slot.store(Some(Arc::new(entry)));
        }
    }

    fn ways(&self, Pair(digest): Pair) -> &[ArcSwapOption<Entry>] {
        let [first, second, ..] = digest;
        let set = usize::from(u16::from_le_bytes([first, second])) % (KNOWN / WAYS);
        &self.slots[set * WAYS..][..WAYS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_password_is_known_for_its_time_and_for_its_hash_alone() {
        let (table, now) = (RightPasswords::new().expect("random numbers"), Instant::now());
        let pair = table.pair("hash", "password");
        assert!(!table.knows(pair, now));
        table.keep(pair, MINUTE, now);
        assert!(table.knows(table.pair("hash", "password"), now + MINUTE - Duration::from_nanos(1)));
        assert!(!table.knows(pair, now + MINUTE));
        for (hash, password) in [("hash", "passworD"), ("Hash", "password"), ("hashp", "assword"), ("", "hashpassword")]
        {
            assert!(!table.knows(table.pair(hash, password), now), "{hash} {password}");
        }
        let other = RightPasswords::new().expect("random numbers");
        assert_ne!(other.pair("hash", "password"), pair, "each process has a key of its own");
    }

    #[test]
    fn no_time_is_too_long() {
        let (table, now) = (RightPasswords::new().expect("random numbers"), Instant::now());
        let pair = table.pair("hash", "password");
        table.keep(pair, Duration::MAX, now);
        assert!(table.knows(pair, now + LONGEST / 2) && !table.knows(pair, now + LONGEST));
    }

    #[test]
    fn a_full_table_forgets_what_ends_first() {
        let (table, now) = (RightPasswords::new().expect("random numbers"), Instant::now());
        // All in the same set.
        let pair = |n: u8| Pair([[7, 0, n].as_slice(), &[0; 29]].concat().try_into().expect("32 bytes"));
        for n in 0..=4 {
            table.keep(pair(n), MINUTE + Duration::from_secs(n.into()), now);
        }
        let known: Vec<u8> = (0..=4).filter(|n| table.knows(pair(*n), now)).collect();
        assert_eq!(known, [1, 2, 3, 4]);
        table.keep(pair(4), MINUTE, now);
        assert!(table.knows(pair(3), now), "the same again takes its own place");
    }
}
