//! How rates are counted: by buckets of this process, or in the store, where several gateways count together.
//!
//! Source: gateway.md §7.2.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::unix_now;
use crate::later::Later;
use crate::session::bucket::{BucketKey, Buckets, THRESHOLD, Taken, counts_here};
use crate::session::limits::{Rate, blocked_name, rate_name};
use crate::session::nodes::Nodes;
use crate::storage::{Count, Reply, StoreError};

/// A longer window is none.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How requests are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// In this process: exactly so many in each window, which begins with its first request. Where there are several
    /// gateways, each lets its part pass, or they count as [`Algorithm::Rolling`] does if that would be too little.
    #[default]
    Bucket,
    /// In the store: so many in each stretch of a window's length; requests that are refused count too.
    Rolling,
    /// In the store: so many in each window of the clock.
    FixedWindow,
    /// In the store, after the request has passed: who comes too often is refused for a window's length.
    Sentinel,
}

/// What the configuration says of rates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) algorithm: Algorithm,
    /// `drl_threshold`: requests per second, for each gateway, that are too few to be counted in parts.
    pub(crate) threshold: f64,
    /// Clients are told what is left.
    pub(crate) tells: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { algorithm: Algorithm::default(), threshold: THRESHOLD, tells: false }
    }
}

/// What counts rates.
pub(crate) struct Limiter {
    settings: Settings,
    /// The gateways that count together.
    pub(crate) nodes: Nodes,
    /// Requests that are counted in the store.
    stored: AtomicU64,
    buckets: Buckets,
    store: Later,
}

impl Limiter {
    pub(crate) fn new(settings: Settings, nodes: Nodes, store: Later) -> Self {
        Self { settings, nodes, stored: AtomicU64::new(0), buckets: Buckets::new(Instant::now()), store }
    }

    /// Clients are told what is left.
    pub(crate) fn tells(&self) -> bool {
        self.settings.tells
    }

    /// Requests that it was asked about so far.
    pub(crate) fn asked(&self) -> u64 {
        self.buckets.asked().wrapping_add(self.stored.load(Ordering::Relaxed))
    }

    /// How a rate is counted, and how many nodes count it in parts.
    fn way(&self, rate: Rate) -> (Algorithm, u32) {
        let nodes = self.nodes.count();
        match self.settings.algorithm {
            Algorithm::Bucket if !counts_here(nodes, self.settings.threshold, rate) => (Algorithm::Rolling, nodes),
            algorithm => (algorithm, nodes),
        }
    }

    /// Counts a request. A store that fails lets none pass by `Rolling` and all by `Sentinel`; both are logged.
    ///
    /// # Errors
    /// By `FixedWindow`, when the store does not count.
    pub(crate) fn take(&self, key: &BucketKey<'_>, rate: Rate) -> Reply<Taken> {
        let (algorithm, nodes) = self.way(rate);
        if algorithm != Algorithm::Bucket {
            self.stored.fetch_add(1, Ordering::Relaxed);
        }
        match algorithm {
            Algorithm::Bucket => self.buckets.take(key, rate, nodes, Instant::now()).into(),
            Algorithm::Rolling => {
                let (most, window) = (whole(rate), window(rate));
                let name = name(key);
                let counted =
                    self.store.get().counters().record(&name, window, usize::try_from(most).unwrap_or(usize::MAX));
                or(counted.map(move |before| rolled(before, most, window)), refused(window))
            }
            Algorithm::FixedWindow => {
                let (most, window) = (whole(rate), window(rate));
                let (name, left) = fixed(key, window);
                let counted = self.store.get().counters().increment(&name, 1, Some(window));
                counted.map(move |count: Count| of_window(count.value, most, left))
            }
            Algorithm::Sentinel => {
                let window = window(rate);
                let is_blocked = self.store.get().counters().read(&blocked(key));
                self.watch(key, rate);
                let taken = move |sentinel: Option<Count>| sentinel.map_or(passed(window), |_| refused(window));
                or(is_blocked.map(taken), passed(window))
            }
        }
    }

