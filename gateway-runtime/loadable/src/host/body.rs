//! Bodies, both ways.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError, HeaderMap};
use http_body::{Body as _, Frame, SizeHint};

use super::message::Message;
use crate::abi::{self, BodyInfo, Bytes as Lent, Code};
use crate::waker::{Borrowed, lend};

/// What a handle of a body points to.
struct Taken {
    body: Body,
    /// What was lent last.
    last: Bytes,
}

fn length_of(body: &Body) -> i64 {
    body.len().and_then(|length| i64::try_from(length).ok()).unwrap_or(abi::UNKNOWN)
}

fn info_of(body: &Body, bytes: Option<&Bytes>) -> BodyInfo {
    let size = size_of::<BodyInfo>();
    match bytes {
        Some(bytes) if bytes.is_empty() && body.is_end_stream() => BodyInfo::EMPTY,
        Some(bytes) => BodyInfo { size, kind: abi::BODY_BYTES, length: length_of(body), bytes: Lent::of(bytes) },
        None => BodyInfo { size, kind: abi::BODY_STREAM, length: length_of(body), bytes: Lent::ABSENT },
    }
}

pub(super) unsafe extern "C" fn info(message: *mut abi::Message, info: *mut BodyInfo) -> Code {
    // SAFETY: the plugin gives a handle of ours.
    let Some(body) = unsafe { Message::of(message) }.and_then(Message::body) else { return abi::INVALID };
    // The message has the same bytes, for as long as nobody changes it.
    let bytes = body.buffered();
    // SAFETY: the plugin has room for it.
    unsafe { info.write(info_of(body, bytes.as_ref())) };
    abi::OK
}

pub(super) unsafe extern "C" fn take(message: *mut abi::Message, info: *mut BodyInfo) -> *mut abi::Body {
    // SAFETY: the plugin gives a handle of ours.
    let body = unsafe { Message::of(message) }.and_then(Message::body);
    let bytes = body.as_ref().and_then(|body| body.buffered());
    let told = body.as_ref().map_or(BodyInfo::EMPTY, |body| info_of(body, bytes.as_ref()));
    // SAFETY: the plugin has room for it.
    unsafe { info.write(told) };
    let Some(body) = body.filter(|_| told.kind != abi::BODY_EMPTY) else { return std::ptr::null_mut() };
    let taken = match bytes {
        Some(bytes) => Taken { body: bytes.clone().into(), last: bytes },
        None => Taken { body: std::mem::take(body), last: Bytes::new() },
    };
    Box::into_raw(Box::new(taken)).cast()
}

pub(super) unsafe extern "C" fn put(message: *mut abi::Message, body: *mut abi::Body) -> Code {
    if body.is_null() {
        return abi::INVALID;
    }
    // SAFETY: it was taken before, and this ends it.
    let taken = unsafe { Box::from_raw(body.cast::<Taken>()) };
    // SAFETY: the plugin gives a handle of ours.
    let message = unsafe { Message::of(message) };
    message.map_or(abi::INVALID, |message| message.set_body(taken.body, false))
}

pub(super) unsafe extern "C" fn release(body: *mut abi::Body) {
    if !body.is_null() {
        // SAFETY: it was taken before, and this ends it.
        drop(unsafe { Box::from_raw(body.cast::<Taken>()) });
    }
}

pub(super) unsafe extern "C" fn length(body: *const abi::Body) -> i64 {
    // SAFETY: the plugin gives a handle of ours.
    let taken = unsafe { body.cast::<Taken>().as_ref() };
    taken.map_or(0, |taken| length_of(&taken.body))
}

pub(super) unsafe extern "C" fn set(
    message: *mut abi::Message,
    bytes: Lent,
    trailers: *mut abi::Message,
    describe: i32,
) -> Code {
    // SAFETY: what is lent is there until we return.
    let bytes = Bytes::copy_from_slice(unsafe { bytes.get() }.unwrap_or_default());
    // SAFETY: the plugin gives a handle of ours.
    let trailers_map = unsafe { Message::of(trailers) }.map(|trailers| std::mem::take(trailers.headers()));
    // SAFETY: they are taken, and this ends them.
    unsafe { super::message::release(trailers) };
    let body = match trailers_map {
        None => bytes.into(),
        Some(trailers) => Body::stream(Box::pin(WithTrailers { bytes: Some(bytes), trailers: Some(trailers) })),
    };
    // SAFETY: the plugin gives a handle of ours.
    let message = unsafe { Message::of(message) };
    message.map_or(abi::INVALID, |message| message.set_body(body, describe != 0))
}

