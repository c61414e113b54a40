//! What a plugin waits for: other servers, the store, time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::host::{FetchError, Host, StoreError};
use gateway_sdk::{Request, Response};

use super::call::Call;
use super::message::Message;
use super::process;
use crate::abi::{self, Bytes as Lent, Code};
use crate::waker::Borrowed;

/// What an operation came to.
struct Finished {
    code: Code,
    bytes: Bytes,
    number: i64,
    response: Option<Box<Response>>,
}

impl Finished {
    fn new(code: Code) -> Self {
        Self { code, bytes: Bytes::new(), number: 0, response: None }
    }

    fn failed(code: Code, reason: impl Into<Bytes>) -> Self {
        Self { bytes: reason.into(), ..Self::new(code) }
    }
}

impl From<StoreError> for Finished {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotANumber => Self::new(abi::NOT_A_NUMBER),
            StoreError::Full => Self::new(abi::FULL),
            StoreError::Failed(source) => Self::failed(abi::FAILED, source.to_string()),
            other => Self::failed(abi::FAILED, other.to_string()),
        }
    }
}

/// What a handle of an operation points to.
struct Operation {
    /// `None` once it is over.
    future: Option<BoxFuture<'static, Finished>>,
    /// What was lent with its result.
    bytes: Bytes,
}

fn begin(future: impl Future<Output = Finished> + Send + 'static) -> *mut abi::Operation {
    let operation = Operation { future: Some(Box::pin(future)), bytes: Bytes::new() };
    Box::into_raw(Box::new(operation)).cast()
}

/// The gateway, as the plugin of a call sees it, and that plugin's own name of a key.
///
/// # Safety
/// The call is under way, and what is lent is there until this returns.
unsafe fn keyed(call: *mut abi::Call, key: Lent) -> Option<(Arc<dyn Host>, String)> {
    // SAFETY: the caller vouches for it.
    let (call, key) = unsafe { (Call::of(call)?, key.text()?) };
    Some((call.host()?, format!("{}/{key}", call.plugin()?.package.name)))
}

pub(super) unsafe extern "C" fn fetch(
    call: *mut abi::Call,
    request: *mut abi::Message,
    timeout: u64,
) -> *mut abi::Operation {
    if request.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: it is the plugin's own, and this ends it.
    let message = unsafe { Box::from_raw(request.cast::<Message>()) };
    // SAFETY: the call is under way.
    let host = unsafe { Call::of(call) }.and_then(Call::host);
    let (Some(host), Message::OwnRequest(request)) = (host, *message) else { return ptr::null_mut() };
    begin(fetched(host, *request, Duration::from_micros(timeout)))
}

async fn fetched(host: Arc<dyn Host>, request: Request, timeout: Duration) -> Finished {
    match host.fetch(request, timeout).await {
        Ok(response) => Finished { response: Some(Box::new(response)), ..Finished::new(abi::OK) },
        Err(FetchError::Timeout(_)) => Finished::new(abi::TIMED_OUT),
        Err(FetchError::Uri(reason)) => Finished::failed(abi::INVALID, reason),
        Err(FetchError::Failed(source)) => Finished::failed(abi::FAILED, told(&*source)),
        Err(other) => Finished::failed(abi::FAILED, other.to_string()),
    }
}

/// An error and its causes: they do not cross.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(super) unsafe extern "C" fn sleep(call: *mut abi::Call, time: u64) -> *mut abi::Operation {
    // SAFETY: the call is under way.
    let Some(host) = unsafe { Call::of(call) }.and_then(Call::host) else { return ptr::null_mut() };
    begin(async move {
        let _ = (&host, time);
        Finished::new(abi::OK)
    })
}

pub(super) unsafe extern "C" fn store_get(call: *mut abi::Call, key: Lent) -> *mut abi::Operation {
    // SAFETY: the call is under way, and what is lent is there until this returns.
    let Some((host, key)) = (unsafe { keyed(call, key) }) else { return ptr::null_mut() };
    begin(async move {
        match host.store().get(&key).await {
            Ok(Some(bytes)) => Finished { bytes, ..Finished::new(abi::OK) },
            Ok(None) => Finished::new(abi::NOTHING),
            Err(error) => error.into(),
        }
    })
}

