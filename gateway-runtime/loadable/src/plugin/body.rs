//! Bodies, both ways.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_sdk::{Body, BodyError, HeaderMap};
use http_body::{Body as _, Frame, SizeHint};

use super::headers::{self, Headers, Memory};
use super::{gateway, panic_text};
use crate::abi::{self, BodyInfo, Bytes as Lent, Code};
use crate::waker::{Borrowed, lend};

/// The body of a message as the gateway had it.
pub(super) enum Was {
    Empty,
    /// Where its bytes are.
    Bytes(*const [u8]),
    Stream {
        shared: Arc<Shared>,
        /// Where the stream is that the plugin was given.
        place: Option<*const ()>,
    },
}

/// A body of the gateway's, which is released with the last who has it.
pub(super) struct Shared {
    body: AtomicPtr<abi::Body>,
    touched: AtomicBool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let body = *self.body.get_mut();
        if !body.is_null() {
            // SAFETY: it is ours, and this ends it.
            unsafe { (gateway().release_body)(body) };
        }
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the bytes are there as long as the body is, which we hold.
        unsafe { &*self.bytes }
    }
}

/// Bytes in the gateway's memory.
struct Owner {
    bytes: *const [u8],
    _shared: Shared,
}

// SAFETY: what it points to is read alone, and the gateway's bodies may be released on any thread.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

/// Takes the body of a message.
pub(super) fn take(message: *mut abi::Message) -> (Was, Body) {
    let mut info = BodyInfo::EMPTY;
    // SAFETY: the message is there, and there is room for what it tells.
    let body = unsafe { (gateway().take_body)(message, &raw mut info) };
    if body.is_null() {
        return (Was::Empty, Body::empty());
    }
    let shared = Shared { body: AtomicPtr::new(body), touched: AtomicBool::new(false) };
    // SAFETY: the bytes, if there are any, are there as long as the body.
    let bytes = unsafe { info.bytes.get() };
    if let Some(bytes) = bytes.filter(|_| info.kind == abi::BODY_BYTES) {
        let bytes = ptr::from_ref(bytes);
        return (Was::Bytes(bytes), Bytes::from_owner(Owner { bytes, _shared: shared }).into());
    }
    let shared = Arc::new(shared);
    let body = Body::stream(Box::pin(Streamed { shared: Arc::clone(&shared), is_over: false }));
    let place = body.unread();
    (Was::Stream { shared, place }, body)
}

impl Was {
    /// Gives the gateway a body that it had given, or another in its place.
    pub(super) fn give_back(self, message: *mut abi::Message, body: Body) {
        match self {
            Self::Empty if body.is_buffered() && body.is_end_stream() => {}
            Self::Bytes(was) if body.buffered().is_some_and(|bytes| ptr::eq(&raw const *bytes, was)) => {}
            Self::Stream { shared, place: Some(place) }
                if body.unread() == Some(place) && !shared.touched.load(Ordering::Relaxed) =>
            {
                let handle = shared.body.swap(ptr::null_mut(), Ordering::Relaxed);
                // SAFETY: it was ours until now, and is the message's from here on.
                unsafe { (gateway().put_body)(message, handle) };
            }
            _ => put(message, body),
        }
    }
}

/// Makes `body` the body of a message, whose headers are told of on their own.
pub(super) fn put(message: *mut abi::Message, mut body: Body) {
    if body.is_buffered() {
        let (bytes, trailers) = in_memory(&mut body);
        let trailers = trailers.map_or(ptr::null_mut(), |trailers| as_message(&trailers));
        // SAFETY: what is lent is there until it returns, and the trailers are taken.
        unsafe { (gateway().set_body)(message, Lent::of(&bytes), trailers, 0) };
    } else {
        let length = length_of(&body);
        let stream = Box::new(Made { body, last: Bytes::new() });
        let stream = abi::Stream { data: Box::into_raw(stream).cast(), functions: &raw const MADE, length };
        // SAFETY: the stream is the gateway's from here on.
        unsafe { (gateway().set_body_stream)(message, stream, 0) };
    }
}

/// The bytes and trailers of a body that waits for nothing.
fn in_memory(body: &mut Body) -> (Bytes, Option<HeaderMap>) {
    let bytes = body.buffered().unwrap_or_default();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *body).poll_frame(&mut cx) {
        if let Ok(trailers) = frame.into_trailers() {
            return (bytes, Some(trailers));
        }
    }
    (bytes, None)
}

/// Headers alone, as a message.
fn as_message(map: &HeaderMap) -> *mut abi::Message {
    // SAFETY: there is nothing that it asks for.
    let message = unsafe { (gateway().new_request)() };
    headers::give(message, map);
    message
}

