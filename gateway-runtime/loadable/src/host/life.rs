//! A plugin of a file as one of ours: its life in an API, and its calls in the hooks.

use std::any::Any;
use std::ffi::c_void;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_model::ApiDefinition;
use gateway_sdk::config::ConfigError;
use gateway_sdk::exchange::{BoxFuture, Call as SdkCall, Exchange, Instance, Outcome};
use gateway_sdk::init::{InitError, Prepared};
use gateway_sdk::registry::Plugin;

use super::call::Call;
use crate::abi::{self, Code};
use crate::waker::lend;

/// What is kept of a plugin with its registration.
pub(super) struct Offer {
    pub(super) plugin: abi::Plugin,
    /// Where the file has it.
    pub(super) place: *const abi::Plugin,
    /// By the number of the hook.
    pub(super) hooks: [Option<abi::Hook>; abi::HOOKS.len()],
}

// SAFETY: what the file offers is there for ever, and does not change.
unsafe impl Send for Offer {}
// SAFETY: as above.
unsafe impl Sync for Offer {}

impl Offer {
    fn of(plugin: &'static Plugin) -> &'static Self {
        plugin.loaded.and_then(<dyn Any + Send + Sync>::downcast_ref).expect("what is registered here has its offer")
    }
}

/// What the file has made for one API. It is destroyed with this.
struct Made {
    offer: &'static Offer,
    instance: *mut c_void,
}

// SAFETY: a plugin's instance may be used by many threads at once, as the interface says.
unsafe impl Send for Made {}
// SAFETY: as above.
unsafe impl Sync for Made {}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(destroy) = self.offer.plugin.destroy {
            // SAFETY: the file has made it, and this ends it.
            unsafe { destroy(self.instance) };
        }
    }
}

/// As the registration's `prepare`: the file reads the configuration.
pub(super) fn prepare(plugin: &'static Plugin, api: &ApiDefinition) -> Result<Prepared, ConfigError> {
    let offer = Offer::of(plugin);
    let mut instance = ptr::null_mut();
    if let Some(create) = offer.plugin.create {
        let mut call = Call::of_api(plugin, Arc::new(api.clone()), None);
        // SAFETY: the file offers it, the call is there until it returns, and there is a place for the instance.
        let code = unsafe { create(offer.place, call.handle(), &raw mut instance) };
        match code {
            abi::OK => {}
            abi::PANICKED => resume_unwind(call.panic()),
            _ => {
                let failure = call.failure();
                let path = failure.place.unwrap_or_else(|| "config_data".to_owned());
                return Err(ConfigError { path, reason: failure.text });
            }
        }
    }
    let made = Made { offer, instance };
    Ok(Prepared::new(move |env| async move {
        if let Some(start) = made.offer.plugin.start {
            let (api, host) = (Arc::clone(env.shared_api()), Arc::clone(env.host()));
            let mut call = Box::new(Call::of_api(plugin, api, Some(host)));
            // SAFETY: the file has made the instance, and the call is there until the future is released.
            let future = unsafe { start(made.instance, call.handle()) };
            let mut running = Running { future, call };
            match (&mut running).await {
                abi::OK => {}
                abi::PANICKED => resume_unwind(running.call.panic()),
                _ => return Err(InitError::new(running.call.failure().text)),
            }
        }
        let stop = made.offer.plugin.stop.is_some();
        Ok(Instance::new(Started { made, plugin }, stop.then_some(shutdown)))
    }))
}

/// A plugin that was started for an API.
struct Started {
    made: Made,
    plugin: &'static Plugin,
}

fn shutdown(data: Box<dyn Any + Send + Sync>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let Ok(started) = data.downcast::<Started>() else { return };
        let Some(stop) = started.made.offer.plugin.stop else { return };
        let mut call = Box::new(Call::of_api(started.plugin, Arc::default(), None));
        // SAFETY: nobody else uses the instance any more, and the call is there until the future is released.
        let future = unsafe { stop(started.made.instance, call.handle()) };
        let mut running = Running { future, call };
        if (&mut running).await == abi::PANICKED {
            let panic = running.call.panic();
            drop((running, started));
            resume_unwind(panic);
        }
    })
}