    /// Whether a request would be refused at this moment. Nothing is counted. Source: gateway.md §7.5.
    ///
    /// # Errors
    /// When the store does not answer, but for `Rolling`: that is logged, and refused.
    pub(crate) fn is_spent(&self, key: &BucketKey<'_>, rate: Rate) -> Reply<bool> {
        let (algorithm, nodes) = self.way(rate);
        match algorithm {
            Algorithm::Bucket => self.buckets.is_spent(key, rate, nodes, Instant::now()).into(),
            Algorithm::Rolling => {
                let most = whole(rate);
                let counted = self.store.get().counters().peek(&name(key), window(rate));
                or(counted.map(move |recorded| recorded >= most), true)
            }
            Algorithm::FixedWindow => {
                let most = whole(rate);
                let counted = self.store.get().counters().read(&fixed(key, window(rate)).0);
                counted.map(move |count| count.is_some_and(|count| u64::try_from(count.value).unwrap_or(0) >= most))
            }
            Algorithm::Sentinel => self.store.get().counters().read(&blocked(key)).map(|sentinel| sentinel.is_some()),
        }
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self) {
        self.buckets.sweep(Instant::now());
    }

    /// Counts a request that has passed already, and blocks those that come after too many.
    fn watch(&self, key: &BucketKey<'_>, rate: Rate) {
        // As with Tyk, the sentinel is set by the last one that fits.
        let (most, window) = (whole(rate).saturating_sub(1), window(rate));
        let (store, blocked) = (self.store.get().clone(), blocked(key));
        let block = move |before: Result<u64, StoreError>| match before {
            // It is seen at once, and costs no write to a disk: whoever is blocked may come as often as they like.
            Ok(before) if before >= most => Some(store.counters().put(&blocked, 1, Some(window))),
            Ok(_) => None,
            Err(error) => {
                tracing::error!(%error, "a rate is not counted");
                None
            }
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        match self.store.get().counters().record(&name(key), window, most) {
            // A write is under way when its call returns.
            Reply::Ready(before) => drop(block(before)),
            Reply::Wait(before) => {
                tokio::spawn(async move { drop(block(before.await)) });
            }
        }
    }
}

/// Requests in a window; one always fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the nearest number that there is")]
fn whole(rate: Rate) -> u64 {
    (rate.requests as u64).max(1)
}

/// The length of a window; one that is below zero has none that is known, and is the longest.
fn window(rate: Rate) -> Duration {
    Duration::try_from_secs_f64(rate.per_s).unwrap_or(LONGEST).clamp(Duration::from_millis(1), LONGEST)
}

fn name(key: &BucketKey<'_>) -> String {
    rate_name(key.scope, key.id, Some(key.endpoint))
}

fn blocked(key: &BucketKey<'_>) -> String {
    blocked_name(&name(key))
}

/// The counter of the window that the clock is in, and how long that still is.
fn fixed(key: &BucketKey<'_>, window: Duration) -> (String, Duration) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (now, length) = (now.as_millis(), window.as_millis().max(1));
    let left = u64::try_from(length - now % length).unwrap_or(u64::MAX);
    (format!("{}-{}", name(key), now / length), Duration::from_millis(left))
}

fn rolled(before: u64, most: u64, window: Duration) -> Taken {
    Taken { is_allowed: before < most, remaining: most.saturating_sub(before.saturating_add(1)), resets_in: window }
}

fn of_window(value: i64, most: u64, left: Duration) -> Taken {
    let value = u64::try_from(value).unwrap_or(0);
    Taken { is_allowed: value <= most, remaining: most.saturating_sub(value), resets_in: left }
}

fn refused(window: Duration) -> Taken {
    Taken { is_allowed: false, remaining: 0, resets_in: window }
}

fn passed(window: Duration) -> Taken {
    Taken { is_allowed: true, remaining: 0, resets_in: window }
}

/// What a failure comes to, which is logged.
fn or<T: Send + 'static>(reply: Reply<T>, otherwise: T) -> Reply<T> {
    let settle = move |answer: Result<T, StoreError>| {
        Ok(answer.unwrap_or_else(|error| {
            tracing::error!(%error, "a rate is not counted");
            otherwise
        }))
    };
    match reply {
        Reply::Ready(answer) => Reply::Ready(settle(answer)),
        Reply::Wait(answer) => Reply::Wait(Box::pin(async move { settle(answer.await) })),
    }
}

