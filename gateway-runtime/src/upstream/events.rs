//! Event streams, whose readers are told when the upstream is gone: a browser would take a silent end for a whole one.
//!
//! Source: Tyk, `gateway/sse_streaming.go`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{Body, BodyError, Response};
use http_body::Frame;

const LAST_WORDS: &[u8] = b"event: error\ndata: upstream connection terminated unexpectedly\n\n";

/// Watches over the end of an event stream; of any other response nothing is changed.
///
/// One whose length is known is left alone: nothing can be added to it.
pub(super) fn watch(response: &mut Response) {
    if response.body().len().is_none() && is_event_stream(response) {
        let body = std::mem::take(response.body_mut());
        *response.body_mut() = Body::stream(Box::pin(Events { body: Some(body) }));
    }
}

fn is_event_stream(response: &Response) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

struct Events {
    /// `None` once it has ended.
    body: Option<Body>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match std::task::ready!(Pin::new(body).poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => {
                self.body = None;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "the upstream of an event stream broke off");
                self.body = None;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(LAST_WORDS)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use gateway_sdk::{HeaderValue, StatusCode};

    use super::*;

    struct Breaks(VecDeque<Result<Bytes, &'static str>>);

    impl http_body::Body for Breaks {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let frame = |next: Result<Bytes, &'static str>| {
                next.map(Frame::data).map_err(|reason| BodyError::Broken(reason.into()))
            };
            Poll::Ready(self.0.pop_front().map(frame))
        }
    }

    fn response(media_type: &'static str, end: Option<&'static str>) -> Response {
        let event = Ok(Bytes::from_static(b"data: 1\n\n"));
        let body = Body::stream(Box::pin(Breaks([event].into_iter().chain(end.map(Err)).collect())));
        let (mut head, _) = Response::new(StatusCode::OK).into_parts();
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let mut response = Response::from_parts(head, body);
        watch(&mut response);
        response
    }

    #[tokio::test]
    async fn who_reads_events_is_told_that_the_upstream_is_gone() {
        let mut broken = response("text/event-stream; charset=utf-8", Some("reset"));
        let read = broken.body_mut().bytes(1000).await.expect("events");
        assert_eq!(read, [b"data: 1\n\n", LAST_WORDS].concat());
    }

    #[tokio::test]
    async fn an_event_stream_that_ends_well_ends_without_a_word() {
        let mut whole = response("text/event-stream", None);
        assert_eq!(whole.body_mut().bytes(1000).await.expect("events"), "data: 1\n\n");
    }

    #[tokio::test]
    async fn other_bodies_break_off() {
        let mut broken = response("text/plain", Some("reset"));
        assert!(broken.body_mut().bytes(1000).await.is_err());
    }
}
