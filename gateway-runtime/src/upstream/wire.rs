//! One connection to an upstream, driven by whoever uses it.
//!
//! hyper gives a connection in two halves: one that takes requests, and one that moves bytes. The second is usually a task
//! of its own; here it is polled by the task that waits for the response, and then for its body. So a request wakes one
//! task in place of two, and a connection that rests costs nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use gateway_sdk::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use crate::clock::{self, Moment};
use crate::quiet::{Ear, Quiet};
use crate::stream::Stream;
use crate::written::Written;

/// Why there is no response; a request that was not sent is given back.
pub(super) type Failed = TrySendError<hyper::Request<Body>>;

pub(super) struct Wire {
    sender: SendRequest<Body>,
    /// `None` once the connection has ended.
    driver: Option<Connection<TokioIo<Quiet<Stream>>, Body>>,
    /// It has ended in the middle of something.
    unread: bool,
    ear: Arc<Ear>,
    talk: Arc<Talk>,
    waker: Waker,
    pub(super) begun: Moment,
    pub(super) written: Arc<Written>,
}

/// What the two halves of a connection tell each other: that a request is queued, or that a body is wanted. Nearly all of
/// it is told within a poll of the task that it would wake.
struct Talk {
    ear: Arc<Ear>,
    /// The task is about to look by itself.
    covered: AtomicBool,
    told: AtomicBool,
}

impl Wake for Talk {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.told.store(true, Ordering::Release);
        if !self.covered.load(Ordering::Acquire) {
            self.ear.nudge();
        }
    }
}

impl Talk {
    /// Runs `act`, and says whether something was told meanwhile.
    fn covered<T>(&self, act: impl FnOnce() -> T) -> (T, bool) {
        self.told.store(false, Ordering::Release);
        self.covered.store(true, Ordering::Release);
        let value = act();
        self.covered.store(false, Ordering::Release);
        (value, self.told.load(Ordering::Acquire))
    }
}

impl Wire {
    /// Speaks HTTP/1.1 on `stream`.
    pub(super) async fn new(stream: Stream, canonical_names: bool) -> hyper::Result<Box<Self>> {
        let written = Arc::<Written>::default();
        let stream = Quiet::new(stream).telling(Arc::clone(&written));
        let ear = stream.ear();
        let talk =
            Arc::new(Talk { ear: Arc::clone(&ear), covered: AtomicBool::new(false), told: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&talk));
        let mut builder = Builder::new();
        builder.title_case_headers(canonical_names);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await?;
        let (driver, begun) = (Some(driver), clock::now());
        Ok(Box::new(Self { sender, driver, unread: false, ear, talk, waker, begun, written }))
    }

    /// Queues a request. What it comes to is polled by [`Wire::poll_response`].
    pub(super) fn send(
        &mut self,
        request: hyper::Request<Body>,
    ) -> impl Future<Output = Result<hyper::Response<Incoming>, Failed>> + use<> {
        let sender = &mut self.sender;
        self.talk.covered(|| sender.try_send_request(request)).0
    }

    /// Waits for the head of a response.
    pub(super) fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        response: Pin<&mut impl Future<Output = Result<hyper::Response<Incoming>, Failed>>>,
    ) -> Poll<Result<hyper::Response<Incoming>, Box<Failed>>> {
        self.drive(cx);
        response.poll(&mut unheard()).map_err(Box::new)
    }

    /// Moves what can be moved. The task is woken when there is more.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        self.ear.listen(cx);
        if let Poll::Ready(ended) = driver.poll_without_shutdown(&mut Context::from_waker(&self.waker)) {
            if let Err(error) = ended {
                tracing::debug!(error = %super::chain(&error), "upstream connection ended");
            }
            // What waits for it is told so by its end.
            self.end();
        }
    }

    fn end(&mut self) {
        let ended = self.driver.take().map(Connection::into_parts);
        self.unread |= ended.is_some_and(|parts| !parts.read_buf.is_empty());
    }

    /// Ends it, and says whether a response had begun that did not come to its end.
    pub(super) fn has_begun(&mut self) -> bool {
        self.end();
        self.unread
    }

    /// Polls what has come of a body with the last turn.
    pub(super) fn peek<T>(&mut self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.talk.covered(|| poll(&mut unheard())).0
    }

    /// Polls a body of this connection, which moves as this moves.
    pub(super) fn poll_body<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let (Poll::Ready(ready), _) = self.talk.covered(|| poll(&mut unheard())) {
                return Poll::Ready(ready);
            }
            self.drive(cx);
            match self.talk.covered(|| poll(&mut unheard())) {
                // The other half was told that more is wanted.
                (Poll::Pending, true) => {}
                (polled, _) => return polled,
            }
        }
    }

    /// Lets it rest; `false` if it cannot take another request.
    pub(super) fn rest(&mut self) -> bool {
        self.ear.rest();
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether the upstream is known to have ended it.
    pub(super) fn has_ended(&mut self) -> bool {
        self.drive(&mut unheard());
        self.driver.is_none() || self.sender.is_closed()
    }
}

/// For what becomes ready only by a poll of ours.
fn unheard() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
