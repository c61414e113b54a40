//! How rates are counted: by buckets of this process, or in the store, where several gateways count together.
//!
//! Source: gateway.md §7.2.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::clock::unix_now;
use crate::later::Later;
use crate::session::bucket::{BucketKey, Buckets, Taken};
use crate::session::limits::{Rate, rate_name};
use crate::storage::{Count, Reply, StoreError};

/// What is behind the name of a counter when it is blocked.
const BLOCKED: &str = ".BLOCKED";

/// A longer window is none.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How requests are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// In this process: exactly so many in each window, which begins with its first request.
    #[default]
    Bucket,
    /// In the store: so many in each stretch of a window's length; requests that are refused count too.
    Rolling,
    /// In the store: so many in each window of the clock.
    FixedWindow,
    /// In the store, after the request has passed: who comes too often is refused for a window's length.
    Sentinel,
}

/// What counts rates.
pub(crate) struct Limiter {
    algorithm: Algorithm,
    buckets: Buckets,
    store: Later,
    /// Clients are told what is left.
    pub(crate) tells: bool,
}

impl Limiter {
    pub(crate) fn new(algorithm: Algorithm, store: Later, tells: bool) -> Self {
        Self { algorithm, buckets: Buckets::new(Instant::now()), store, tells }
    }

    /// Counts a request. A store that fails lets none pass by `Rolling` and all by `Sentinel`; both are logged.
    ///
    /// # Errors
    /// By `FixedWindow`, when the store does not count.
    pub(crate) fn take(&self, key: &BucketKey<'_>, rate: Rate) -> Reply<Taken> {
        match self.algorithm {
            Algorithm::Bucket => self.buckets.take(key, rate, 1, Instant::now()).into(),
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
                let is_blocked = self.store.get().keys().exists(&blocked(key));
                self.watch(key, rate);
                let taken = move |is_blocked: bool| if is_blocked { refused(window) } else { passed(window) };
                or(is_blocked.map(taken), passed(window))
            }
        }
    }

    /// Whether a request would be refused at this moment. Nothing is counted, and so `Rolling` does not know.
    pub(crate) fn is_spent(&self, key: &BucketKey<'_>, rate: Rate) -> Reply<bool> {
        match self.algorithm {
            Algorithm::Bucket => self.buckets.is_spent(key, rate, 1, Instant::now()).into(),
            Algorithm::Rolling => false.into(),
            Algorithm::FixedWindow => {
                let most = whole(rate);
                let counted = self.store.get().counters().read(&fixed(key, window(rate)).0);
                counted.map(move |count| count.is_some_and(|count| u64::try_from(count.value).unwrap_or(0) >= most))
            }
            Algorithm::Sentinel => self.store.get().keys().exists(&blocked(key)),
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
            Ok(before) if before >= most => Some(store.keys().set(&blocked, Bytes::from_static(b"1"), Some(window))),
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
    format!("{}{BLOCKED}", name(key))
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
fn or(reply: Reply<Taken>, otherwise: Taken) -> Reply<Taken> {
    let settle = move |taken: Result<Taken, StoreError>| {
        Ok(taken.unwrap_or_else(|error| {
            tracing::error!(%error, "a rate is not counted");
            otherwise
        }))
    };
    match reply {
        Reply::Ready(taken) => Reply::Ready(settle(taken)),
        Reply::Wait(taken) => Reply::Wait(Box::pin(async move { settle(taken.await) })),
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

    async fn passes(limiter: &Limiter) -> bool {
        limiter.take(&KEY, HOUR).wait().await.expect("it is counted").is_allowed
    }

    async fn check(algorithm: Algorithm, expected: [bool; 5]) {
        let limiter = Limiter::new(algorithm, Store::new(Memory::default()).into(), false);
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

    #[tokio::test]
    async fn a_sentinel_stands_behind_the_last_one_that_fits() {
        check(Algorithm::Sentinel, [true, true, true, false, false]).await;
    }

    #[tokio::test]
    async fn windows_of_the_clock_are_counted_apart() {
        let limiter = Limiter::new(Algorithm::FixedWindow, Store::new(Memory::default()).into(), false);
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
}