pub(super) unsafe extern "C" fn set_stream(message: *mut abi::Message, stream: abi::Stream, describe: i32) -> Code {
    let body = Body::stream(Box::pin(Foreign { stream, is_over: false }));
    // SAFETY: the plugin gives a handle of ours.
    let message = unsafe { Message::of(message) };
    message.map_or(abi::INVALID, |message| message.set_body(body, describe != 0))
}

pub(super) unsafe extern "C" fn poll(body: *mut abi::Body, waker: *const abi::Waker, frame: *mut abi::Frame) -> Code {
    // SAFETY: the plugin gives a handle of ours, and room for a frame.
    let (Some(taken), Some(frame)) = (unsafe { body.cast::<Taken>().as_mut() }, unsafe { frame.as_mut() }) else {
        return abi::INVALID;
    };
    // SAFETY: the plugin lends it for this poll.
    let waker = unsafe { Borrowed::new(waker) };
    let polled =
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut taken.body).poll_frame(&mut Context::from_waker(&waker))));
    let (code, last) = match polled {
        Ok(Poll::Pending) => return abi::PENDING,
        Ok(Poll::Ready(None)) => (abi::END, Bytes::new()),
        Ok(Poll::Ready(Some(Ok(next)))) => match next.into_data() {
            Ok(data) => (abi::OK, data),
            Err(next) => {
                let mut map = next.into_trailers().unwrap_or_default();
                let mut headers = http::Request::new(());
                std::mem::swap(headers.headers_mut(), &mut map);
                frame.trailers = Message::OwnRequest(Box::new(headers.into())).own();
                (abi::OK, Bytes::new())
            }
        },
        Ok(Poll::Ready(Some(Err(error)))) => failure(&error),
        Err(_) => (abi::FAILED, Bytes::from_static(b"the gateway failed to read it")),
    };
    taken.last = last;
    frame.bytes = Lent::of(&taken.last);
    code
}

fn failure(error: &BodyError) -> (Code, Bytes) {
    match error {
        BodyError::TooLarge { limit_bytes } => (abi::TOO_LARGE, limit_bytes.to_string().into()),
        BodyError::OfResponse(error) => failure(error),
        BodyError::Broken(source) => (abi::FAILED, source.to_string().into()),
        other => (abi::FAILED, other.to_string().into()),
    }
}

/// A body in memory with trailers.
struct WithTrailers {
    bytes: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for WithTrailers {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A body that a plugin makes.
struct Foreign {
    stream: abi::Stream,
    is_over: bool,
}

// SAFETY: a stream may be polled and released on any thread, by one at a time.
unsafe impl Send for Foreign {}
// SAFETY: nothing can be done with a shared one but to ask for its length.
unsafe impl Sync for Foreign {}

impl http_body::Body for Foreign {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let (waker, mut frame) = (lend(cx.waker()), abi::Frame::NONE);
        // SAFETY: it is ours until we release it, the waker is lent, and there is room for a frame.
        let code = unsafe { ((*self.stream.functions).poll)(self.stream.data, &raw const waker, &raw mut frame) };
        // SAFETY: the bytes are there until the next poll.
        let bytes = unsafe { frame.bytes.get() }.unwrap_or_default();
        // SAFETY: trailers are a handle of ours.
        let trailers = unsafe { Message::of(frame.trailers) }.map(|trailers| std::mem::take(trailers.headers()));
        // SAFETY: they are ours to release.
        unsafe { super::message::release(frame.trailers) };
        if code == abi::PENDING {
            return Poll::Pending;
        }
        self.is_over = code != abi::OK;
        Poll::Ready(match (code, trailers) {
            (abi::OK, Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            (abi::OK, None) => {
                self.stream.length = match self.stream.length {
                    abi::UNKNOWN => abi::UNKNOWN,
                    left => left.saturating_sub_unsigned(bytes.len() as u64).max(0),
                };
                Some(Ok(Frame::data(Bytes::copy_from_slice(bytes))))
            }
            (abi::END, _) => None,
            (abi::TOO_LARGE, _) => {
                let limit = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                Some(Err(BodyError::TooLarge { limit_bytes: limit.unwrap_or_default() }))
            }
            _ => Some(Err(BodyError::Broken(String::from_utf8_lossy(bytes).into()))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        u64::try_from(self.stream.length).map_or_else(|_| SizeHint::default(), SizeHint::with_exact)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: it is ours, and this ends it.
        let release: unsafe extern "C" fn(*mut c_void) = unsafe { (*self.stream.functions).release };
        // SAFETY: as above.
        unsafe { release(self.stream.data) };
    }
}