fn length_of(body: &Body) -> i64 {
    body.len().and_then(|length| i64::try_from(length).ok()).unwrap_or(abi::UNKNOWN)
}

/// A body of the gateway's that is read here.
struct Streamed {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Streamed {
    fn body(&self) -> *mut abi::Body {
        self.shared.body.load(Ordering::Relaxed)
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.body();
        if self.is_over || body.is_null() {
            return Poll::Ready(None);
        }
        self.shared.touched.store(true, Ordering::Relaxed);
        let (waker, mut frame) = (lend(cx.waker()), abi::Frame::NONE);
        // SAFETY: the body is ours, the waker is lent, and there is room for a frame.
        let code = unsafe { (gateway().poll_body)(body, &raw const waker, &raw mut frame) };
        // SAFETY: the bytes are there until the next poll.
        let bytes = unsafe { frame.bytes.get() }.unwrap_or_default();
        Poll::Ready(match code {
            abi::PENDING => return Poll::Pending,
            abi::OK if frame.trailers.is_null() => Some(Ok(Frame::data(Bytes::copy_from_slice(bytes)))),
            abi::OK => {
                let mut trailers = HeaderMap::new();
                Headers::of(frame.trailers, &mut trailers, &mut Memory::default());
                // SAFETY: they are ours, and this ends them.
                unsafe { (gateway().release_message)(frame.trailers) };
                Some(Ok(Frame::trailers(trailers)))
            }
            abi::END => {
                self.is_over = true;
                None
            }
            abi::TOO_LARGE => {
                let limit = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                Some(Err(BodyError::TooLarge { limit_bytes: limit.unwrap_or_default() }))
            }
            _ => Some(Err(BodyError::Broken(String::from_utf8_lossy(bytes).into()))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body();
        // SAFETY: the body is ours.
        let length = if body.is_null() { 0 } else { unsafe { (gateway().body_length)(body) } };
        u64::try_from(length).map_or_else(|_| SizeHint::default(), SizeHint::with_exact)
    }
}

/// A body of ours that the gateway reads.
struct Made {
    body: Body,
    /// What was lent with the last frame.
    last: Bytes,
}

static MADE: abi::StreamFunctions = abi::StreamFunctions { poll: poll_made, release: release_made };

unsafe extern "C" fn poll_made(data: *mut c_void, waker: *const abi::Waker, frame: *mut abi::Frame) -> Code {
    // SAFETY: it was made by `put`, and is released after its last poll.
    let made = unsafe { &mut *data.cast::<Made>() };
    // SAFETY: there is room for a frame, and nobody else writes to it.
    let frame = unsafe { &mut *frame };
    // SAFETY: the gateway lends it for this poll.
    let waker = unsafe { Borrowed::new(waker) };
    let polled =
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut made.body).poll_frame(&mut Context::from_waker(&waker))));
    let (code, last) = match polled {
        Ok(Poll::Pending) => return abi::PENDING,
        Ok(Poll::Ready(None)) => (abi::END, Bytes::new()),
        Ok(Poll::Ready(Some(Ok(next)))) => match next.into_data() {
            Ok(data) => (abi::OK, data),
            Err(next) => {
                let trailers = next.into_trailers().unwrap_or_default();
                frame.trailers = as_message(&trailers);
                (abi::OK, Bytes::new())
            }
        },
        Ok(Poll::Ready(Some(Err(BodyError::TooLarge { limit_bytes })))) => {
            (abi::TOO_LARGE, limit_bytes.to_string().into())
        }
        Ok(Poll::Ready(Some(Err(error)))) => (abi::FAILED, reason(&error).into()),
        Err(panic) => (abi::PANICKED, panic_text(&*panic).to_owned().into()),
    };
    made.last = last;
    frame.bytes = Lent::of(&made.last);
    code
}

unsafe extern "C" fn release_made(data: *mut c_void) {
    // SAFETY: it was made by `put`, and this ends it.
    let made = unsafe { Box::from_raw(data.cast::<Made>()) };
    // It may be the plugin's own stream.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(made)));
}

/// Why a body broke off, without what [`BodyError`] says of it itself.
fn reason(error: &BodyError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// A body that is known of, and not given: a plugin that only looks at a message reads no stream.
pub(super) fn look(message: *mut abi::Message) -> Body {
    let mut info = BodyInfo::EMPTY;
    // SAFETY: the message is there, and there is room for what it tells.
    unsafe { (gateway().body)(message, &raw mut info) };
    match info.kind {
        abi::BODY_BYTES => take(message).1,
        abi::BODY_STREAM => Body::stream(Box::pin(Unread(u64::try_from(info.length).ok()))),
        _ => Body::empty(),
    }
}

/// A stream whose length is all that is known.
struct Unread(Option<u64>);

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
