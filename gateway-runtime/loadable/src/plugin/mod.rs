//! The file's side: what `cargo xtask build-so` puts around a plugin crate.

mod body;
mod call;
mod exchange;
mod frame;
mod headers;
mod host;
mod life;
mod task;

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::ptr;
use std::sync::OnceLock;

use gateway_sdk::registry::{HookEntry, Lapse, Plugin, plugins};

use crate::abi::{self, Bytes, Code};

/// Makes a crate a file that a gateway loads: its description, and its entry. The crate is a `cdylib` that names the plugin
/// crate and calls this; the environment tells what it is built by.
#[macro_export]
macro_rules! export {
    () => {
        #[used]
        #[unsafe(link_section = ".gw_plugin")]
        static GW_PLUGIN: [u8; $crate::plugin::length(GW_PLUGIN_PARTS)] = $crate::plugin::joined(GW_PLUGIN_PARTS);

        const GW_PLUGIN_PARTS: &[&str] = &[
            "{\"abi\":\"",
            $crate::plugin::ABI,
            "\",\"language\":\"rust\",\"sdk\":\"",
            $crate::plugin::SDK,
            "\",\"rustc\":\"",
            env!("GW_PLUGIN_RUSTC"),
            "\",\"target\":\"",
            env!("GW_PLUGIN_TARGET"),
            "\",\"profile\":\"",
            env!("GW_PLUGIN_PROFILE"),
            "\",\"panic\":\"",
            if cfg!(panic = "unwind") { "unwind" } else { "abort" },
            "\"}\n",
        ];

        /// What the gateway calls first.
        ///
        /// # Safety
        /// As in `gw_plugin.h`.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn gw_plugin_entry_v1(
            host: *const $crate::abi::Host,
            call: *mut $crate::abi::Call,
        ) -> *const $crate::abi::Library {
            // SAFETY: the gateway gives what the entry is to be given.
            unsafe { $crate::plugin::entry(host, call) }
        }
    };
}

/// What the description says of this interface.
pub const ABI: &str = "1.0";
/// The version of the SDK: both are of one workspace.
pub const SDK: &str = env!("CARGO_PKG_VERSION");

/// The length of all parts.
#[must_use]
pub const fn length(parts: &[&str]) -> usize {
    let (mut sum, mut at) = (0, 0);
    while at < parts.len() {
        sum += parts[at].len();
        at += 1;
    }
    sum
}

/// All parts, one after the other.
#[must_use]
pub const fn joined<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut all = [0; N];
    let (mut part, mut to) = (0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            all[to] = bytes[at];
            at += 1;
            to += 1;
        }
        part += 1;
    }
    all
}

static HOST: OnceLock<&'static abi::Host> = OnceLock::new();

/// The gateway.
fn gateway() -> &'static abi::Host {
    HOST.get().expect("the entry was called before anything else")
}

/// What the gateway calls first: see [`export!`](crate::export).
///
/// # Safety
/// `host` lives as long as the process, and `call` for as long as this.
pub unsafe fn entry(host: *const abi::Host, call: *mut abi::Call) -> *const abi::Library {
    // SAFETY: every gateway begins its table with these three, whatever else it has.
    let (size, major, minor) = unsafe { ((*host).size, (*host).abi_major, (*host).abi_minor) };
    let is_older = minor.checked_sub(abi::MINOR).is_none();
    if major != abi::MAJOR || is_older || size < size_of::<abi::Host>() {
        // It is checked before a file is loaded: who comes here has not done so, and has no `fail` that we know of.
        return ptr::null();
    }
    // SAFETY: it is as large as what we know of it, and lives as long as we do.
    let host = HOST.get_or_init(|| unsafe { &*host });
    let offered = catch_unwind(|| {
        std::panic::set_hook(Box::new(tell_panic));
        ptr::from_ref(offer())
    });
    offered.unwrap_or_else(|panic| {
        // SAFETY: the call is the gateway's, and still there.
        unsafe { (host.fail)(call, Bytes::ABSENT, Bytes::of(panic_text(&*panic).as_bytes())) };
        ptr::null()
    })
}

