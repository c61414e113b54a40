//! A client's body: bounded in bytes by the configuration, and in time by the client's own pace.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_sdk::http::header::CONTENT_LENGTH;
use gateway_sdk::{Body, BodyError, HeaderMap};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::config::Config;
use crate::error::RequestError;

/// The body of a request.
///
/// # Errors
/// When it says itself that it is larger than the configuration allows.
pub(super) fn of_client(incoming: Incoming, config: &Config, headers: &HeaderMap) -> Result<Body, RequestError> {
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
    let body = ClientBody { incoming, limit, left: limit, patience: config.read_timeout, timer: None };
    Ok(Body::stream(Box::pin(body)))
}

struct ClientBody {
    incoming: Incoming,
    /// In bytes: what is allowed, and what is left of that.
    limit: u64,
    left: u64,
    /// How long the client may send nothing.
    patience: Duration,
    /// Runs while the client is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The client stopped sending.
#[derive(Debug, thiserror::Error)]
#[error("the client sent nothing for {0:?}")]
struct Stalled(Duration);

impl ClientBody {
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Broken(Stalled(patience).into()))))
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return self.poll_stalled(cx);
        };
        self.timer = None;
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
