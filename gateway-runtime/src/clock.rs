//! Deadlines that may be a little late, for a fraction of a timer's price.
//!
//! Nearly every deadline of a gateway is set to be missed: an answer comes, a client goes on. A timer of the runtime costs
//! some hundred instructions to set and again to drop, and a runtime that has one looks at the time whenever it waits. Here
//! a [`Deadline`] is a number in a list of its core, and one thread beats the time for all cores: every [`TICK`] for those
//! where somebody waits, every [`REST`] for the others.

use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// How late a deadline may be.
const TICK: Duration = Duration::from_millis(100);
/// How often a core hears the beat when nobody waits.
const REST: Duration = Duration::from_secs(30);

/// The wall's clock, in seconds since 1970.
pub(crate) fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// A moment on one core's clock, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// How long ago it was, to a tick.
    pub(crate) fn elapsed(self) -> Duration {
        TICK.saturating_mul(u32::try_from(now().0.saturating_sub(self.0)).unwrap_or(u32::MAX))
    }
}

/// The present moment.
pub(crate) fn now() -> Moment {
    CLOCK.with(|clock| {
        if !clock.ticking.get() {
            clock.read();
        }
        Moment(clock.now.get())
    })
}

/// The beat that all cores hear. It ends when nobody holds it.
pub(crate) struct Beat {
    cores: Vec<Ear>,
    thread: OnceLock<Thread>,
}

#[derive(Default)]
struct Ear {
    waits: AtomicBool,
    beat: Notify,
}

impl Beat {
    /// Starts the thread that beats: what holds up another one must not hold up the time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(cores: usize) -> io::Result<Arc<Self>> {
        let cores = std::iter::repeat_with(Ear::default).take(cores).collect();
        let beat = Arc::new(Self { cores, thread: OnceLock::new() });
        let heard = Arc::downgrade(&beat);
        let thread = std::thread::Builder::new().name("clock".to_owned()).spawn(move || {
            let mut pause = TICK;
            loop {
                std::thread::park_timeout(pause);
                let Some(beat) = heard.upgrade() else { return };
                beat.beat(pause == REST);
                pause = if beat.cores.iter().any(Ear::waits) { TICK } else { REST };
            }
        })?;
        let _ = beat.thread.set(thread.thread().clone());
        Ok(beat)
    }

    fn beat(&self, everywhere: bool) {
        self.cores.iter().filter(|core| everywhere || core.waits()).for_each(|core| core.beat.notify_one());
    }

    /// Keeps the clock of one core, for as long as it is polled. At every beat `also` is called with whether somebody waits;
    /// while it answers true, the next beat comes a [`TICK`] later even if nobody does.
    pub(crate) async fn keep(&self, core: usize, mut also: impl FnMut(bool) -> bool) {
        let core = &self.cores[core];
        let mut goes_on = false;
        loop {
            let waits = CLOCK.with(|clock| {
                let waits = goes_on || clock.somebody_waits();
                clock.ticking.set(waits);
                waits
            });
            let waited = core.waits.swap(waits, Ordering::Relaxed);
            if waits
                && !waited
                && let Some(thread) = self.thread.get()
            {
                thread.unpark();
            }
            let woken = CLOCK.with(|clock| Rc::clone(&clock.woken));
            tokio::select! {
                biased;
                () = core.beat.notified() => {
                    CLOCK.with(Clock::tick);
                    goes_on = also(CLOCK.with(Clock::somebody_waits));
                }
                () = woken.notified() => {}
            }
        }
    }
}

impl Ear {
    fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }
}

/// Wakes every task of this core that has set a deadline, missed or not: something else has changed.
pub(crate) fn wake_all() {
    CLOCK.with(|clock| clock.wake(|_| true));
}

struct Clock {
    begun: Instant,
    now: Cell<u64>,
    /// Whether `now` is kept up to date by the beat.
    ticking: Cell<bool>,
    woken: Rc<Notify>,
    entries: RefCell<Slab<Entry>>,
}

struct Entry {
    /// `u64::MAX`: never.
    at: u64,
    waker: Option<Waker>,
}

thread_local! {
    static CLOCK: Clock = Clock {
        begun: Instant::now(),
        now: Cell::new(0),
        ticking: Cell::new(false),
        woken: Rc::default(),
        entries: RefCell::default(),
    };
}

impl Clock {
    fn somebody_waits(&self) -> bool {
        !self.entries.borrow().is_empty()
    }

    fn read(&self) {
        self.now.set(ticks(self.begun.elapsed()));
    }

    fn tick(&self) {
        self.read();
        let now = self.now.get();
        self.wake(|entry| entry.at <= now);
    }