/// One plugin, as the gateway sees it and as we do.
#[repr(C)]
struct Offered {
    offer: abi::Plugin,
    plugin: &'static Plugin,
}

/// All plugins of this file. They are made once, and stay.
fn offer() -> &'static abi::Library {
    let offers: Vec<*const abi::Plugin> = plugins()
        .iter()
        .map(|plugin| {
            let hooks: Vec<*const abi::Hook> =
                plugin.hooks.iter().map(|entry| ptr::from_ref(Box::leak(Box::new(hook(entry))))).collect();
            let hooks = Vec::leak(hooks);
            let offer = abi::Plugin {
                size: size_of::<abi::Plugin>(),
                name: Bytes::of(plugin.name.as_bytes()),
                package: Bytes::of(plugin.package.name.as_bytes()),
                version: Bytes::of(plugin.package.version.as_bytes()),
                doc: Bytes::of(plugin.doc.as_bytes()),
                hooks_len: hooks.len(),
                hooks: hooks.as_ptr(),
                create: Some(life::create),
                start: Some(life::start),
                stop: Some(life::stop),
                destroy: Some(life::destroy),
            };
            // What is first in a `repr(C)` is where all of it is.
            ptr::from_ref(Box::leak(Box::new(Offered { offer, plugin }))).cast()
        })
        .collect();
    let offers = Vec::leak(offers);
    Box::leak(Box::new(abi::Library {
        size: size_of::<abi::Library>(),
        abi_major: abi::MAJOR,
        abi_minor: abi::MINOR,
        plugins_len: offers.len(),
        plugins: offers.as_ptr(),
    }))
}

fn hook(entry: &HookEntry) -> abi::Hook {
    let number = abi::HOOKS.iter().position(|hook| *hook == entry.hook).expect("all hooks have a number");
    let (call, begin) = call::functions(number, &entry.call);
    let mut flags = 0;
    for (set, flag) in [
        (entry.guard.blocking, abi::BLOCKING),
        (entry.guard.on_panic == Lapse::Continue, abi::ON_PANIC_CONTINUE),
        (entry.guard.on_timeout == Lapse::Continue, abi::ON_TIMEOUT_CONTINUE),
        (entry.takes.request > gateway_sdk::registry::Access::Nothing, abi::TAKES_REQUEST),
    ] {
        if set {
            flags |= flag;
        }
    }
    let timeout = entry.guard.timeout.map_or(0, host::micros);
    let function = Bytes::of(entry.function.as_bytes());
    let number = i32::try_from(number).expect("there are few hooks");
    let size = size_of::<abi::Hook>();
    abi::Hook { size, hook: number, flags, timeout, function, body_limit: 0, call, begin }
}

/// Runs what the gateway has called. A panic ends here.
fn guarded(call: *mut abi::Call, act: impl FnOnce() -> Code) -> Code {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| panicked(call, &*panic))
}

/// Tells the gateway of a panic.
#[cold]
fn panicked(call: *mut abi::Call, panic: &(dyn Any + Send)) -> Code {
    fail(call, None, panic_text(panic));
    abi::PANICKED
}

/// Tells the gateway why something failed.
#[cold]
fn fail(call: *mut abi::Call, place: Option<&str>, text: &str) -> Code {
    let place = Bytes::maybe(place.map(str::as_bytes));
    // SAFETY: the call is the one that is under way, and what is lent is there until it returns.
    unsafe { (gateway().fail)(call, place, Bytes::of(text.as_bytes())) };
    abi::FAILED
}

/// A panic is told where the gateway tells of its own.
fn tell_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let text = panic_text(info.payload());
    // SAFETY: what is lent is there until it returns.
    unsafe { (gateway().panicked)(Bytes::of(location.as_bytes()), Bytes::of(text.as_bytes())) };
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_says_the_version_of_the_interface() {
        assert_eq!(ABI, format!("{}.{}", abi::MAJOR, abi::MINOR));
        let parts = &["a", "", "bc"];
        assert_eq!((length(parts), joined::<3>(parts)), (3, *b"abc"));
    }
}
