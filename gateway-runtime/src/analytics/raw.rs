//! Detailed recording: messages whole, as they are on the wire of HTTP/1.1. Source: gateway.md §8.4.
//!
//! A body is noted as it passes, up to [`BODY_BYTES`] of it. What has no end in sight is not noted: gRPC, upgrades, event
//! streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_sdk::analytics::Transcript;
use gateway_sdk::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use gateway_sdk::http::response;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{Body, BodyError, HeaderMap, HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};

use super::Over;
use crate::upstream::{Forward, headers};

/// Of a body.
const BODY_BYTES: usize = 64 * 1024;

/// Whether a request is one of a stream, unless it asks for another protocol.
pub(super) fn is_stream(request: &Request) -> bool {
    is_type(request.headers(), "application/grpc")
}

/// Whether nobody knows when a response ends.
pub(super) fn is_endless(response: &Response) -> bool {
    is_type(response.headers(), "text/event-stream")
}

fn is_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.get(..media_type.len())).is_some_and(|begin| begin.eq_ignore_ascii_case(media_type))
}

/// Notes a request as it goes to its upstream.
pub(super) fn record_request(
    request: &mut Request,
    how: &Forward<'_>,
    host: &HeaderValue,
    path: &PathAndQuery,
) -> Transcript {
    let (mut copy, ()) = gateway_sdk::http::Request::new(()).into_parts();
    copy.headers = request.headers().clone();
    let mut copy = Request::from_parts(copy, Body::empty());
    headers::toward_upstream(&mut copy, how.client);
    let sent = copy.headers_mut();
    sent.remove(CONTENT_LENGTH);
    if let Some(length) = request.body().len().filter(|length| *length > 0) {
        sent.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    sent.remove(TRANSFER_ENCODING);
    if !how.keep_host || !sent.contains_key(HOST) {
        sent.insert(HOST, host.clone());
    }
    let line = format!("{} {path} HTTP/1.1\r\n", request.method());
    let transcript = Transcript::new(head(line, sent), BODY_BYTES);
    let body = request.body_mut();
    if let Some(bytes) = body.buffered() {
        transcript.add(&bytes);
    } else {
        let recorded = Recorded::new(std::mem::take(body), Some(transcript.clone()), None);
        *body = Body::stream(Box::pin(recorded));
    }
    transcript
}

/// Notes a request that goes nowhere, as far as it is here.
pub(super) fn note_request(request: &Request) -> Transcript {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let line = format!("{} {path} HTTP/1.1\r\n", request.method());
    let transcript = Transcript::new(head(line, request.headers()), BODY_BYTES);
    transcript.add(&request.body().buffered().unwrap_or_default());
    transcript
}

/// Notes the head of a response; its body is still to come.
pub(super) fn note_response(response: &response::Parts) -> Transcript {
    let mut headers = response.headers.clone();
    headers.remove(TRANSFER_ENCODING);
    let reason = response.status.canonical_reason().unwrap_or_default();
    let line = format!("HTTP/1.1 {} {reason}\r\n", response.status.as_u16());
    Transcript::new(head(line, &headers), BODY_BYTES)
}

/// A head on the wire, with names as people look for them.
fn head(line: String, headers: &HeaderMap) -> Vec<u8> {
    let mut head = line.into_bytes();
    for (name, value) in headers {
        let mut upper = true;
        head.extend(name.as_str().bytes().map(|byte| {
            let byte = if upper { byte.to_ascii_uppercase() } else { byte };
            upper = byte == b'-';
            byte
        }));
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// A body that is noted as it passes. When it is gone, so is whoever took it: the request is over.
pub(super) struct Recorded {
    body: Body,
    transcript: Option<Transcript>,
    over: Option<Box<Over>>,
}

impl Recorded {
    pub(super) fn new(body: Body, transcript: Option<Transcript>, over: Option<Box<Over>>) -> Self {
        Self { body, transcript, over }
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(transcript)) = (&polled, &self.transcript)
            && let Some(data) = frame.data_ref()
        {
            transcript.add(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Some(mut over) = self.over.take() {
            if let Some(transcript) = &self.transcript {
                over.draft.record.raw_response = transcript.take();
            }
            over.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_as_on_the_wire() {
        let mut headers = HeaderMap::new();
        headers.insert("x-b3-id", HeaderValue::from_static("1"));
        let written = head("GET / HTTP/1.1\r\n".to_owned(), &headers);
        assert_eq!(String::from_utf8_lossy(&written), "GET / HTTP/1.1\r\nX-B3-Id: 1\r\n\r\n");
    }

    #[test]
    fn only_streams_are_streams() {
        let request = |name: &str, value: &str| {
            Request::from(gateway_sdk::http::Request::get("/").header(name, value).body(()).expect("a request"))
        };
        assert!(is_stream(&request("content-type", "application/grpc+proto")));
        assert!(!is_stream(&request("content-type", "application/json")));
    }
}
