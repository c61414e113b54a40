//! What is kept, for how long, and what is forgotten.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

fn known(id: &str, alias: &str) -> Known {
    Known { session: Arc::new(Session::new().with_alias(alias)), id: id.into() }
}

/// Keeps the session `alias` of a key that is stored as `stored:<key>`.
fn keep(cache: &SessionCache, org_id: &str, key: &str, alias: &str, now: Instant) {
    cache.keep(cache.ticket(), org_id, key, known(&format!("stored:{key}"), alias), now);
}

fn get(cache: &SessionCache, org_id: &str, key: &str, now: Instant) -> Option<String> {
    cache.get(org_id, key, now).map(|known| known.session.alias.clone())
}

fn count(cache: &SessionCache) -> usize {
    cache.slots.iter().filter(|slot| slot.load().is_some()).count()
}

#[test]
fn a_session_is_kept_for_its_lifetime_from_when_it_was_read() {
    let cache = SessionCache::new(64, LIFETIME);
    let now = Instant::now();
    assert_eq!(get(&cache, "o", "k", now), None);
    keep(&cache, "o", "k", "first", now);
    let last = now + LIFETIME - Duration::from_nanos(1);
    assert_eq!(get(&cache, "o", "k", last).as_deref(), Some("first"));
    assert_eq!(get(&cache, "o", "k", now + LIFETIME), None, "to be read does not prolong it");
    keep(&cache, "o", "k", "second", now + LIFETIME);
    assert_eq!(get(&cache, "o", "k", now + LIFETIME).as_deref(), Some("second"));
    assert_eq!(count(&cache), 1, "in place of the first");
}

#[test]
fn a_key_means_another_session_in_another_organisation() {
    let cache = SessionCache::new(64, LIFETIME);
    let now = Instant::now();
    keep(&cache, "o", "pk", "ours", now);
    assert_eq!(get(&cache, "op", "k", now), None);
    assert_eq!(get(&cache, "p", "pk", now), None);
    keep(&cache, "p", "pk", "theirs", now);
    assert_eq!(get(&cache, "o", "pk", now).as_deref(), Some("ours"));
    assert_eq!(get(&cache, "p", "pk", now).as_deref(), Some("theirs"));
}

#[test]
fn what_is_stored_under_an_id_is_forgotten_by_whatever_key_it_was_found() {
    let cache = SessionCache::new(64, LIFETIME);
    let now = Instant::now();
    // With `hash_keys` the id is a hash: it is what other gateways tell.
    for key in ["omine", "mine"] {
        cache.keep(cache.ticket(), "o", key, known("248bfa47", "mine"), now);
    }
    keep(&cache, "o", "other", "other", now);
    cache.forget("248bfa47");
    assert_eq!(get(&cache, "o", "omine", now), None);
    assert_eq!(get(&cache, "o", "mine", now), None);
    assert_eq!(get(&cache, "o", "other", now).as_deref(), Some("other"));
    cache.clear();
    assert_eq!(count(&cache), 0);
}

#[test]
fn a_session_that_was_forgotten_while_it_was_read_is_not_kept() {
    let cache = SessionCache::new(64, LIFETIME);
    let now = Instant::now();
    let ticket = cache.ticket();
    cache.forget("stored");
    cache.keep(ticket, "o", "k", known("stored", "old"), now);
    assert_eq!(get(&cache, "o", "k", now), None);
    cache.keep(cache.ticket(), "o", "k", known("stored", "new"), now);
    assert_eq!(get(&cache, "o", "k", now).as_deref(), Some("new"));
}

#[test]
fn there_are_never_more_sessions_than_it_is_for() {
    let cache = SessionCache::new(62, LIFETIME);
    assert_eq!(cache.slots.len(), 64);
    let now = Instant::now();
    for n in 0..2_000_u64 {
        let (key, now) = (n.to_string(), now + Duration::from_micros(n));
        keep(&cache, "o", &key, &key, now);
        assert_eq!(get(&cache, "o", &key, now), Some(key));
        assert!(count(&cache) <= 64);
    }
    assert!(SessionCache::new(0, LIFETIME).slots.len() == WAYS);
}

#[test]
fn what_ends_first_goes_first() {
    let cache = SessionCache::new(WAYS, LIFETIME);
    let now = Instant::now();
    for (key, after) in [("b", 2), ("a", 1), ("c", 3), ("d", 4), ("e", 5)] {
        keep(&cache, "o", key, key, now + Duration::from_secs(after));
    }
    let kept = ["a", "b", "c", "d", "e"].map(|key| get(&cache, "o", key, now).is_some());
    assert_eq!(kept, [false, true, true, true, true]);
}

#[test]
fn what_is_over_gives_its_memory_back() {
    let cache = SessionCache::new(64, LIFETIME);
    let now = Instant::now();
    let old = known("stored", "old");
    cache.keep(cache.ticket(), "o", "k", old.clone(), now);
    cache.sweep(now + LIFETIME - Duration::from_nanos(1));
    assert_eq!(Arc::strong_count(&old.session), 2);
    cache.sweep(now + LIFETIME);
    assert_eq!((Arc::strong_count(&old.session), count(&cache)), (1, 0));
}

#[test]
fn after_it_is_forgotten_no_core_keeps_what_it_read_before() {
    let cache = SessionCache::new(8, LIFETIME);
    let now = Instant::now();
    // The store: what is read is what was written last.
    let written = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let ticket = cache.ticket();
                    let read = written.load(Ordering::SeqCst).to_string();
                    cache.keep(ticket, "o", "k", known("stored", &read), now);
                }
            });
        }
        for version in 1..=5_000_u64 {
            written.store(version, Ordering::SeqCst);
            cache.forget("stored");
            // What was put back already is swept by who put it; it may be seen for that moment only.
            if version % 50 == 0 {
                thread::sleep(Duration::from_micros(50));
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let found = get(&cache, "o", "k", now);
    assert!(found.is_none() || found.as_deref() == Some("5000"), "{found:?}");
}
