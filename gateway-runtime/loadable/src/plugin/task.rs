//! Futures of ours, polled by the gateway.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use gateway_sdk::exchange::BoxFuture;

use super::panicked;
use crate::abi::{self, Code};
use crate::waker::Borrowed;

/// The call that is under way. It stays where it is, and is the gateway's; the gateway may poll from another thread.
#[derive(Clone, Copy)]
pub(super) struct CallPointer(*mut abi::Call);

// SAFETY: one thread at a time has the call, but for what the gateway offers through its shared half (the log, the store, other
// servers, metrics, the request's id), which may be asked from any.
unsafe impl Send for CallPointer {}
// SAFETY: as above.
unsafe impl Sync for CallPointer {}

impl CallPointer {
    pub(super) fn new(call: *mut abi::Call) -> Self {
        Self(call)
    }

    pub(super) fn get(self) -> *mut abi::Call {
        self.0
    }
}

struct Task {
    call: CallPointer,
    /// `None` once it is over.
    future: Option<BoxFuture<'static, Code>>,
}

static FUNCTIONS: abi::FutureFunctions = abi::FutureFunctions { poll, release };

/// What the gateway is to poll.
pub(super) fn begin<F>(call: *mut abi::Call, work: impl FnOnce(CallPointer) -> F) -> abi::Future
where
    F: Future<Output = Code> + Send + 'static,
{
    let call = CallPointer::new(call);
    match catch_unwind(AssertUnwindSafe(|| Box::pin(work(call)))) {
        Ok(future) => {
            let task = Box::new(Task { call, future: Some(future) });
            abi::Future { data: Box::into_raw(task).cast(), functions: &raw const FUNCTIONS }
        }
        Err(panic) => {
            let code = panicked(call.get(), &*panic);
            let task = Box::new(Task { call, future: Some(Box::pin(std::future::ready(code))) });
            abi::Future { data: Box::into_raw(task).cast(), functions: &raw const FUNCTIONS }
        }
    }
}

unsafe extern "C" fn poll(data: *mut c_void, waker: *const abi::Waker) -> Code {
    // SAFETY: it was made by `begin`, and is released after its last poll.
    let task = unsafe { &mut *data.cast::<Task>() };
    let Some(future) = &mut task.future else { return abi::PENDING };
    // SAFETY: the gateway lends it for this poll.
    let waker = unsafe { Borrowed::new(waker) };
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
    let code = match polled {
        Ok(Poll::Pending) => return abi::PENDING,
        Ok(Poll::Ready(code)) => code,
        Err(panic) => panicked(task.call.get(), &*panic),
    };
    task.end();
    code
}

unsafe extern "C" fn release(data: *mut c_void) {
    // SAFETY: it was made by `begin`, and this ends it.
    unsafe { Box::from_raw(data.cast::<Task>()) }.end();
}

impl Task {
    /// Drops the future, which is the plugin's code too.
    fn end(&mut self) {
        if let Some(future) = self.future.take() {
            let _ = catch_unwind(AssertUnwindSafe(move || drop(future)));
        }
    }
}
