//! How far a request's body has come: the upstream's time to answer begins when it has the request, and a connection
//! whose request is still being sent cannot take another.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError};
use http_body::{Frame, SizeHint};

/// Where a body is on its way to the upstream.
pub(super) struct Progress {
    begun: Instant,
    /// When it last gave bytes.
    last_ms: AtomicU64,
    /// The client has nothing more to give at the moment.
    waiting: AtomicBool,
    ended: AtomicBool,
}

impl Progress {
    /// Watches a body that is still arriving; one that is in memory needs no watching.
    pub(super) fn watch(body: &mut Body) -> Option<Arc<Self>> {
        if body.is_buffered() {
            return None;
        }
        let progress = Arc::new(Self {
            begun: Instant::now(),
            last_ms: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let watched = Watched { body: std::mem::take(body), progress: Arc::clone(&progress) };
        *body = Body::stream(Box::pin(watched));
        Some(progress)
    }

    /// How long nothing has moved.
    pub(super) fn quiet(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }

    /// Whether it is the client that keeps everybody waiting; how long it may is bounded where its body is read.
    pub(super) fn waits_for_client(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) && !self.has_ended()
    }

    /// Whether the last byte was handed over.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }
}

struct Watched {
    body: Body,
    progress: Arc<Progress>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.waiting.store(frame.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(frame) = &frame {
            self.progress.moved();
            let is_last = frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
            let ended = is_last || self.body.is_end_stream();
            self.progress.ended.store(ended, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
