//! `Body`: read once, kept, replayed; limits, trailers, broken and cancelled reads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use gateway_sdk::testing::block_on;
use gateway_sdk::{Body, BodyError, Bytes, HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

/// What a stream does next.
enum Next {
    Data(&'static str),
    Trailer(&'static str),
    /// Nothing yet; the next poll goes on.
    Wait,
    Break,
    TooLarge,
}

/// A stream that does what a test says, then ends.
struct Script {
    next: VecDeque<Next>,
    hint: SizeHint,
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match self.next.pop_front() {
            None => None,
            Some(Next::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Next::Data(data)) => Some(Ok(Frame::data(Bytes::from_static(data.as_bytes())))),
            Some(Next::Trailer(value)) => Some(Ok(Frame::trailers(trailers(value)))),
            Some(Next::Break) => Some(Err(BodyError::Broken("connection reset".into()))),
            Some(Next::TooLarge) => Some(Err(BodyError::TooLarge { limit_bytes: 9 })),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn trailers(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(gateway_sdk::HeaderName::from_static("x-end"), HeaderValue::from_static(value))])
}

fn stream(next: impl IntoIterator<Item = Next>) -> Body {
    Body::stream(Box::pin(Script { next: next.into_iter().collect(), hint: SizeHint::default() }))
}

/// All that is forwarded: data, `[trailer]`, `!error`.
fn forwarded(mut body: Body) -> String {
    let mut all = String::new();
    while let Some(frame) = block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return all + "!" + &error.to_string(),
        };
        match frame.into_data() {
            Ok(data) => all.push_str(std::str::from_utf8(&data).expect("it is UTF-8")),
            Err(frame) => {
                let trailers = frame.into_trailers().expect("it is one or the other");
                let value = trailers["x-end"].to_str().expect("it is ASCII");
                all = format!("{all}[{value}]");
            }
        }
    }
    all
}

fn read(body: &mut Body, limit: usize) -> Result<Bytes, BodyError> {
    block_on(body.bytes(limit))
}

fn is_too_large(result: &Result<Bytes, BodyError>, limit: usize) -> bool {
    matches!(result, Err(BodyError::TooLarge { limit_bytes }) if *limit_bytes == limit)
}

const BROKEN: &str = "the body ended before it was complete";

#[test]
fn a_body_that_nobody_reads_stays_a_stream() {
    let body = stream([Next::Data("ab"), Next::Data("cd"), Next::Trailer("t")]);
    assert!(!body.is_buffered() && body.buffered().is_none());
    assert_eq!(forwarded(body), "abcd[t]");
}

#[test]
fn a_body_that_was_read_is_read_again_and_forwarded_whole() {
    let mut body = stream([Next::Data("ab"), Next::Data("cd"), Next::Trailer("t")]);
    for _ in 0..2 {
        assert_eq!(read(&mut body, 4).expect("it is four bytes"), "abcd");
    }
    assert!(body.is_buffered());
    assert_eq!(body.len(), Some(4));
    assert_eq!(forwarded(body), "abcd[t]");
}

#[test]
fn above_the_limit_nothing_is_lost() {
    let mut body = stream([Next::Data("ab"), Next::Data("cd"), Next::Data("ef")]);
    for _ in 0..3 {
        assert!(is_too_large(&read(&mut body, 3), 3), "however often one asks");
    }
    assert_eq!(read(&mut body, 6).expect("a larger limit"), "abcdef");
    assert_eq!(forwarded(body), "abcdef");
}

#[test]
fn a_stream_that_ends_above_the_limit_stays_above_it() {
    let mut body = stream([Next::Data("abcd")]);
    for _ in 0..3 {
        assert!(is_too_large(&read(&mut body, 3), 3));
    }
    assert_eq!(forwarded(body), "abcd");
}

#[test]
fn a_length_above_the_limit_is_refused_before_reading() {
    let mut body =
        Body::stream(Box::pin(Script { next: VecDeque::from([Next::Break]), hint: SizeHint::with_exact(10) }));
    assert!(is_too_large(&read(&mut body, 9), 9));
    let mut set = Body::from("four");
    assert!(is_too_large(&read(&mut set, 3), 3));
    assert_eq!(read(&mut set, 4).expect("it fits"), "four");
}

#[test]
fn a_broken_stream_keeps_what_came_and_stays_broken() {
    let mut body = stream([Next::Data("ab"), Next::Data("c"), Next::Break]);
    for _ in 0..2 {
        let error = read(&mut body, 9).expect_err("the sender broke off");
        assert_eq!(error.to_string(), BROKEN);
        let source = std::error::Error::source(&error).expect("the cause is told");
        assert_eq!(source.to_string(), "connection reset");
    }
    assert_eq!(forwarded(body), format!("abc!{BROKEN}"));
}

#[test]
fn a_stream_with_a_limit_of_its_own_says_so_again() {
    let mut body = stream([Next::Data("ab"), Next::TooLarge]);
    for _ in 0..2 {
        assert!(is_too_large(&read(&mut body, 99), 9));
    }
    assert_eq!(forwarded(body), "ab!the body is larger than 9 bytes");
}

#[test]
fn a_cancelled_read_loses_nothing() {
    let steps = [Next::Data("ab"), Next::Wait, Next::Data("cd"), Next::Trailer("t"), Next::Wait];
    let mut body = stream(steps);
    for _ in 0..2 {
        let mut cx = Context::from_waker(Waker::noop());
        let poll = pin!(body.bytes(9)).as_mut().poll(&mut cx);
        assert!(poll.is_pending(), "and dropped");
    }
    assert_eq!(read(&mut body, 9).expect("it goes on"), "abcd");
    assert_eq!(forwarded(body), "abcd[t]");
}

#[test]
fn a_cancelled_read_is_forwarded_whole() {
    let steps = [Next::Data("ab"), Next::Trailer("t"), Next::Wait];
    let mut body = stream(steps);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(body.bytes(9)).as_mut().poll(&mut cx).is_pending());
    assert!(!body.is_end_stream());
    assert_eq!(forwarded(body), "ab[t]");
}

#[test]
fn what_was_read_counts_for_the_length() {
    let mut body = Body::stream(Box::pin(Script {
        next: VecDeque::from([Next::Data("ab"), Next::Break]),
        hint: SizeHint::with_exact(0),
    }));
    assert_eq!(body.len(), Some(0));
    read(&mut body, 9).expect_err("the sender broke off");
    assert!(!body.is_end_stream());
    assert_ne!(body.len(), Some(0));
}

#[test]
fn an_empty_body_is_empty_however_it_is_made() {
    for mut body in [
        Body::empty(),
        Body::default(),
        Body::from(()),
        Body::from(""),
        Body::from(String::new()),
        Body::from(Vec::new()),
        Body::from(&b""[..]),
    ] {
        assert!(body.is_empty() && body.is_end_stream());
        assert_eq!(read(&mut body, 0).expect("it fits"), "");
    }
}

#[test]
fn a_response_reads_its_body_as_a_request_does() {
    let body = stream([Next::Data("ab")]);
    let mut response = Response::new(StatusCode::OK).with_body(body);
    assert_eq!(block_on(response.body_bytes(2)).expect("it fits"), "ab");
}
