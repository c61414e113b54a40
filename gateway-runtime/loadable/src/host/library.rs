//! Loading a file: its plugins become ours. It is never unloaded.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway_model::Hook;
use gateway_sdk::registry::{Access, Guard, HookEntry, Lapse, Package, Plugin, Takes};
use libloading::os::unix::{Library as Opened, RTLD_LOCAL, RTLD_NOW};

use super::call::Call;
use super::life::{self, Offer};
use super::table::HOST;
use crate::abi;

/// More plugins, or hooks of one, are a mistake.
const MOST: usize = 1024;

/// Why a file that looked right was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The loader says so.
    Open(String),
    /// The file's own entry says so.
    Refused(String),
    /// What the entry gives is not what the interface says.
    Invalid(String),
    /// What the entry gives is not what the file says of itself.
    Differs {
        /// Of the section `.gw_plugins`, such as `Name (pre, post)`.
        described: Vec<String>,
        /// Of the entry.
        offered: Vec<String>,
    },
}

/// A file that was loaded.
#[derive(Debug)]
pub struct Library {
    /// Its plugins, as ours.
    pub plugins: Vec<&'static Plugin>,
}

/// Loads a file whose content is `content`; `described` are the plugins that it says it has, with their hooks.
///
/// # Errors
/// When it cannot be loaded, or is not what it says. What was loaded of it stays.
pub fn load(content: BorrowedFd<'_>, described: &[(String, Vec<String>)]) -> Result<Library, Failure> {
    let path = path_of(content);
    // SAFETY: the code of a plugin runs from here on: that is what it is for. Whose it is was checked as far as it can be.
    let opened = unsafe { Opened::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
    let opened = opened.map_err(|error| Failure::Open(loader_says(&error, &path)))?;
    // SAFETY: the name is that of the interface's version, and so is the type.
    let entry = unsafe { opened.get::<abi::Entry>(abi::ENTRY.as_bytes()) }.map(|entry| *entry);
    let entry = entry.map_err(|error| Failure::Open(loader_says(&error, &path)));
    // What it gives is used until the process ends.
    std::mem::forget(opened);
    let mut call = Call::of_file();
    // SAFETY: the table lives as long as the process, and the call until the entry returns.
    let library = unsafe { entry?(&raw const HOST, call.handle()) };
    if library.is_null() {
        return Err(Failure::Refused(call.failure().text));
    }
    // SAFETY: what the entry gives lives as long as the process.
    let plugins = unsafe { plugins_of(library) }.map_err(Failure::Invalid)?;
    let offered: Vec<_> = plugins.iter().map(|plugin| (plugin.name.to_owned(), hooks_of(plugin))).collect();
    let as_set = |plugins: &[(String, Vec<String>)]| -> BTreeSet<String> { plugins.iter().map(shown).collect() };
    if as_set(&offered) != as_set(described) {
        let (described, offered) = (as_set(described), as_set(&offered));
        return Err(Failure::Differs {
            described: described.into_iter().collect(),
            offered: offered.into_iter().collect(),
        });
    }
    Ok(Library { plugins })
}

fn hooks_of(plugin: &Plugin) -> Vec<String> {
    plugin.hooks.iter().map(|entry| entry.hook.as_str().to_owned()).collect()
}

fn shown((name, hooks): &(String, Vec<String>)) -> String {
    let mut hooks = hooks.clone();
    hooks.sort();
    format!("{name} ({})", hooks.join(", "))
}

/// What the loader says, without the path, which nobody knows.
fn loader_says(error: &libloading::Error, path: &str) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text.replace(path, "the file")
}

/// A path to the content that was never used before: the loader takes two of one path for the same, whatever is there, and a
/// descriptor's number is used again. The number of the load is written in the ways to say the same folder.
fn path_of(content: BorrowedFd<'_>) -> String {
    static LOADS: AtomicU32 = AtomicU32::new(0);
    let number = LOADS.fetch_add(1, Ordering::Relaxed);
    let bits = u32::BITS - number.leading_zeros();
    let way: String = (0..bits).map(|bit| if number >> bit & 1 == 1 { "/." } else { "/" }).collect();
    format!("/proc/self{way}/fd/{}", content.as_fd().as_raw_fd())
}

/// A structure that begins with its size, as far as both sides know of it: the rest is zero.
///
/// # Safety
/// All of `T` may be zero, and `place` is null or such a structure.
unsafe fn sized<T: Copy>(place: *const T) -> Option<T> {
    if place.is_null() {
        return None;
    }
    // SAFETY: it begins with its size.
    let size = unsafe { *place.cast::<usize>() };
    let mut known = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both have at least so many bytes, and are two.
    unsafe {
        std::ptr::copy_nonoverlapping(place.cast::<u8>(), known.as_mut_ptr().cast::<u8>(), size.min(size_of::<T>()));
    }
    // SAFETY: the caller vouches that all of it may be zero.
    Some(unsafe { known.assume_init() })
}

