//! A client's body: bounded in bytes by the configuration, and in time by the client's own pace.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_sdk::http::header::CONTENT_LENGTH;
use gateway_sdk::{Body, BodyError, HeaderMap};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::clock::{Exact, Timer};
use crate::config::Config;
use crate::error::RequestError;

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
    let limit = limit.unwrap_or(u64::MAX);
    let timer = Exact::default();
    let body = ClientBody { incoming, read, limit, left: limit, patience: config.read_timeout, timer, waits: false };
    Ok(Body::stream(Box::pin(body)))
}

struct ClientBody {
    incoming: Incoming,
    read: Option<Arc<AtomicBool>>,
    /// In bytes: what is allowed, and what is left of that.
    limit: u64,
    left: u64,
    /// How long the client may send nothing.
    patience: Duration,
    timer: Exact,
    /// The client is waited for: the timer runs.
    waits: bool,
}

/// The client stopped sending.
#[derive(Debug, thiserror::Error)]
#[error("the client sent nothing for {0:?}")]
struct Stalled(Duration);

impl ClientBody {
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let patience = self.patience;
        if !std::mem::replace(&mut self.waits, true) {
            self.timer.set(patience);
        }
        self.timer.poll_over(cx).map(|()| Some(Err(BodyError::Broken(Stalled(patience).into()))))
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return self.poll_stalled(cx);
        };
        self.waits = false;
        if let Some(read) = &self.read
            && (frame.is_none() || self.incoming.is_end_stream())
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
