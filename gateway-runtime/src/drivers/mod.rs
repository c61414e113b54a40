//! DRIVERS: how a `custom_middleware` entry becomes something to call.

#[cfg(feature = "dynamic")]
pub(crate) mod dynamic;
mod linked;
mod stamps;

use std::fmt;
use std::path::Path;

use gateway_model::Hook;
use gateway_sdk::registry::{HookEntry, Plugin};

pub(crate) use self::stamps::Stamps;
use crate::config::FileSettings;

/// What an entry names: a plugin, and its function for the hook.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolved {
    pub(crate) plugin: &'static Plugin,
    pub(crate) entry: &'static HookEntry,
}

/// What a definition says of one plugin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) driver: &'a str,
    pub(crate) name: &'a str,
    /// Of the file that Tyk would load.
    pub(crate) path: &'a str,
    pub(crate) hook: Hook,
}

/// An entry that nothing in this binary can serve. Displays as sentences: what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) name: String,
    pub(crate) hook: Hook,
    pub(crate) reason: Reason,
    /// What to do about it.
    pub(crate) remedy: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No plugin has the name; the nearest that do, as `name (crate version)`, and where was looked.
    UnknownName { nearest: Vec<String>, place: String },
    /// Linked under that name, but for other hooks.
    OtherHooks { package: &'static str, serves: Vec<Hook> },
    /// Several crates have the name and the path chooses none.
    Ambiguous { packages: Vec<&'static str> },
    /// The file at its path is not loaded, and this sentence says why and what to do.
    #[cfg_attr(not(feature = "dynamic"), expect(dead_code, reason = "no file is loaded"))]
    File { sentence: String },
    /// The section's driver is not one of [`DRIVERS`].
    UnknownDriver { driver: String },
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, hook, reason, remedy } = self;
        match reason {
            Reason::UnknownName { nearest, place } if nearest.is_empty() => {
                write!(f, "no plugin `{name}` for hook `{hook}` in {place}")?;
            }
            Reason::UnknownName { nearest, place } => {
                write!(f, "no plugin `{name}` for hook `{hook}` in {place}; nearest: {}", nearest.join(", "))?;
            }
            Reason::File { sentence } => return write!(f, "plugin `{name}` for hook `{hook}`: {sentence}"),
            Reason::OtherHooks { package, serves } => {
                let serves: Vec<_> = serves.iter().map(|hook| format!("`{hook}`")).collect();
                write!(f, "plugin `{name}` of crate `{package}` serves {}, not `{hook}`", serves.join(", "))?;
            }
            Reason::Ambiguous { packages } => {
                write!(f, "plugin `{name}` is in several crates: {}", packages.join(", "))?;
            }
            Reason::UnknownDriver { driver } => {
                write!(f, "plugin `{name}` of hook `{hook}` has driver `{driver}`, which this gateway does not have")?;
            }
        }
        write!(f, "; {remedy}")
    }
}

/// Says what holds for plugins, before any is looked for.
pub(crate) fn set_up(settings: &FileSettings) {
    #[cfg(feature = "dynamic")]
    dynamic::set_up(settings);
    #[cfg(not(feature = "dynamic"))]
    let _ = settings;
}

/// The file that a plugin was loaded from, and its SHA-256; `None`: it is linked.
pub(crate) fn file_of(plugin: &'static Plugin) -> Option<(&'static Path, &'static str)> {
    #[cfg(feature = "dynamic")]
    return dynamic::origin(plugin).map(|file| (&*file.path, &*file.sha256));
    #[cfg(not(feature = "dynamic"))]
    return plugin.loaded.and(None);
}

/// A way to find what an entry names.
struct Driver {
    name: &'static str,
    resolve: fn(&Wanted<'_>) -> Result<Resolved, Unresolved>,
}

const DRIVERS: &[Driver] = &[
    // What existing definitions say: the Go plugin of that name is a linked one here.
    Driver { name: "goplugin", resolve: linked_or_loaded },
    Driver { name: "native", resolve: linked_or_loaded },
];

/// What is linked comes first; then the file at the entry's path.
fn linked_or_loaded(wanted: &Wanted<'_>) -> Result<Resolved, Unresolved> {
    let missing = match linked::resolve(wanted) {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    #[cfg(feature = "dynamic")]
    if let Some(found) = dynamic::resolve(wanted).or_else(|| dynamic::resolve_in_folder(wanted)) {
        return found;
    }
    Err(missing.without_file(wanted.path))
}

impl Unresolved {
    /// Says what would have become of a file at `path`.
    fn without_file(mut self, path: &str) -> Self {
        if !matches!(self.reason, Reason::UnknownName { .. }) || path.is_empty() {
            return self;
        }
        let is_there = Path::new(path).is_file();
        if cfg!(feature = "dynamic") {
            self.remedy
                .push_str(&format!(", or put its file at `{path}`, where there is none (`cargo xtask build-so`)"));
        } else if is_there {
            self.remedy.push_str(&format!(
                "; `{path}` is not loaded, since this gateway has its plugins linked in: one that loads files is built by \
                 `cargo xtask build --dynamic`"
            ));
        }
        self
    }
}

/// Finds what an entry names, or says why nothing does.
pub(crate) fn resolve(wanted: &Wanted<'_>) -> Result<Resolved, Unresolved> {
    match DRIVERS.iter().find(|driver| driver.name == wanted.driver) {
        Some(driver) => (driver.resolve)(wanted),
        // A response hook's file tells its driver. Source: Tyk, `gateway/server.go`.
        None if wanted.hook == Hook::Response && wanted.path.ends_with(".so") => linked_or_loaded(wanted),
        None => {
            let known: Vec<_> = DRIVERS.iter().map(|driver| format!("`{}`", driver.name)).collect();
            Err(Unresolved {
                name: wanted.name.to_owned(),
                hook: wanted.hook,
                reason: Reason::UnknownDriver { driver: wanted.driver.to_owned() },
                remedy: format!("set `custom_middleware.driver` to one of {}", known.join(", ")),
            })
        }
    }
}
