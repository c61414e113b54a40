//! The body of an upstream's response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::Lease;
use super::target::Origin;
use crate::metrics::{self, UpstreamFailed};

/// The body of a response on `lease`, whose connection goes back to the pool when all of it was read. What came together
/// with the head needs no stream: nearly all small bodies do.
pub(super) fn of_upstream(mut incoming: Incoming, mut lease: Lease) -> Body {
    if incoming.is_end_stream() {
        lease.end();
        return Body::empty();
    }
    let length = incoming.size_hint().exact();
    let first = match length.map(|_| lease.wire.peek(|cx| Pin::new(&mut incoming).poll_frame(cx))) {
        Some(Poll::Ready(Some(first))) => Some(
            first
                .map(|frame| frame.into_data().unwrap_or_default())
                .map_err(|error| broken(error, Some(&lease.origin))),
        ),
        _ => None,
    };
    match first {
        Some(Ok(data)) if length == Some(data.len() as u64) => {
            lease.end();
            data.into()
        }
        first => Body::stream(Box::pin(UpstreamBody { first, incoming, ended: false, lease: Some(lease) })),
    }
}

/// The body of a response whose connection moves by itself; `held` is held until its end.
pub(super) struct Plain<T> {
    incoming: Incoming,
    held: Option<T>,
}

impl<T: Send + Sync + Unpin + 'static> Plain<T> {
    pub(super) fn of(incoming: Incoming, held: T) -> Body {
        if incoming.is_end_stream() {
            Body::empty()
        } else {
            Body::stream(Box::pin(Self { incoming, held: Some(held) }))
        }
    }
}

impl<T: Unpin> http_body::Body for Plain<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if frame.is_none() || self.incoming.is_end_stream() {
            self.held = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| broken(error, None))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The client has its head already: all that can be done is to end the connection before the body does.
#[cold]
fn broken(error: hyper::Error, origin: Option<&Origin>) -> BodyError {
    metrics::upstream_failed(UpstreamFailed::Body);
    let upstream = origin.map(tracing::field::display);
    tracing::warn!(upstream, fault = "upstream", error = %super::chain(&error), "response broke off");
    BodyError::Broken(error.into())
}

struct UpstreamBody {
    /// It came with the head.
    first: Option<Result<Bytes, BodyError>>,
    incoming: Incoming,
    /// Nothing more comes. hyper does not say so itself of a chunked body.
    ended: bool,
    /// Ends with the body.
    lease: Option<Lease>,
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first.map(Frame::data)));
        }
        let Self { incoming, lease, .. } = &mut *self;
        let frame = match lease {
            Some(lease) => lease.wire.poll_body(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx)),
            None => Pin::new(incoming).poll_frame(cx),
        };
        let frame = match std::task::ready!(frame).transpose() {
            Ok(frame) => frame,
            Err(error) => {
                self.ended = true;
                // Its connection ends here.
                return Poll::Ready(self.lease.take().map(|lease| Err(broken(error, Some(&lease.origin)))));
            }
        };
        let whole = frame.is_none() || self.incoming.is_end_stream();
        if whole && let Some(lease) = self.lease.take() {
            lease.end();
        }
        self.ended = whole;
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()).map_or(0, |first| first.len() as u64);
        let rest = self.incoming.size_hint();
        match rest.exact() {
            Some(length) => SizeHint::with_exact(length + first),
            None => rest,
        }
    }
}