/// When a window is over, in seconds since 1970.
pub(crate) fn resets(taken: &Taken) -> i64 {
    let seconds = taken.resets_in.as_millis().div_ceil(1000);
    unix_now().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Memory, Store};

    const KEY: BucketKey<'_> = BucketKey { scope: "", id: "key", endpoint: "", last_updated: "" };
    const HOUR: Rate = Rate { requests: 3.0, per_s: 3600.0 };

    fn limiter(algorithm: Algorithm, nodes: Nodes) -> Limiter {
        let settings = Settings { algorithm, ..Settings::default() };
        Limiter::new(settings, nodes, Store::new(Memory::default()).into())
    }

    async fn passes(limiter: &Limiter) -> bool {
        limiter.take(&KEY, HOUR).wait().await.expect("it is counted").is_allowed
    }

    async fn check(algorithm: Algorithm, expected: [bool; 5]) {
        let limiter = limiter(algorithm, Nodes::alone());
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(passes(&limiter).await);
        }
        assert_eq!(seen, expected, "{algorithm:?}");
    }

    #[tokio::test]
    async fn exactly_the_rate_passes_in_a_window() {
        check(Algorithm::Bucket, [true, true, true, false, false]).await;
        check(Algorithm::Rolling, [true, true, true, false, false]).await;
    }

    /// Source: gateway.md §7.5.
    #[tokio::test]
    async fn who_asks_whether_a_rate_is_spent_is_not_counted() {
        for algorithm in [Algorithm::Bucket, Algorithm::Rolling] {
            let limiter = limiter(algorithm, Nodes::alone());
            for _ in 0..3 {
                for _ in 0..5 {
                    assert!(!limiter.is_spent(&KEY, HOUR).wait().await.expect("it is read"), "{algorithm:?}");
                }
                assert!(passes(&limiter).await, "{algorithm:?}");
            }
            assert!(limiter.is_spent(&KEY, HOUR).wait().await.expect("it is read"), "{algorithm:?}");
        }
    }

    #[tokio::test]
    async fn a_sentinel_stands_behind_the_last_one_that_fits() {
        check(Algorithm::Sentinel, [true, true, true, false, false]).await;
    }

    #[tokio::test]
    async fn windows_of_the_clock_are_counted_apart() {
        let limiter = limiter(Algorithm::FixedWindow, Nodes::alone());
        let first = limiter.take(&KEY, HOUR).wait().await.expect("it is counted");
        assert!(first.is_allowed && first.resets_in <= Duration::from_secs(3600));
        // The hour may end between two requests: at most six of ten are in one of two windows.
        let mut allowed = 1;
        for _ in 0..9 {
            allowed += u32::from(passes(&limiter).await);
        }
        assert!(allowed == 3 || allowed > 3 && allowed <= 6, "{allowed}");
        assert!(limiter.is_spent(&KEY, HOUR).wait().await.expect("it is read"));
    }

    /// Two gateways on one store, which know of each other.
    fn two() -> [Limiter; 2] {
        let (store, now) = (Store::new(Memory::default()), Instant::now());
        ["one", "other"].map(|own| {
            let nodes = Nodes::of(own.to_owned());
            for name in [own, "one", "other"] {
                nodes.hear(name, now);
            }
            Limiter::new(Settings::default(), nodes, store.clone().into())
        })
    }

    async fn passed_of(limiter: &Limiter, rate: Rate, attempts: usize) -> usize {
        let mut passed = 0;
        for _ in 0..attempts {
            passed += usize::from(limiter.take(&KEY, rate).wait().await.expect("it is counted").is_allowed);
        }
        passed
    }

    /// Source: gateway.md §7.2: n × 5 < rate ÷ per.
    #[tokio::test]
    async fn each_of_two_gateways_lets_its_part_pass_of_a_rate_that_is_high_enough() {
        let [one, other] = two();
        let high = Rate { requests: 660.0, per_s: 60.0 };
        assert_eq!(passed_of(&one, high, 400).await, 330);
        assert_eq!(passed_of(&other, high, 400).await, 330);
        assert!(one.is_spent(&KEY, high).wait().await.expect("it is read"));
        assert_eq!(one.asked(), 400);
        one.nodes.forget(Instant::now() + Duration::from_secs(4));
        assert_eq!(passed_of(&one, high, 1).await, 0, "its window goes on");
    }

    #[tokio::test]
    async fn two_gateways_count_a_low_rate_together() {
        let [one, other] = two();
        // Ten in a second are not more than five for each.
        let low = Rate { requests: 600.0, per_s: 60.0 };
        assert_eq!(passed_of(&one, low, 400).await, 400);
        assert_eq!(passed_of(&other, low, 400).await, 200);
        assert_eq!((one.asked(), other.asked()), (400, 400));
    }
}
