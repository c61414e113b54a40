//! A circuit breaker: an upstream that fails too often on a path is left alone for a while.
//!
//! ```text
//! closed ──(enough answers, and too many of them failures)──► open ──(its time is over)──► closed
//!                                                             │  ▲
//!                                      a try, now and then ───┘  └── which fails; if it succeeds: closed
//! ```
//!
//! All cores share it, and nobody waits: it is made of atomics. Two cores that see the same moment may both be let
//! through, or count in a window that another one clears; a breaker is no ledger.
//! Source: Tyk, `gateway/api_definition.go`, `gateway/reverse_proxy.go` (rubyist/circuitbreaker).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gateway_model::CircuitBreaker;

/// Answers count for so many seconds.
const WINDOW_SECONDS: usize = 10;
/// The first try comes so long after the breaker opened; each further one waits half as long again.
const FIRST_TRY: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a request may go upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Pass,
    /// The request that tries whether the upstream is back.
    Try,
}

/// The breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    /// How long it will be, if nobody finds the upstream well before.
    pub(crate) left: Duration,
}

/// What changed. Source: Tyk, the events of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Tripped,
    Reset,
}

/// The breaker of one entry.
#[derive(Debug)]
pub(crate) struct Breaker {
    pub(crate) entry: CircuitBreaker,
    begun: Instant,
    window: Window,
    /// Milliseconds since `begun`, never 0, until which it is open; 0 when it is closed.
    open_until: AtomicU64,
    /// When the next try may go, in the same measure.
    next_try: AtomicU64,
    tries: AtomicU32,
}

impl Breaker {
    pub(crate) fn new(entry: CircuitBreaker) -> Self {
        Self {
            entry,
            begun: Instant::now(),
            window: Window::default(),
            open_until: AtomicU64::new(0),
            next_try: AtomicU64::new(0),
            tries: AtomicU32::new(0),
        }
    }

    /// Asks whether a request may go at this moment.
    ///
    /// # Errors
    /// When it may not.
    pub(crate) fn admit(&self, now: Instant) -> Result<(Admission, Option<Change>), Open> {
        let until = self.open_until.load(Ordering::Acquire);
        if until == 0 {
            return Ok((Admission::Pass, None));
        }
        let now = self.ms(now);
        if now >= until {
            return Ok((Admission::Pass, self.close(until)));
        }
        let next = self.next_try.load(Ordering::Relaxed);
        if !self.entry.disable_half_open_state && now >= next {
            let tries = self.tries.load(Ordering::Relaxed).saturating_add(1);
            let after = now + ms(pause(tries));
            // One of those who come at the same time.
            if self.next_try.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                self.tries.store(tries, Ordering::Relaxed);
                return Ok((Admission::Try, None));
            }
        }
        Err(Open { left: Duration::from_millis(until - now) })
    }

    /// Takes note of how a request ended that was let through.
    pub(crate) fn report(&self, admission: Admission, failed: bool, now: Instant) -> Option<Change> {
        let until = self.open_until.load(Ordering::Acquire);
        match (admission, failed) {
            (Admission::Try, false) if until != 0 => return self.close(until),
            // The window is of the time before: it has to be cleared, not filled, while the breaker is open.
            _ if until != 0 => return None,
            _ => {}
        }
        let now = self.ms(now);
        self.window.add(now, failed);
        (failed && self.is_over(now)).then(|| self.open(now)).flatten()
    }

    /// Whether enough answers were seen, and too many of them failures.
    fn is_over(&self, now: u64) -> bool {
        let (failures, all) = self.window.sum(now);
        let samples = u64::try_from(self.entry.samples).unwrap_or(0);
        // Both are far below what a float can hold.
        #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds")]
        let share = failures as f64 / all.max(1) as f64;
        all >= samples && share >= self.entry.threshold_percent
    }

    fn open(&self, now: u64) -> Option<Change> {
        let seconds = u64::try_from(self.entry.return_to_service_after).unwrap_or(0);
        let until = now.saturating_add(seconds.saturating_mul(1000));
        self.tries.store(0, Ordering::Relaxed);
        self.next_try.store(now + ms(pause(0)), Ordering::Relaxed);
        self.open_until
            .compare_exchange(0, until, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
            .then_some(Change::Tripped)
    }

    fn close(&self, until: u64) -> Option<Change> {
        let closed = self.open_until.compare_exchange(until, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        closed.then(|| {
            self.window.clear();
            Change::Reset
        })
    }

    fn ms(&self, now: Instant) -> u64 {
        // Zero says "closed".
        ms(now.saturating_duration_since(self.begun)) + 1
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4)
}

/// How long after the last one, or after the opening, the try with this number goes.
fn pause(tries: u32) -> Duration {
    let longer = FIRST_TRY.as_secs_f64() * 1.5_f64.powi(i32::try_from(tries.min(64)).unwrap_or(64));
    Duration::from_secs_f64(longer.min(LONGEST_PAUSE.as_secs_f64()))
}

/// The answers of the last seconds: for each second, which one it is (24 bits), failures and successes (20 bits each).
#[derive(Debug, Default)]
struct Window([AtomicU64; WINDOW_SECONDS]);

const COUNT: u64 = (1 << 20) - 1;
const SECOND: u64 = (1 << 24) - 1;

impl Window {
    fn add(&self, now_ms: u64, failed: bool) {
        let second = now_ms / 1000;
        let place = &self.0[usize::try_from(second).unwrap_or(0) % WINDOW_SECONDS];
        // A breaker in use shares one line among all cores; what it counts is rare beside what a request costs.
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let (mut failures, mut successes) = if held >> 40 == second & SECOND { counts(held) } else { (0, 0) };
            let count = if failed { &mut failures } else { &mut successes };
            *count = (*count + 1).min(COUNT);
            Some((second & SECOND) << 40 | failures << 20 | successes)
        });
    }

    /// Failures, and all answers.
    fn sum(&self, now_ms: u64) -> (u64, u64) {
        let now = now_ms / 1000;
        let length = u64::try_from(WINDOW_SECONDS).unwrap_or(u64::MAX);
        let (mut failed, mut all) = (0, 0);
        for held in &self.0 {
            let held = held.load(Ordering::Relaxed);
            let age = (now & SECOND).wrapping_sub(held >> 40) & SECOND;
            if age < length {
                let (failures, successes) = counts(held);
                failed += failures;
                all += failures + successes;
            }
        }
        (failed, all)
    }

    fn clear(&self) {
        self.0.iter().for_each(|held| held.store(0, Ordering::Relaxed));
    }
}

