//! What a plugin asks of the gateway.

use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::host::{FetchError, Host, Level, LogRecord, Store, StoreError};
use gateway_sdk::registry::Plugin;
use gateway_sdk::{Request, Response, StatusCode};

use super::headers::{self, Headers, Memory};
use super::task::CallPointer;
use super::{body, gateway};
use crate::abi::{self, Bytes as Lent, Code};
use crate::waker::lend;

/// A text of a call, if there is one.
pub(super) fn text<'c>(call: *mut abi::Call, which: i32) -> Option<&'c str> {
    // SAFETY: the call is under way.
    let text = unsafe { (gateway().text)(call, which) };
    // SAFETY: it is there until the call is over, which is longer than anybody here keeps it.
    unsafe { text.text() }
}

/// The gateway, in one call.
pub(super) struct Asking {
    call: CallPointer,
    package: &'static str,
}

impl Asking {
    pub(super) fn new(call: *mut abi::Call, plugin: &Plugin) -> Self {
        Self { call: CallPointer::new(call), package: plugin.package.name }
    }

    fn call(&self) -> *mut abi::Call {
        self.call.get()
    }

    /// A key of the store without the package's name, which the gateway puts before it.
    fn key(&self, key: &str) -> Lent {
        let own = key.strip_prefix(self.package).and_then(|rest| rest.strip_prefix('/'));
        Lent::of(own.unwrap_or(key).as_bytes())
    }
}

fn level(level: Level) -> i32 {
    match level {
        Level::Debug => abi::DEBUG,
        Level::Info => abi::INFO,
        Level::Warn => abi::WARN,
        Level::Error => abi::ERROR,
    }
}

impl Host for Asking {
    fn logs(&self, at: Level) -> bool {
        // SAFETY: the call is under way.
        unsafe { (gateway().logs)(self.call(), level(at)) != 0 }
    }

    fn log(&self, record: &LogRecord<'_>) {
        let written;
        let text = match record.message.as_str() {
            Some(text) => text,
            None => {
                written = record.message.to_string();
                &written
            }
        };
        // SAFETY: the call is under way, and what is lent is there until it returns.
        unsafe { (gateway().log)(self.call(), level(record.level), Lent::of(text.as_bytes())) };
    }

    fn fetch(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, FetchError>> {
        let message = outgoing(request);
        // SAFETY: the call is under way, and the message is taken.
        let operation = Operation(unsafe { (gateway().fetch)(self.call(), message, micros(timeout)) });
        Box::pin(async move {
            let done = operation.await;
            match done.code {
                abi::OK => Ok(answered(done.response)),
                abi::TIMED_OUT => Err(FetchError::Timeout(timeout)),
                abi::INVALID => Err(FetchError::Uri(done.text())),
                _ => Err(FetchError::Failed(done.text().into())),
            }
        })
    }

    fn store(&self) -> &dyn Store {
        self
    }
}

impl Store for Asking {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        // SAFETY: the call is under way, and what is lent is there until it returns.
        let operation = Operation(unsafe { (gateway().store_get)(self.call(), self.key(key)) });
        Box::pin(async move {
            let done = operation.await;
            match done.code {
                abi::NOTHING => Ok(None),
                _ => done.stored().map(|done| Some(done.bytes)),
            }
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>> {
        let (key, value) = (self.key(key), Lent::of(&value));
        // SAFETY: the call is under way, and what is lent is there until it returns.
        let operation = Operation(unsafe { (gateway().store_set)(self.call(), key, value, until(ttl)) });
        Box::pin(async move { operation.await.stored().map(|_| ()) })
    }

    fn increment<'a>(&'a self, key: &'a str, by: i64, ttl: Option<Duration>) -> BoxFuture<'a, Result<i64, StoreError>> {
        let key = self.key(key);
        // SAFETY: the call is under way, and what is lent is there until it returns.
        let operation = Operation(unsafe { (gateway().store_increment)(self.call(), key, by, until(ttl)) });
        Box::pin(async move { operation.await.stored().map(|done| done.number) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        // SAFETY: the call is under way, and what is lent is there until it returns.
        let operation = Operation(unsafe { (gateway().store_delete)(self.call(), self.key(key)) });
        Box::pin(async move { operation.await.stored().map(|_| ()) })
    }
}

/// A time as the interface has it. The longest that it knows is half a million years.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn until(ttl: Option<Duration>) -> i64 {
    ttl.map_or(abi::UNKNOWN, |ttl| i64::try_from(micros(ttl)).unwrap_or(i64::MAX))
}

/// Something that the gateway does for us. It ends when it is dropped.
struct Operation(*mut abi::Operation);

// SAFETY: an operation may be polled and released on any thread, by one at a time.
unsafe impl Send for Operation {}

/// What an operation came to.
struct Done {
    code: Code,
    bytes: Bytes,
    number: i64,
    response: *mut abi::Message,
}

// SAFETY: as an operation's, and its response is ours alone.
unsafe impl Send for Done {}

impl Done {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn stored(self) -> Result<Self, StoreError> {
        match self.code {
            abi::OK => Ok(self),
            abi::NOT_A_NUMBER => Err(StoreError::NotANumber),
            abi::FULL => Err(StoreError::Full),
            _ => Err(StoreError::Failed(self.text().into())),
        }
    }
}

impl Future for Operation {
    type Output = Done;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let (waker, mut result) = (lend(cx.waker()), abi::Result::NONE);
        if self.0.is_null() {
            let bytes = Bytes::from_static(b"the gateway does not do this here");
            return Poll::Ready(Done { code: abi::FAILED, bytes, number: 0, response: ptr::null_mut() });
        }
        // SAFETY: the operation is ours, the waker is lent, and there is room for the result.
        let code = unsafe { (gateway().poll)(self.0, &raw const waker, &raw mut result) };
        if code == abi::PENDING {
            return Poll::Pending;
        }
        // SAFETY: the bytes are there until the operation is released.
        let bytes = Bytes::copy_from_slice(unsafe { result.bytes.get() }.unwrap_or_default());
        Poll::Ready(Done { code, bytes, number: result.number, response: result.response })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it is ours, and this ends it.
            unsafe { (gateway().release)(self.0) };
        }
    }
}

/// A request of the plugin's, in the gateway's hands.
fn outgoing(request: Request) -> *mut abi::Message {
    let (head, body) = request.into_parts();
    // SAFETY: there is nothing that it asks for.
    let message = unsafe { (gateway().new_request)() };
    for (part, text) in [(abi::METHOD, head.method.as_str()), (abi::URI, &head.uri.to_string())] {
        // SAFETY: the message is ours, and what is lent is there until it returns.
        unsafe { (gateway().set_line)(message, part, Lent::of(text.as_bytes())) };
    }
    headers::give(message, &head.headers);
    body::put(message, body);
    message
}

/// A response that the gateway has fetched.
fn answered(message: *mut abi::Message) -> Response {
    // SAFETY: the message is ours.
    let status = unsafe { (gateway().status)(message) };
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(status.unwrap_or(StatusCode::BAD_GATEWAY));
    Headers::of(message, response.headers_mut(), &mut Memory::default());
    let (_, body) = body::take(message);
    *response.body_mut() = body;
    // SAFETY: it is ours, and this ends it.
    unsafe { (gateway().release_message)(message) };
    response
}