/// What a file has a list of.
///
/// # Safety
/// `list` has `length` pointers, and lives as long as the process.
unsafe fn list<T>(list: *const *const T, length: usize, what: &str) -> Result<&'static [*const T], String> {
    match length {
        0 => Ok(&[]),
        _ if list.is_null() || length > MOST => Err(format!("a list of {length} {what} is not one")),
        // SAFETY: the caller vouches for it.
        _ => Ok(unsafe { std::slice::from_raw_parts(list, length) }),
    }
}

/// A text of the file's.
///
/// # Safety
/// It lives as long as the process.
unsafe fn text(bytes: abi::Bytes, what: &str) -> Result<&'static str, String> {
    // SAFETY: the caller vouches for it.
    let text = unsafe { bytes.get() }.unwrap_or_default();
    std::str::from_utf8(text).map_err(|_| format!("the {what} of a plugin is not UTF-8"))
}

/// The plugins of a library, as ours.
///
/// # Safety
/// It is one, and lives as long as the process.
unsafe fn plugins_of(library: *const abi::Library) -> Result<Vec<&'static Plugin>, String> {
    // SAFETY: the caller vouches for it, and all of it may be zero.
    let library = unsafe { sized(library) }.ok_or("there is no library")?;
    // SAFETY: as above.
    let places = unsafe { list(library.plugins, library.plugins_len, "plugins") }?;
    // SAFETY: as above.
    places.iter().map(|place| unsafe { plugin_of(*place) }).collect()
}

/// # Safety
/// As of [`plugins_of`].
unsafe fn plugin_of(place: *const abi::Plugin) -> Result<&'static Plugin, String> {
    // SAFETY: the caller vouches for it, and all of it may be zero.
    let plugin = unsafe { sized(place) }.ok_or("a plugin is missing")?;
    // SAFETY: as above.
    let name = unsafe { text(plugin.name, "name") }?;
    if name.is_empty() {
        return Err("a plugin has no name".to_owned());
    }
    // SAFETY: as above.
    let (package, version, doc) =
        unsafe { (text(plugin.package, "package")?, text(plugin.version, "version")?, text(plugin.doc, "text")?) };
    // SAFETY: as above.
    let places = unsafe { list(plugin.hooks, plugin.hooks_len, "hooks") }?;
    let mut hooks = [None; abi::HOOKS.len()];
    let mut entries = Vec::new();
    for place in places {
        // SAFETY: as above.
        let hook = unsafe { sized(*place) }.ok_or_else(|| format!("a hook of `{name}` is missing"))?;
        let number = usize::try_from(hook.hook).ok().filter(|number| *number < hooks.len());
        let number = number.ok_or_else(|| format!("`{name}` has a hook {}, which is none", hook.hook))?;
        let call = life::function(number, &hook)
            .ok_or_else(|| format!("`{name}` has no function in the hook {}", abi::HOOKS[number]))?;
        if hooks[number].replace(hook).is_some() {
            return Err(format!("`{name}` has the hook {} twice", abi::HOOKS[number]));
        }
        // SAFETY: as above.
        let function = unsafe { text(hook.function, "function") }?;
        entries.push(entry_of(&hook, abi::HOOKS[number], function, call));
    }
    let offer: &'static Offer = Box::leak(Box::new(Offer { plugin, place, hooks }));
    Ok(Box::leak(Box::new(Plugin {
        name,
        package: Package { name: package, version },
        module: "",
        doc,
        hooks: Vec::leak(entries),
        config: &[],
        record: &[],
        loaded: Some(offer),
        prepare: life::prepare,
    })))
}

fn entry_of(hook: &abi::Hook, of: Hook, function: &'static str, call: gateway_sdk::exchange::Call) -> HookEntry {
    let has = |flag| hook.flags & flag != 0;
    let lapse = |flag| if has(flag) { Lapse::Continue } else { Lapse::Fail };
    let request = if has(abi::TAKES_REQUEST) { Access::Reads } else { Access::Nothing };
    HookEntry {
        hook: of,
        function,
        call,
        takes: Takes { request, ..Takes::default() },
        guard: Guard {
            timeout: (hook.timeout > 0).then(|| Duration::from_micros(hook.timeout)),
            blocking: has(abi::BLOCKING),
            on_panic: lapse(abi::ON_PANIC_CONTINUE),
            on_timeout: lapse(abi::ON_TIMEOUT_CONTINUE),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_load_has_a_path_of_its_own() {
        let file = std::fs::File::open("/dev/null").expect("it is there");
        let paths: Vec<_> = (0..300).map(|_| path_of(file.as_fd())).collect();
        assert_eq!(paths.iter().collect::<HashSet<_>>().len(), paths.len());
        assert!(paths.iter().all(|path| std::fs::metadata(path).is_ok()), "{paths:?}");
    }
}
