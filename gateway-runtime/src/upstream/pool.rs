//! Upstream connections of one core. A connection that has answered goes back, and is used again.
//!
//! Each core has a pool of its own, so nothing here is locked. What leaves the core (a plugin may move a response body
//! to another thread) is not returned: its connection is closed. Nor is one whose request is still being sent, since the
//! upstream answered early: the next request would wait for a stranger's upload.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::progress::Progress;
use super::target::Origin;
use super::wire::Wire;
use crate::clock::{self, Moment};

/// An idle connection older than this is not trusted: servers close theirs at about this age.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// A connection that is idle for so long needs no buffers.
const REST_AFTER: Duration = Duration::from_secs(2);
/// How often a thread should [`sweep`].
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

struct Idle {
    wire: Box<Wire>,
    since: Moment,
}

impl Idle {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < IDLE_TIMEOUT
    }
}

#[derive(Default)]
struct Pool(FxHashMap<Arc<Origin>, Vec<Idle>>);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// The connection that was used last. The upstream may have closed it since; whoever sends on it will see.
/// `age` is how long it may have been there.
pub(super) fn take(origin: &Arc<Origin>, age: Option<Duration>) -> Option<Box<Wire>> {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.0.get_mut(origin)?;
        loop {
            let mut last = idle.pop()?;
            if !last.is_fresh() {
                // The others are older.
                idle.clear();
                return None;
            }
            if age.is_none_or(|age| last.wire.begun.elapsed() < age) && last.wire.wake() {
                return Some(last.wire);
            }
        }
    })
}

fn put(origin: &Arc<Origin>, wire: Box<Wire>, most: usize) {
    // A thread that is ending has no pool any more.
    let _ = POOL.try_with(|pool| {
        let Ok(mut pool) = pool.try_borrow_mut() else { return };
        let idle = Idle { wire, since: clock::now() };
        match pool.0.get_mut(origin) {
            Some(others) if others.len() >= most => {}
            Some(others) => others.push(idle),
            None => _ = pool.0.insert(Arc::clone(origin), vec![idle]),
        }
    });
}

/// Takes the buffers of what has been idle for a while.
pub(crate) fn rest() {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.0.values_mut().flatten();
        idle.filter(|idle| idle.since.elapsed() >= REST_AFTER).for_each(|idle| idle.wire.give_back());
    });
}

/// Closes what has been idle for too long, and what the other side has closed.
pub(crate) fn sweep() {
    super::h2::sweep();
    POOL.with_borrow_mut(|pool| {
        pool.0.retain(|_, idle| {
            idle.retain_mut(|idle| idle.is_fresh() && !idle.wire.has_ended());
            !idle.is_empty()
        });
    });
}

/// A connection in use, and the way back.
pub(super) struct Lease {
    pub(super) wire: Box<Wire>,
    pub(super) origin: Arc<Origin>,
    /// The request's body, if it was still arriving when it was forwarded.
    sent: Option<Arc<Progress>>,
    /// Idle connections to keep for this origin; none if each is used once.
    most: usize,
    /// The thread whose pool the connection belongs to.
    home: ThreadId,
}

impl Lease {
    pub(super) fn new(wire: Box<Wire>, origin: Arc<Origin>, sent: Option<Arc<Progress>>, most: usize) -> Self {
        Self { wire, origin, sent, most, home: thread::current().id() }
    }

    /// Gives the connection back, if another request can be sent on it.
    pub(super) fn end(mut self) {
        if self.most > 0
            && self.sent.is_none_or(|sent| sent.has_ended())
            && self.home == thread::current().id()
            && self.wire.rest()
        {
            put(&self.origin, self.wire, self.most);
        }
    }
}