/// A future of the file's, and the call that it has.
struct Running {
    future: abi::Future,
    call: Box<Call>,
}

// SAFETY: a future may be polled and released on any thread, by one at a time.
unsafe impl Send for Running {}

impl Future for Running {
    type Output = Code;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Code> {
        if self.future.functions.is_null() {
            return Poll::Ready(abi::CONTINUE);
        }
        let waker = lend(cx.waker());
        // SAFETY: it is ours until we release it, and the waker is lent.
        match unsafe { ((*self.future.functions).poll)(self.future.data, &raw const waker) } {
            abi::PENDING => Poll::Pending,
            code => Poll::Ready(code),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.future.functions.is_null() {
            // SAFETY: it is ours, and this ends it; the call is still there.
            unsafe { ((*self.future.functions).release)(self.future.data) };
        }
    }
}

/// How a hook's function is called, by the hook's number.
pub(super) fn function(number: usize, hook: &abi::Hook) -> Option<SdkCall> {
    const SYNC: [fn(&Instance, &mut Exchange) -> Outcome; abi::HOOKS.len()] =
        [call::<0>, call::<1>, call::<2>, call::<3>, call::<4>, call::<5>, call::<6>];
    const ASYNC: [for<'a> fn(&'a Instance, &'a mut Exchange) -> BoxFuture<'a, Outcome>; abi::HOOKS.len()] =
        [begin::<0>, begin::<1>, begin::<2>, begin::<3>, begin::<4>, begin::<5>, begin::<6>];
    const READ: [for<'a> fn(&'a Instance, &'a mut Exchange) -> BoxFuture<'a, Outcome>; abi::HOOKS.len()] =
        [read::<0>, read::<1>, read::<2>, read::<3>, read::<4>, read::<5>, read::<6>];
    match (hook.call, hook.begin) {
        (Some(_), _) if hook.body_limit > 0 => Some(SdkCall::Async(READ[number])),
        (Some(_), _) => Some(SdkCall::Sync(SYNC[number])),
        (None, Some(_)) => Some(SdkCall::Async(ASYNC[number])),
        (None, None) => None,
    }
}

fn call<const HOOK: usize>(instance: &Instance, exchange: &mut Exchange) -> Outcome {
    let made = &instance.data::<Started>().made;
    let hook = made.offer.hooks[HOOK].as_ref().expect("a hook that is registered is served");
    let function = hook.call.expect("it was there when it was registered");
    let mut call = Call::in_hook(exchange);
    // SAFETY: the file has started the instance, and the call is there until it returns.
    let code = unsafe { function(made.instance, call.handle()) };
    call.conclude(code)
}

/// Reads the body, then calls.
fn read<'a, const HOOK: usize>(instance: &'a Instance, exchange: &'a mut Exchange) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        let hook = instance.data::<Started>().made.offer.hooks[HOOK].as_ref();
        let limit = hook.map_or(0, |hook| usize::try_from(hook.body_limit).unwrap_or(usize::MAX));
        let read = match &mut exchange.response {
            Some(response) => response.body_bytes(limit).await,
            None => exchange.request.body_bytes(limit).await,
        };
        match read {
            Ok(_) => call::<HOOK>(instance, exchange),
            Err(error) => Outcome::Reject(error.into()),
        }
    })
}

fn begin<'a, const HOOK: usize>(instance: &'a Instance, exchange: &'a mut Exchange) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        let made = &instance.data::<Started>().made;
        let hook = made.offer.hooks[HOOK].as_ref().expect("a hook that is registered is served");
        let function = hook.begin.expect("it was there when it was registered");
        let mut call = Box::new(Call::in_hook(exchange));
        // SAFETY: the file has started the instance, and the call is there until the future is released.
        let future = unsafe { function(made.instance, call.handle()) };
        let mut running = Running { future, call };
        let code = (&mut running).await;
        running.call.conclude(code)
    })
}
