//! When a request's body last moved: the upstream's time to answer begins when it has the request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError};
use http_body::{Frame, SizeHint};

/// The last time that a body gave bytes.
pub(super) struct Progress {
    begun: Instant,
    last_ms: AtomicU64,
}

impl Progress {
    /// Watches a body that is still arriving; one that is in memory needs no watching.
    pub(super) fn watch(body: Body) -> (Body, Option<Arc<Self>>) {
        if body.is_buffered() {
            return (body, None);
        }
        let progress = Arc::new(Self { begun: Instant::now(), last_ms: AtomicU64::new(0) });
        let watched = Watched { body, progress: Arc::clone(&progress) };
        (Body::stream(Box::pin(watched)), Some(progress))
    }

    /// How long nothing has moved.
    pub(super) fn quiet(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
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
        if frame.is_ready() {
            self.progress.moved();
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
