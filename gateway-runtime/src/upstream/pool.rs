//! Upstream connections of one core. A connection that has answered goes back, and is used again.
//!
//! Each core has a pool of its own, so nothing here is locked. What leaves the core (a plugin may move a response body
//! to another thread) is not returned: its connection is closed. Nor is one whose request is still being sent, since the
//! upstream answered early: the next request would wait for a stranger's upload.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use rustc_hash::FxHashMap;

use super::progress::Progress;
use super::target::Origin;

/// An idle connection older than this is not trusted: servers close theirs at about this age.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How often a thread should [`sweep`].
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

pub(super) type Connection = SendRequest<Body>;

struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Default)]
struct Pool(FxHashMap<Arc<Origin>, Vec<Idle>>);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A connection that was used before and still stands.
pub(super) async fn take(origin: &Arc<Origin>) -> Option<Connection> {
    while let Some(mut connection) = pop(origin) {
        if connection.ready().await.is_ok() {
            return Some(connection);
        }
    }
    None
}

fn pop(origin: &Arc<Origin>) -> Option<Connection> {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.0.get_mut(origin)?;
        while let Some(Idle { connection, since }) = idle.pop() {
            if !connection.is_closed() && since.elapsed() < IDLE_TIMEOUT {
                return Some(connection);
            }
        }
        None
    })
}

fn put(origin: Arc<Origin>, connection: Connection, most: usize) {
    // A thread that is ending has no pool any more.
    let _ = POOL.try_with(|pool| {
        let Ok(mut pool) = pool.try_borrow_mut() else { return };
        let idle = pool.0.entry(origin).or_default();
        if idle.len() < most {
            idle.push(Idle { connection, since: Instant::now() });
        }
    });
}

/// Closes what has been idle for too long.
pub(crate) fn sweep() {
    super::h2::sweep();
    POOL.with_borrow_mut(|pool| {
        pool.0.retain(|_, idle| {
            idle.retain(|idle| !idle.connection.is_closed() && idle.since.elapsed() < IDLE_TIMEOUT);
            !idle.is_empty()
        });
    });
}

/// How a connection goes back.
pub(super) struct Return {
    pub(super) origin: Arc<Origin>,
    pub(super) connection: Connection,
    /// The request's body, if it was still arriving when it was forwarded.
    pub(super) sent: Option<Arc<Progress>>,
    /// Idle connections to keep for this origin.
    pub(super) most: usize,
    /// The thread whose pool the connection belongs to.
    pub(super) home: ThreadId,
}

/// The body of an upstream's response. When it was read to its end, its connection goes back to the pool.
pub(super) struct PooledBody {
    incoming: Incoming,
    /// Nothing more comes. hyper does not say so itself of a chunked body.
    ended: bool,
    back: Option<Return>,
}

impl PooledBody {
    pub(super) fn body(incoming: Incoming, back: Option<Return>) -> Body {
        let ended = http_body::Body::is_end_stream(&incoming);
        let pooled = Self { incoming, ended, back };
        if ended { Body::empty() } else { Body::stream(Box::pin(pooled)) }
    }
}

impl http_body::Body for PooledBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.ended = frame.is_none() || self.incoming.is_end_stream();
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Broken(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for PooledBody {
    fn drop(&mut self) {
        if let Some(Return { origin, connection, sent, most, home }) = self.back.take()
            && self.ended
            && sent.is_none_or(|sent| sent.has_ended())
            && home == thread::current().id()
        {
            put(origin, connection, most);
        }
    }
}
