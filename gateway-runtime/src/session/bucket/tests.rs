//! What passes, and what is kept of it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rate(requests: f64, per_s: f64) -> Rate {
    Rate { requests, per_s }
}

fn key(id: &str) -> BucketKey<'_> {
    BucketKey { scope: "", id, endpoint: "", last_updated: "" }
}

/// How many of `attempts` pass at one moment.
fn passed(buckets: &Buckets, rate: Rate, nodes: u32, attempts: usize, now: Instant) -> usize {
    (0..attempts).filter(|_| buckets.take(&key("k"), rate, nodes, now).is_allowed).count()
}

fn count(buckets: &Buckets) -> usize {
    buckets.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
}

#[test]
fn exactly_the_rate_passes_in_each_window() {
    let now = Instant::now();
    let buckets = Buckets::new(now);
    for window in 0..5 {
        let now = now + SECOND * 10 * window;
        assert_eq!(passed(&buckets, rate(3.0, 10.0), 1, 3, now), 3);
        assert_eq!(passed(&buckets, rate(3.0, 10.0), 1, 9, now + SECOND * 10 - Duration::from_nanos(1)), 0);
    }
}

#[test]
fn a_window_begins_with_its_first_request() {
    let begun = Instant::now();
    let buckets = Buckets::new(begun);
    let first = begun + Duration::from_millis(700);
    assert_eq!(passed(&buckets, rate(2.0, 1.0), 1, 1, first), 1);
    assert_eq!(passed(&buckets, rate(2.0, 1.0), 1, 2, first + Duration::from_millis(999)), 1);
    assert_eq!(passed(&buckets, rate(2.0, 1.0), 1, 3, first + SECOND), 2, "it does not slide");
    assert_eq!(passed(&buckets, rate(2.0, 1.0), 1, 3, first + SECOND * 50), 2);
    assert_eq!(passed(&buckets, rate(2.0, 1.0), 1, 3, first + SECOND * 51 - Duration::from_nanos(1)), 0);
}

#[test]
fn what_remains_and_until_when_is_told() {
    let now = Instant::now();
    let buckets = Buckets::new(now);
    let take = |after: Duration| buckets.take(&key("k"), rate(2.0, 10.0), 1, now + after);
    let told = |is_allowed, remaining, left| Taken { is_allowed, remaining, resets_in: SECOND * left };
    assert_eq!(take(Duration::ZERO), told(true, 1, 10));
    assert_eq!(take(SECOND), told(true, 0, 9));
    assert_eq!(take(SECOND * 4), told(false, 0, 6));
    assert_eq!(take(SECOND * 10), told(true, 1, 10));
}

#[test]
fn a_request_takes_its_tokens_for_each_node() {
    for (requests, nodes, expected) in
        [(10.0, 1, 10), (10.0, 2, 5), (10.0, 3, 3), (10.0, 0, 10), (1.0, 5, 1), (0.5, 1, 1), (1.5, 1, 1), (2.9, 1, 2)]
    {
        let now = Instant::now();
        let buckets = Buckets::new(now);
        assert_eq!(passed(&buckets, rate(requests, 1.0), nodes, 20, now), expected, "{requests} of {nodes}");
    }
}

#[test]
fn what_is_unlimited_has_no_bucket() {
    let now = Instant::now();
    let buckets = Buckets::new(now);
    for requests in [0.0, -1.0, f64::NAN] {
        assert_eq!(passed(&buckets, rate(requests, 1.0), 1, 20, now), 20);
        assert!(!buckets.is_spent(&key("k"), rate(requests, 1.0), 1, now));
    }
    assert_eq!(count(&buckets), 0);
}

#[test]
fn rates_at_the_end_of_all_numbers_are_what_they_say() {
    let passed = |requests: f64, per_s: f64| {
        let now = Instant::now();
        let buckets = Buckets::new(now);
        let first = passed(&buckets, rate(requests, per_s), 1, 5, now);
        (first, passed(&buckets, rate(requests, per_s), 1, 5, now + SECOND * 1_000_000))
    };
    assert_eq!(passed(f64::INFINITY, 1.0), (5, 5));
    assert_eq!(passed(1e300, 1e300), (5, 5));
    assert_eq!(passed(1.0, 1e300), (1, 0), "a window without end");
    assert_eq!(passed(1.0, 0.0), (5, 5), "a window that is over at once");
    assert_eq!(passed(1.0, -1.0), (5, 5));
}

#[test]
fn a_rate_that_changes_counts_at_once() {
    let now = Instant::now();
    let buckets = Buckets::new(now);
    assert_eq!(passed(&buckets, rate(2.0, 1.0), 1, 9, now), 2);
    assert_eq!(passed(&buckets, rate(5.0, 1.0), 1, 9, now), 3);
    assert_eq!(passed(&buckets, rate(1.0, 1.0), 1, 9, now), 0);
}

