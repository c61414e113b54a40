//! The life of a plugin in one API.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gateway_model::{ApiDefinition, OasDefinition};
use gateway_sdk::exchange::Instance;
use gateway_sdk::init::Prepared;
use gateway_sdk::registry::{HookEntry, Plugin};

use super::host::{Asking, text};
use super::task::{self, CallPointer};
use super::{Offered, fail, guarded};
use crate::abi::{self, Code};

/// What the gateway holds of a plugin, by a pointer.
pub(super) struct Held {
    pub(super) plugin: &'static Plugin,
    pub(super) api: Arc<ApiDefinition>,
    /// By the number of the hook.
    pub(super) hooks: [Option<HookEntry>; abi::HOOKS.len()],
    prepared: Mutex<Option<Prepared>>,
    instance: OnceLock<Instance>,
}

impl Held {
    /// What the gateway holds, from its pointer.
    ///
    /// # Safety
    /// It was given by [`create`], and is destroyed after all that comes of this is over.
    pub(super) unsafe fn of(instance: *mut c_void) -> &'static Self {
        // SAFETY: the caller vouches for it.
        unsafe { &*instance.cast::<Self>() }
    }

    pub(super) fn instance(&self) -> &Instance {
        self.instance.get().expect("a plugin is called after it was started")
    }
}

pub(super) unsafe extern "C" fn create(
    offer: *const abi::Plugin,
    call: *mut abi::Call,
    instance: *mut *mut c_void,
) -> Code {
    guarded(call, || {
        // SAFETY: the offer is the first field of what we have leaked.
        let plugin = unsafe { &*offer.cast::<Offered>() }.plugin;
        let api = match definition(call) {
            Ok(api) => api,
            Err(error) => return fail(call, None, &format!("the definition cannot be read: {error}")),
        };
        let prepared = match plugin.prepare(&api) {
            Ok(prepared) => prepared,
            Err(error) => return fail(call, Some(&error.path), &error.reason),
        };
        let hooks = abi::HOOKS.map(|hook| plugin.hook(hook).copied());
        let held =
            Held { plugin, api: Arc::new(api), hooks, prepared: Mutex::new(Some(prepared)), instance: OnceLock::new() };
        // SAFETY: the gateway has a place for it.
        unsafe { instance.write(Box::into_raw(Box::new(held)).cast()) };
        abi::OK
    })
}

fn definition(call: *mut abi::Call) -> serde_json::Result<ApiDefinition> {
    let mut api: ApiDefinition = serde_json::from_str(text(call, abi::TEXT_DEFINITION).unwrap_or("{}"))?;
    let document = text(call, abi::TEXT_DOCUMENT).map(serde_json::from_str).transpose()?;
    api.oas = document.map(|document| Arc::new(OasDefinition::new(document)));
    Ok(api)
}

pub(super) unsafe extern "C" fn start(instance: *mut c_void, call: *mut abi::Call) -> abi::Future {
    // SAFETY: the gateway starts what it has created.
    let held = unsafe { Held::of(instance) };
    task::begin(call, async move |call: CallPointer| {
        let prepared = held.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(prepared) = prepared else {
            return fail(call.get(), None, "the plugin was started before");
        };
        match held.plugin.start(prepared, Arc::clone(&held.api), Arc::new(Asking::new(call.get(), held.plugin))).await {
            Ok(instance) => {
                let _ = held.instance.set(instance);
                abi::OK
            }
            Err(error) => fail(call.get(), None, &error.to_string()),
        }
    })
}

pub(super) unsafe extern "C" fn stop(instance: *mut c_void, call: *mut abi::Call) -> abi::Future {
    // SAFETY: nobody else uses what is stopped.
    let held = unsafe { &mut *instance.cast::<Held>() };
    let instance = held.instance.take();
    task::begin(call, async move |_| {
        if let Some(instance) = instance {
            instance.shutdown().await;
        }
        abi::OK
    })
}

pub(super) unsafe extern "C" fn destroy(instance: *mut c_void) {
    // SAFETY: it was made by `create`, and this ends it.
    let held = unsafe { Box::from_raw(instance.cast::<Held>()) };
    // Whatever a plugin does as it is dropped has nobody to be told to.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(held)));
}
