//! How many gateways count rates together: each says now and then that it is there.
//!
//! Source: TykTechnologies/drl, `AddOrUpdateServer`; gateway.md §7.2.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who has not been heard of for so long is gone.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(4);

/// More gateways than this are not told apart.
const MOST: usize = 4_096;

/// The gateways on one store.
pub(crate) struct Nodes {
    /// This gateway, as it tells of itself; empty if it does not.
    own: String,
    /// When each was heard of last.
    heard: Mutex<BTreeMap<String, Instant>>,
    count: AtomicU32,
}

impl Nodes {
    /// A gateway that is to be known by this name.
    pub(crate) fn of(own: String) -> Self {
        Self { own, heard: Mutex::default(), count: AtomicU32::new(1) }
    }

    /// A gateway that counts for itself, whoever else there is.
    pub(crate) fn alone() -> Self {
        Self::of(String::new())
    }

    /// How many there are, this one among them. One that has not heard itself yet is alone: nobody knows of it.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// A gateway has told that it is there. Says how many there are if that is another number than before.
    ///
    /// Of others nothing is taken before this one has heard itself.
    pub(crate) fn hear(&self, name: &str, now: Instant) -> Option<u32> {
        if self.own.is_empty() {
            return None;
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        drop_silent(&mut heard, now);
        let has_heard_itself = name == self.own || heard.contains_key(&self.own);
        if has_heard_itself && (heard.len() < MOST || heard.contains_key(name)) {
            heard.insert(name.to_owned(), now);
        }
        self.settle(&heard)
    }

    /// Drops those that have been silent. Says how many there are if that is another number than before.
    pub(crate) fn forget(&self, now: Instant) -> Option<u32> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        drop_silent(&mut heard, now);
        self.settle(&heard)
    }

    fn settle(&self, heard: &BTreeMap<String, Instant>) -> Option<u32> {
        let known = if heard.contains_key(&self.own) { heard.len() } else { 1 };
        let count = u32::try_from(known).unwrap_or(u32::MAX);
        (self.count.swap(count, Ordering::Relaxed) != count).then_some(count)
    }
}

fn drop_silent(heard: &mut BTreeMap<String, Instant>, now: Instant) {
    heard.retain(|_, last| now.saturating_duration_since(*last) < FORGOTTEN_AFTER);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn gateways_count_while_they_are_heard() {
        let (nodes, now) = (Nodes::of("own".to_owned()), Instant::now());
        assert_eq!(nodes.count(), 1);
        assert_eq!(nodes.hear("own", now), None, "one is one");
        assert_eq!(nodes.hear("second", now), Some(2));
        assert_eq!(nodes.hear("second", now + SECOND), None, "it is known already");
        assert_eq!(nodes.hear("third", now + SECOND * 2), Some(3));
        assert_eq!(nodes.hear("own", now + SECOND * 2), None);
        assert_eq!(nodes.count(), 3);
    }

    #[test]
    fn who_is_silent_for_four_seconds_is_dropped() {
        let (nodes, now) = (Nodes::of("own".to_owned()), Instant::now());
        nodes.hear("own", now);
        nodes.hear("second", now + SECOND);
        nodes.hear("own", now + SECOND * 4);
        assert_eq!(nodes.forget(now + SECOND * 5 - Duration::from_nanos(1)), None);
        assert_eq!(nodes.forget(now + SECOND * 5), Some(1));
        assert_eq!(nodes.hear("second", now + SECOND * 6), Some(2), "it is back");
        assert_eq!(nodes.hear("own", now + SECOND * 10), Some(1), "who hears forgets too");
    }

    #[test]
    fn a_gateway_that_does_not_hear_itself_is_alone() {
        let (nodes, now) = (Nodes::of("own".to_owned()), Instant::now());
        assert_eq!(nodes.hear("second", now), None);
        assert_eq!(nodes.count(), 1);
        nodes.hear("own", now);
        assert_eq!(nodes.hear("second", now), Some(2));
        // What it tells is not heard any more: the store is away, or does not pass it on.
        assert_eq!(nodes.hear("second", now + SECOND * 4), Some(1));
        assert_eq!(nodes.count(), 1);
    }

    #[test]
    fn who_counts_for_itself_hears_nobody() {
        let nodes = Nodes::alone();
        for name in ["", "second", "third"] {
            assert_eq!(nodes.hear(name, Instant::now()), None);
        }
        assert_eq!(nodes.count(), 1);
    }

    #[test]
    fn names_have_a_bound() {
        let (nodes, now) = (Nodes::of("own".to_owned()), Instant::now());
        nodes.hear("own", now);
        for number in 0..2 * MOST {
            nodes.hear(&number.to_string(), now);
        }
        assert_eq!(nodes.count() as usize, MOST);
    }
}