    fn wake(&self, whom: impl Fn(&Entry) -> bool) {
        // Waking may run code that sets a deadline.
        let woken: Vec<Waker> = {
            let mut entries = self.entries.borrow_mut();
            entries.iter_mut().filter(|(_, entry)| whom(entry)).filter_map(|(_, entry)| entry.waker.take()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// The tick at which `after` is over for certain.
    fn at(&self, after: Duration) -> u64 {
        if !self.ticking.replace(true) {
            self.read();
            self.woken.notify_one();
        }
        self.now.get().saturating_add(ticks(after)).saturating_add(1)
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

/// What ends a wait.
pub(crate) trait Timer {
    /// Begins anew.
    fn set(&mut self, after: Duration);
    /// Ready when the time is over; the task is woken then.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A deadline on this core's clock; it is never early, and late by two ticks at most. None is set at first.
pub(crate) struct Deadline {
    key: usize,
    /// It belongs to the clock of its thread.
    _here: PhantomData<*const ()>,
}

impl Deadline {
    pub(crate) fn new() -> Self {
        let key = CLOCK.with(|clock| clock.entries.borrow_mut().insert(Entry { at: u64::MAX, waker: None }));
        Self { key, _here: PhantomData }
    }
}

impl Timer for Deadline {
    fn set(&mut self, after: Duration) {
        CLOCK.with(|clock| {
            let at = clock.at(after);
            clock.entries.borrow_mut()[self.key].at = at;
        });
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        CLOCK.with(|clock| {
            let mut entries = clock.entries.borrow_mut();
            let entry = &mut entries[self.key];
            if entry.at <= clock.now.get() {
                return Poll::Ready(());
            }
            match &entry.waker {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                _ => entry.waker = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // A thread that is ending has no clock any more.
        let entry = CLOCK.try_with(|clock| clock.entries.try_borrow_mut().map(|mut entries| entries.remove(self.key)));
        drop(entry);
    }
}

/// A timer of the runtime: for waits that may leave the core, such as those of plugins.
#[derive(Default)]
pub(crate) struct Exact(Option<Pin<Box<Sleep>>>);

impl Timer for Exact {
    fn set(&mut self, after: Duration) {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().reset(tokio::time::Instant::now() + after),
            None => self.0 = Some(Box::pin(tokio::time::sleep(after))),
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

/// What never comes.
pub(crate) struct Never;

impl Timer for Never {
    fn set(&mut self, _after: Duration) {}

    fn poll_over(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;

    fn on_a_core<T>(test: impl Future<Output = T>) -> T {
        on_a_core_that(|_| false, test)
    }

    fn on_a_core_that<T>(also: impl FnMut(bool) -> bool + 'static, test: impl Future<Output = T>) -> T {
        let core = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime");
        core.block_on(async {
            let beat = Beat::start(1).expect("a thread");
            tokio::task::spawn_local(async move { beat.keep(0, also).await });
            test.await
        })
    }

    #[test]
    fn a_deadline_is_never_early_and_can_be_moved() {
        on_a_core(async {
            let (begun, after) = (Instant::now(), Duration::from_millis(150));
            let mut deadline = Deadline::new();
            deadline.set(Duration::ZERO);
            deadline.set(after);
            poll_fn(|cx| deadline.poll_over(cx)).await;
            assert!(begun.elapsed() >= after);
        });
    }

    #[test]
    fn a_clock_that_rested_is_right_again_at_once() {
        on_a_core(async {
            let mut first = Deadline::new();
            first.set(Duration::ZERO);
            poll_fn(|cx| first.poll_over(cx)).await;
            drop(first);
            // Nobody waits: the clock stands still.
            tokio::time::sleep(TICK * 3).await;
            let begun = now();
            let mut second = Deadline::new();
            second.set(TICK);
            poll_fn(|cx| second.poll_over(cx)).await;
            assert!(begun.elapsed() >= TICK && begun.elapsed() <= TICK * 3, "{:?}", begun.elapsed());
        });
    }

    #[test]
    fn beats_go_on_while_they_are_asked_for() {
        let (heard, mut beats) = tokio::sync::mpsc::unbounded_channel();
        let also = move |somebody_waits| {
            heard.send(somebody_waits).expect("the test listens");
            true
        };
        on_a_core_that(also, async {
            let mut deadline = Deadline::new();
            deadline.set(Duration::ZERO);
            poll_fn(|cx| deadline.poll_over(cx)).await;
            drop(deadline);
            let begun = Instant::now();
            for _ in 0..3 {
                while beats.recv().await.expect("a beat") {}
            }
            assert!(begun.elapsed() < REST, "{:?}", begun.elapsed());
        });
    }

    #[test]
    fn places_are_used_again() {
        on_a_core(async {
            let keys: Vec<usize> = (0..3).map(|_| Deadline::new().key).collect();
            assert_eq!(keys, [0, 0, 0]);
        });
    }

    #[test]
    fn everybody_can_be_woken() {
        on_a_core(async {
            let mut deadline = Deadline::new();
            deadline.set(Duration::from_secs(3600));
            tokio::task::spawn_local(async { wake_all() });
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if polls == 2 { Poll::Ready(()) } else { deadline.poll_over(cx) }
            })
            .await;
        });
    }
}
