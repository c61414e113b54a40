//! A client's body: bounded in bytes by the configuration, and in time by the client's own pace.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::http::header::CONTENT_LENGTH;
use gateway_sdk::{Body, BodyError, HeaderMap};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::clock::{Exact, Timer};
use crate::config::Config;
use crate::error::RequestError;

/// In bytes per second: a client that sends less, on the whole, is taken for one that means to hold a place. The slowest
/// modems were ten times faster.
const SLOWEST: u64 = 500;

/// The body of a request. `read` turns true when its end is reached.
///
/// # Errors
/// When it says itself that it is larger than the configuration allows.
pub(super) fn of_client(
    incoming: Incoming,
    read: Option<Arc<AtomicBool>>,
    config: &Config,
    headers: &HeaderMap,
) -> Result<Body, RequestError> {
    if http_body::Body::is_end_stream(&incoming) {
        return Ok(Body::empty());
    }
    let limit = config.max_request_body;
    if let Some(limit_bytes) = limit {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit_bytes) {
            return Err(RequestError::BodyTooLarge { limit_bytes });
        }
    }
    Ok(Body::stream(Box::pin(ClientBody::new(incoming, read, limit.unwrap_or(u64::MAX), config.read_timeout))))
}

/// The body of a request to the gateway's own paths. Who reads it sets its bound.
pub(super) fn of_operator(incoming: Incoming, read: Option<Arc<AtomicBool>>, config: &Config) -> Body {
    if http_body::Body::is_end_stream(&incoming) {
        return Body::empty();
    }
    Body::stream(Box::pin(ClientBody::new(incoming, read, u64::MAX, config.read_timeout)))
}

struct ClientBody {
    incoming: Incoming,
    read: Option<Arc<AtomicBool>>,
    /// In bytes: what is allowed, and what is left of that.
    limit: u64,
    left: u64,
    pace: Pace,
}

impl ClientBody {
    /// `limit` is in bytes.
    fn new(incoming: Incoming, read: Option<Arc<AtomicBool>>, limit: u64, patience: Duration) -> Self {
        let pace = Pace { patience, timer: Exact::default(), waits: false, slow: false, begun: None };
        Self { incoming, read, limit, left: limit, pace }
    }
}

/// How long a client may keep everybody waiting.
struct Pace {
    /// How long it may send nothing. It may take longer in all, by a second for every [`SLOWEST`] bytes.
    patience: Duration,
    timer: Exact,
    /// The client is waited for: the timer runs.
    waits: bool,
    /// It has less time than that, because it was slow before.
    slow: bool,
    /// When it was waited for first.
    begun: Option<Instant>,
}

/// The client stopped sending, or nearly so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stalled {
    #[error("the client sent nothing for {0:?}")]
    Silent(Duration),
    #[error("the client sends less than {SLOWEST} bytes a second, and has for {0:?}")]
    Slow(Duration),
}

impl Stalled {
    /// Whether this is why a body broke off.
    pub(crate) fn is(error: &BodyError) -> bool {
        Self::of(error).is_some()
    }

    /// The same, as why a body broke off.
    pub(crate) fn of(error: &BodyError) -> Option<Self> {
        match error {
            BodyError::Broken(reason) => reason.downcast_ref().copied(),
            _ => None,
        }
    }
}

impl Pace {
    /// Ready when the client has had its time; `received` is in bytes.
    fn poll_over(&mut self, cx: &mut Context<'_>, received: u64) -> Poll<Stalled> {
        if !std::mem::replace(&mut self.waits, true) {
            let left = self.left(received);
            self.slow = left < self.patience;
            self.timer.set(left.min(self.patience));
        }
        let why = if self.slow { Stalled::Slow } else { Stalled::Silent };
        self.timer.poll_over(cx).map(|()| why(self.patience))
    }

    /// What a client has left that sends all the time, and as little as it can.
    fn left(&mut self, received: u64) -> Duration {
        let spent = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        self.begun.get_or_insert_with(Instant::now);
        let allowed = self.patience.saturating_add(Duration::from_secs(received / SLOWEST));
        allowed.saturating_sub(spent)
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            let received = self.limit - self.left;
            return self.pace.poll_over(cx, received).map(|why| Some(Err(BodyError::Broken(why.into()))));
        };
        self.pace.waits = false;
        // Behind trailers there is nothing, and nobody asks.
        let is_last = frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        if let Some(read) = &self.read
            && (is_last || self.incoming.is_end_stream())
        {
            read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => Some(Err(BodyError::Broken(error.into()))),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(frame))
                    }
                    None => {
                        let limit_bytes = usize::try_from(self.limit).unwrap_or(usize::MAX);
                        Some(Err(BodyError::TooLarge { limit_bytes }))
                    }
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
