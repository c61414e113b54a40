//! A call in a hook, sync and async.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gateway_sdk::exchange::{Call, Outcome};
use gateway_sdk::flow::Answer;
use gateway_sdk::{Reject, Response};

use super::exchange::{Taken, set_status};
use super::life::Held;
use super::task::CallPointer;
use super::{body, fail, gateway, guarded, headers, panicked, task};
use crate::abi::{self, Bytes as Lent, Code};

type Sync = unsafe extern "C" fn(instance: *mut c_void, call: *mut abi::Call) -> Code;
type Async = unsafe extern "C" fn(instance: *mut c_void, call: *mut abi::Call) -> abi::Future;

/// What the gateway calls for a function of the hook with this number.
pub(super) fn functions(hook: usize, function: &Call) -> (Option<Sync>, Option<Async>) {
    const SYNC: [Sync; abi::HOOKS.len()] =
        [call::<0>, call::<1>, call::<2>, call::<3>, call::<4>, call::<5>, call::<6>];
    const ASYNC: [Async; abi::HOOKS.len()] =
        [begin::<0>, begin::<1>, begin::<2>, begin::<3>, begin::<4>, begin::<5>, begin::<6>];
    match function {
        Call::Sync(_) => (Some(SYNC[hook]), None),
        Call::Async(_) => (None, Some(ASYNC[hook])),
    }
}

unsafe extern "C" fn call<const HOOK: usize>(instance: *mut c_void, call: *mut abi::Call) -> Code {
    guarded(call, || {
        // SAFETY: the gateway calls what it has started, and waits for the call before it stops it.
        let held = unsafe { Held::of(instance) };
        let Some(entry) = &held.hooks[HOOK] else { return unserved(call) };
        let Call::Sync(function) = entry.call else { return unserved(call) };
        let Some(mut taken) = Taken::new(call, held, entry) else { return abi::FAILED };
        let called = catch_unwind(AssertUnwindSafe(|| function(held.instance(), taken.exchange())));
        drop(taken);
        match called {
            Ok(outcome) => tell(call, outcome),
            Err(panic) => panicked(call, &*panic),
        }
    })
}

unsafe extern "C" fn begin<const HOOK: usize>(instance: *mut c_void, call: *mut abi::Call) -> abi::Future {
    // SAFETY: as in `call`.
    let held = unsafe { Held::of(instance) };
    task::begin(call, async move |call: CallPointer| {
        let Some(entry) = &held.hooks[HOOK] else { return unserved(call.get()) };
        let Call::Async(function) = entry.call else { return unserved(call.get()) };
        let Some(mut taken) = Taken::new(call.get(), held, entry) else { return abi::FAILED };
        // Where it panics, or is dropped before its end, what it has changed is given back too.
        let outcome = function(held.instance(), taken.exchange()).await;
        drop(taken);
        tell(call.get(), outcome)
    })
}

#[cold]
fn unserved(call: *mut abi::Call) -> Code {
    fail(call, None, "the plugin does not serve this hook")
}

/// Tells the gateway what a call came to.
fn tell(call: *mut abi::Call, outcome: Outcome) -> Code {
    match outcome {
        Outcome::Continue => abi::CONTINUE,
        Outcome::Discard => abi::DISCARD,
        Outcome::MissingSession => abi::MISSING_SESSION,
        Outcome::Respond(response) => {
            answer(call, *response);
            abi::RESPOND
        }
        Outcome::Reject(refusal) => {
            refuse(call, refusal);
            abi::REJECT
        }
    }
}

fn refuse(call: *mut abi::Call, refusal: Reject) {
    let reason = refusal.reason().map(str::to_owned);
    let message = match refusal.into_answer() {
        Answer::Own(response) => {
            answer(call, response);
            None
        }
        Answer::Gateway { head, message } => {
            answer(call, head);
            Some(message)
        }
    };
    let lend = |text: &Option<String>| Lent::maybe(text.as_deref().map(str::as_bytes));
    // SAFETY: the call is under way, and what is lent is there until it returns.
    unsafe { (gateway().reject)(call, lend(&message), lend(&reason)) };
}

fn answer(call: *mut abi::Call, response: Response) {
    // SAFETY: the call is under way.
    let message = unsafe { (gateway().message)(call, abi::ANSWER) };
    let (head, body) = response.into_parts();
    set_status(message, head.status);
    headers::give(message, &head.headers);
    body::put(message, body);
}