fn counts(held: u64) -> (u64, u64) {
    (held >> 20 & COUNT, held & COUNT)
}

/// The breakers of an API that is loaded again keep their state, each for the entry that has not changed.
pub(crate) fn kept(entry: &CircuitBreaker, previous: &[Arc<Breaker>]) -> Arc<Breaker> {
    let same = previous.iter().find(|breaker| breaker.entry == *entry);
    same.map_or_else(|| Arc::new(Breaker::new(entry.clone())), Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        breaker: Breaker,
        now: Instant,
    }

    fn scene(samples: i64, threshold_percent: f64, seconds: i64) -> Scene {
        let entry =
            CircuitBreaker { samples, threshold_percent, return_to_service_after: seconds, ..Default::default() };
        let breaker = Breaker::new(entry);
        let now = breaker.begun;
        Scene { breaker, now }
    }

    impl Scene {
        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }

        fn admit(&self) -> Result<(Admission, Option<Change>), Open> {
            self.breaker.admit(self.now)
        }

        fn answers(&self, failed: &[bool]) -> Option<Change> {
            let reports = failed.iter().map(|failed| self.breaker.report(Admission::Pass, *failed, self.now));
            reports.last().flatten()
        }

        fn is_open(&self) -> bool {
            self.admit().is_err()
        }
    }

    const PASS: Result<(Admission, Option<Change>), Open> = Ok((Admission::Pass, None));
    const TRY: Result<(Admission, Option<Change>), Open> = Ok((Admission::Try, None));

    #[test]
    fn it_opens_when_enough_answers_have_failed() {
        let scene = scene(4, 0.5, 10);
        assert_eq!(scene.answers(&[true, true, true]), None, "too few");
        assert_eq!(scene.admit(), PASS);
        assert_eq!(scene.answers(&[true]), Some(Change::Tripped));
        assert_eq!(scene.admit(), Err(Open { left: Duration::from_secs(10) }));
    }

    #[test]
    fn a_share_below_the_threshold_leaves_it_closed() {
        let scene = scene(4, 0.5, 10);
        assert_eq!(scene.answers(&[false, false, false, true, true, false, true]), None);
        assert_eq!(scene.admit(), PASS);
        assert_eq!(scene.answers(&[true]), Some(Change::Tripped), "four of eight");
    }

    #[test]
    fn a_success_opens_nothing() {
        let scene = scene(2, 0.1, 10);
        assert_eq!(scene.answers(&[true]), None);
        assert_eq!(scene.answers(&[false]), None, "the share is over, but nothing failed just now");
        assert_eq!(scene.answers(&[true]), Some(Change::Tripped));
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut scene = scene(4, 0.5, 10);
        scene.answers(&[true, true, true]);
        scene.pass(9_500);
        assert_eq!(scene.answers(&[false]), None);
        scene.pass(1_600);
        assert_eq!(scene.answers(&[true, true]), None, "two failures of three: too few");
        assert_eq!(scene.answers(&[true]), Some(Change::Tripped));
    }

    #[test]
    fn a_place_in_the_window_is_used_again() {
        let mut scene = scene(3, 0.9, 10);
        for _ in 0..50 {
            scene.pass(10_000);
            assert_eq!(scene.answers(&[true, true]), None);
        }
    }

    #[test]
    fn it_closes_when_its_time_is_over() {
        let mut scene = scene(1, 0.5, 1);
        scene.answers(&[true]);
        scene.pass(499);
        assert!(scene.is_open());
        scene.pass(501);
        assert_eq!(scene.admit(), Ok((Admission::Pass, Some(Change::Reset))));
        assert_eq!(scene.admit(), PASS, "told once");
        assert_eq!(scene.breaker.window.sum(scene.breaker.ms(scene.now)), (0, 0), "with nothing held against it");
    }

    #[test]
    fn one_request_tries_and_closes_it_if_it_succeeds() {
        let mut scene = scene(1, 0.5, 60);
        scene.answers(&[true]);
        scene.pass(500);
        assert_eq!(scene.admit(), TRY);
        assert!(scene.is_open(), "one at a time");
        assert_eq!(scene.breaker.report(Admission::Try, false, scene.now), Some(Change::Reset));
        assert_eq!(scene.admit(), PASS);
    }

    #[test]
    fn tries_that_fail_come_ever_more_rarely() {
        let mut scene = scene(1, 0.5, 600);
        scene.answers(&[true]);
        let mut tries = Vec::new();
        for ms in (0..10_000).step_by(50) {
            if scene.admit() == TRY {
                tries.push(ms);
                assert_eq!(scene.breaker.report(Admission::Try, true, scene.now), None);
            }
            scene.pass(50);
        }
        assert_eq!(tries, [500, 1250, 2400, 4100, 6650]);
        assert_eq!(pause(40), LONGEST_PAUSE);
    }

    #[test]
    fn without_tries_it_is_open_for_all_of_its_time() {
        let mut scene = scene(1, 0.5, 2);
        scene.breaker.entry.disable_half_open_state = true;
        scene.answers(&[true]);
        for _ in 0..20 {
            assert!(scene.is_open());
            scene.pass(100);
        }
        assert_eq!(scene.admit(), Ok((Admission::Pass, Some(Change::Reset))));
    }

    #[test]
    fn who_was_let_through_before_changes_nothing_while_it_is_open() {
        let mut scene = scene(1, 0.5, 2);
        scene.answers(&[true]);
        assert_eq!(scene.answers(&[false]), None);
        assert!(scene.is_open());
        assert_eq!(scene.answers(&[true]), None, "nor is it opened twice");
        scene.pass(2_000);
        assert_eq!(scene.admit(), Ok((Admission::Pass, Some(Change::Reset))));
    }

    #[test]
    fn it_opens_once_for_all_cores() {
        let breaker = Breaker::new(CircuitBreaker {
            samples: 100,
            threshold_percent: 0.5,
            return_to_service_after: 60,
            ..CircuitBreaker::default()
        });
        let now = breaker.begun;
        let report = || (0..500).filter(|_| breaker.report(Admission::Pass, true, now).is_some()).count();
        let opened: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(report)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(opened, 1);
        let (failures, all) = breaker.window.sum(breaker.ms(now));
        assert!(failures >= 100 && failures == all);
    }

    #[test]
    fn an_entry_that_has_not_changed_keeps_its_breaker() {
        let entry = CircuitBreaker { path: "/a".to_owned(), ..CircuitBreaker::default() };
        let first = kept(&entry, &[]);
        assert!(Arc::ptr_eq(&kept(&entry, &[Arc::clone(&first)]), &first));
        let other = CircuitBreaker { samples: 1, ..entry };
        assert!(!Arc::ptr_eq(&kept(&other, &[Arc::clone(&first)]), &first));
    }
}