#[test]
fn every_part_of_a_key_is_counted_by_itself() {
    let now = Instant::now();
    let buckets = Buckets::new(now);
    let keys = [
        BucketKey { scope: "", id: "ab", endpoint: "", last_updated: "" },
        BucketKey { scope: "a", id: "b", endpoint: "", last_updated: "" },
        BucketKey { scope: "", id: "a", endpoint: "b", last_updated: "" },
        BucketKey { scope: "", id: "a", endpoint: "", last_updated: "b" },
        BucketKey { scope: "", id: "ab", endpoint: "", last_updated: "1655000000" },
    ];
    for key in keys {
        assert!(buckets.take(&key, rate(1.0, 1.0), 1, now).is_allowed, "{key:?}");
        assert!(!buckets.take(&key, rate(1.0, 1.0), 1, now).is_allowed, "{key:?}");
    }
}

#[test]
fn to_look_is_not_to_take() {
    let now = Instant::now();
    let buckets = Buckets::new(now);
    let is_spent = |after: Duration| buckets.is_spent(&key("k"), rate(1.0, 1.0), 1, now + after);
    assert!(!is_spent(Duration::ZERO));
    assert_eq!(passed(&buckets, rate(1.0, 1.0), 1, 1, now), 1);
    assert!(is_spent(Duration::ZERO) && is_spent(Duration::from_millis(999)));
    assert!(!is_spent(SECOND));
}

#[test]
fn a_cluster_counts_low_rates_in_one_place() {
    for (nodes, rate, expected) in [
        (0, rate(1.0, 60.0), true),
        (1, rate(1.0, 60.0), true),
        (2, rate(10.0, 1.0), false),
        (2, rate(10.1, 1.0), true),
        (2, rate(600.0, 60.0), false),
        (4, rate(20.5, 1.0), true),
    ] {
        assert_eq!(counts_here(nodes, THRESHOLD, rate), expected, "{nodes} {rate:?}");
    }
}

#[test]
fn threads_together_pass_exactly_the_rate_in_each_window() {
    const THREADS: u32 = 8;
    const WINDOWS: u32 = 10;
    let begun = Instant::now();
    let buckets = Buckets::new(begun);
    let passed: Vec<[AtomicU64; 3]> = (0..WINDOWS).map(|_| Default::default()).collect();
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (buckets, passed, barrier) = (&buckets, &passed, &barrier);
            scope.spawn(move || {
                for window in 0..WINDOWS {
                    // All are in one window; they do not see the same moment of it.
                    barrier.wait();
                    for attempt in 0..200 {
                        let now =
                            begun + SECOND * window + Duration::from_micros(u64::from(attempt * 7 % 100 + thread));
                        for (at, id) in ["hot", "warm", "cold"].into_iter().enumerate() {
                            if buckets.take(&key(id), rate(1_000.0, 0.5), 1, now).is_allowed {
                                passed[window as usize][at].fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    for window in passed {
        assert_eq!(window.map(AtomicU64::into_inner), [1_000; 3]);
    }
}

#[test]
fn buckets_whose_window_is_over_go_away() {
    let begun = Instant::now();
    let buckets = Buckets::new(begun);
    for n in 0_u32..30_000 {
        // A hundred new keys in a second.
        let now = begun + Duration::from_millis(10) * n;
        buckets.take(&key(&n.to_string()), rate(1.0, 1.0), 1, now);
        assert!(n % 1_000 != 0 || count(&buckets) <= SHARDS * FEW * 2, "{n}: {}", count(&buckets));
    }
    let end = begun + SECOND * 300;
    buckets.sweep(end);
    assert!((1..=100).contains(&count(&buckets)), "{}", count(&buckets));
    buckets.sweep(end + SECOND);
    assert_eq!(count(&buckets), 0);
    let room: usize = buckets.shards.iter().map(|shard| shard.lock().buckets.capacity()).sum();
    assert_eq!(room, 0);
}

#[test]
fn a_part_has_never_more_than_so_many_buckets() {
    let mut table = Table::default();
    let total = 5 * MANY as u64;
    for n in 0..total {
        table.bucket(n, rate(1.0, 3_600.0), n).spent = TOKENS;
        assert!(table.buckets.len() <= MANY);
    }
    assert!(table.buckets.len() > MANY / 3);
    assert_eq!(table.bucket(total - 1, rate(1.0, 3_600.0), total).spent, TOKENS, "the newest stay");
    assert_eq!(table.bucket(0, rate(1.0, 3_600.0), total).spent, 0, "the oldest begin anew");
}
