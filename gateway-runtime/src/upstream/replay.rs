//! A request's body that can be sent again, as long as little of it was sent.
//!
//! A server may refuse an HTTP/2 request without having looked at it, and the request is then sent again. What it has
//! read of the body by then is kept, up to [`KEPT_BYTES`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError};
use http_body::{Frame, SizeHint};

/// A body of which more was read is not sent again.
const KEPT_BYTES: usize = 64 * 1024;

/// Gives the same body several times.
pub(super) enum Replay {
    Buffered(Bytes),
    Streamed(Arc<Mutex<Shared>>),
}

pub(super) struct Shared {
    body: Body,
    kept: Vec<Bytes>,
    bytes: usize,
    /// Whether `kept` is all that was read.
    whole: bool,
    /// What the client did wrong: HTTP/2 tells the server that something was, and nobody else.
    failed: Option<BodyError>,
}

impl Replay {
    pub(super) fn of(body: Body) -> Self {
        match body.buffered() {
            Some(bytes) => Self::Buffered(bytes),
            None => Self::Streamed(Arc::new(Mutex::new(Shared {
                body,
                kept: Vec::new(),
                bytes: 0,
                whole: true,
                failed: None,
            }))),
        }
    }

    /// The body from its beginning.
    pub(super) fn body(&self) -> Body {
        match self {
            Self::Buffered(bytes) => Body::from(bytes.clone()),
            Self::Streamed(shared) => Body::stream(Box::pin(Played { shared: Arc::clone(shared), at: 0 })),
        }
    }

    /// Whether [`body`](Self::body) still gives all of it.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Buffered(_) => true,
            Self::Streamed(shared) => lock(shared).whole,
        }
    }

    /// The body is not asked for again.
    pub(super) fn is_final(&self) {
        if let Self::Streamed(shared) = self {
            lock(shared).whole = false;
        }
    }

    /// Why it broke off, if it did.
    pub(super) fn failure(&self) -> Option<BodyError> {
        match self {
            Self::Buffered(_) => None,
            Self::Streamed(shared) => lock(shared).failed.take(),
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        match frame.data_ref() {
            Some(data) if self.whole && self.bytes + data.len() <= KEPT_BYTES => {
                self.bytes += data.len();
                self.kept.push(data.clone());
            }
            _ => {
                self.whole = false;
            }
        }
    }
}

/// One reading of the body.
struct Played {
    shared: Arc<Mutex<Shared>>,
    /// How many of the kept pieces were given.
    at: usize,
}

impl http_body::Body for Played {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut shared = lock(&this.shared);
        if let Some(data) = shared.kept.get(this.at).cloned() {
            this.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !shared.whole {
            // It was all given, and nobody asks again.
            (shared.kept, this.at) = (Vec::new(), 0);
        }
        let frame = std::task::ready!(Pin::new(&mut shared.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                shared.keep(&frame);
                this.at = shared.kept.len();
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let told = error.to_string();
                shared.whole = false;
                shared.failed = Some(error);
                Some(Err(BodyError::Broken(told.into())))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        self.at >= shared.kept.len() && shared.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let shared = lock(&self.shared);
        let ahead: u64 = shared.kept.iter().skip(self.at).map(|data| data.len() as u64).sum();
        let rest = shared.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + ahead);
        }
        hint.set_lower(rest.lower() + ahead);
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    struct Pieces(VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    fn replay(pieces: &[&'static [u8]]) -> Replay {
        let pieces = pieces.iter().map(|piece| Bytes::from_static(piece)).collect();
        Replay::of(Body::stream(Box::pin(Pieces(pieces))))
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(body), cx)).await;
        frame.and_then(|frame| frame.ok()?.into_data().ok())
    }

    #[tokio::test]
    async fn what_was_read_comes_again_and_then_the_rest() {
        let replay = replay(&[b"one", b"two", b"three"]);
        let mut first = replay.body();
        assert_eq!(next(&mut first).await.expect("a piece"), "one");
        assert_eq!(next(&mut first).await.expect("a piece"), "two");
        assert!(replay.is_whole());
        let mut second = replay.body();
        assert_eq!(second.bytes(100).await.expect("all of it"), "onetwothree");
    }

    #[tokio::test]
    async fn a_large_beginning_is_not_kept() {
        static LARGE: [u8; KEPT_BYTES] = [7; KEPT_BYTES];
        let replay = replay(&[b"x", &LARGE, b"y"]);
        let mut body = replay.body();
        assert_eq!(body.bytes(2 * KEPT_BYTES).await.expect("all of it").len(), KEPT_BYTES + 2);
        assert!(!replay.is_whole());
    }

    #[tokio::test]
    async fn what_is_final_is_not_kept_and_is_still_read_to_its_end() {
        let replay = replay(&[b"one", b"two"]);
        let mut body = replay.body();
        assert_eq!(next(&mut body).await.expect("a piece"), "one");
        replay.is_final();
        assert!(!replay.is_whole());
        assert_eq!(body.bytes(100).await.expect("the rest"), "two");
    }

    #[tokio::test]
    async fn who_is_behind_when_it_is_final_misses_nothing() {
        let replay = replay(&[b"one", b"two", b"three"]);
        let mut first = replay.body();
        assert_eq!(next(&mut first).await.expect("a piece"), "one");
        assert_eq!(next(&mut first).await.expect("a piece"), "two");
        let mut second = replay.body();
        assert_eq!(next(&mut second).await.expect("a piece"), "one");
        replay.is_final();
        assert_eq!(second.bytes(100).await.expect("the rest"), "twothree");
    }
}