pub(super) unsafe extern "C" fn store_set(
    call: *mut abi::Call,
    key: Lent,
    value: Lent,
    ttl: i64,
) -> *mut abi::Operation {
    // SAFETY: the call is under way, and what is lent is there until this returns.
    let Some((host, key)) = (unsafe { keyed(call, key) }) else { return ptr::null_mut() };
    // SAFETY: as above.
    let value = Bytes::copy_from_slice(unsafe { value.get() }.unwrap_or_default());
    begin(async move {
        match host.store().set(&key, value, until(ttl)).await {
            Ok(()) => Finished::new(abi::OK),
            Err(error) => error.into(),
        }
    })
}

pub(super) unsafe extern "C" fn store_increment(
    call: *mut abi::Call,
    key: Lent,
    by: i64,
    ttl: i64,
) -> *mut abi::Operation {
    // SAFETY: the call is under way, and what is lent is there until this returns.
    let Some((host, key)) = (unsafe { keyed(call, key) }) else { return ptr::null_mut() };
    begin(async move {
        match host.store().increment(&key, by, until(ttl)).await {
            Ok(number) => Finished { number, ..Finished::new(abi::OK) },
            Err(error) => error.into(),
        }
    })
}

pub(super) unsafe extern "C" fn store_delete(call: *mut abi::Call, key: Lent) -> *mut abi::Operation {
    // SAFETY: the call is under way, and what is lent is there until this returns.
    let Some((host, key)) = (unsafe { keyed(call, key) }) else { return ptr::null_mut() };
    begin(async move {
        match host.store().delete(&key).await {
            Ok(()) => Finished::new(abi::OK),
            Err(error) => error.into(),
        }
    })
}

fn until(ttl: i64) -> Option<Duration> {
    u64::try_from(ttl).ok().map(Duration::from_micros)
}

pub(super) unsafe extern "C" fn poll(
    operation: *mut abi::Operation,
    waker: *const abi::Waker,
    result: *mut abi::Result,
) -> Code {
    // SAFETY: the plugin gives a handle of ours.
    let operation = unsafe { operation.cast::<Operation>().as_mut() };
    // SAFETY: the plugin has room for a result.
    let (Some(operation), Some(result)) = (operation, unsafe { result.as_mut() }) else { return abi::INVALID };
    let Some(future) = &mut operation.future else { return abi::INVALID };
    // SAFETY: the plugin lends it for this poll.
    let waker = unsafe { Borrowed::new(waker) };
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
    let finished = match polled {
        Ok(Poll::Pending) => return abi::PENDING,
        Ok(Poll::Ready(finished)) => finished,
        Err(_) => Finished::failed(abi::FAILED, "the gateway failed to do it"),
    };
    operation.finish(finished, result)
}

impl Operation {
    fn finish(&mut self, finished: Finished, result: &mut abi::Result) -> Code {
        self.future = None;
        self.bytes = finished.bytes;
        result.bytes = Lent::of(&self.bytes);
        result.number = finished.number;
        result.response = finished.response.map_or(ptr::null_mut(), |response| Message::OwnResponse(response).own());
        finished.code
    }
}

pub(super) unsafe extern "C" fn wait(operation: *mut abi::Operation, result: *mut abi::Result) -> Code {
    // SAFETY: the plugin gives a handle of ours.
    let operation = unsafe { operation.cast::<Operation>().as_mut() };
    // SAFETY: the plugin has room for a result.
    let (Some(operation), Some(result)) = (operation, unsafe { result.as_mut() }) else { return abi::INVALID };
    let (Some(future), Some(process)) = (operation.future.take(), process()) else { return abi::INVALID };
    let waited = catch_unwind(AssertUnwindSafe(|| {
        let mut finished = None;
        let mut waiting = Box::pin(async { finished = Some(future.await) });
        (process.wait)(waiting.as_mut());
        drop(waiting);
        finished
    }));
    let finished = waited
        .ok()
        .flatten()
        .unwrap_or_else(|| Finished::failed(abi::FAILED, "only a hook that says GW_BLOCKING may wait on its thread"));
    operation.finish(finished, result)
}

pub(super) unsafe extern "C" fn release(operation: *mut abi::Operation) {
    if !operation.is_null() {
        // SAFETY: it is the plugin's, and this ends it.
        let operation = unsafe { Box::from_raw(operation.cast::<Operation>()) };
        let _ = catch_unwind(AssertUnwindSafe(move || drop(operation)));
    }
}
