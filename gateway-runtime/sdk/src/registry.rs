//! What is linked: every `#[gw_plugin]` of every crate in this binary. The only file that knows linkme and inventory.
//!
//! linkme gathers the plugins into a slice; no code runs before `main`. inventory carries what is known of the crates
//! they come from. A registry is a set: the linker decides the order, so [`plugins`] sorts, and the order of a chain
//! comes from the API definition alone.

use std::any::Any;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use gateway_model::{ApiDefinition, Hook};

use crate::config::ConfigError;
use crate::exchange::Call;
use crate::init::Prepared;
use crate::schema::ConfigType;

/// A plugin, as `#[gw_plugin]` registers it.
pub struct Plugin {
    /// The name that definitions use.
    pub name: &'static str,
    /// The crate it comes from.
    pub package: Package,
    /// The module it was written in.
    pub module: &'static str,
    /// The doc comment of the function or `impl` block.
    pub doc: &'static str,
    /// The hooks it serves, each with its function.
    pub hooks: &'static [HookEntry],
    /// What it takes as its configuration.
    pub config: &'static [ConfigType],
    /// This registration as it stands in the binary's section `.gw_plugins`, readable without running it.
    pub record: &'static [u8],
    /// What the runtime keeps of the file that it was loaded from; `None`: it is linked.
    #[doc(hidden)]
    pub loaded: Option<&'static (dyn Any + Send + Sync)>,
    #[doc(hidden)]
    pub prepare: fn(&'static Plugin, &ApiDefinition) -> Result<Prepared, ConfigError>,
}

/// The name and version of a plugin's crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// The package's name, as in its `Cargo.toml`.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
}

/// What else a plugin's crate says of itself.
#[derive(Debug)]
pub struct Crate {
    /// Its name and version.
    pub package: Package,
    /// `description` of its `Cargo.toml`; may be empty.
    pub description: &'static str,
    /// `repository` of its `Cargo.toml`; may be empty.
    pub repository: &'static str,
    /// `license` of its `Cargo.toml`; may be empty.
    pub license: &'static str,
}

/// One hook that a plugin serves.
#[derive(Debug, Clone, Copy)]
pub struct HookEntry {
    /// The hook.
    pub hook: Hook,
    /// The function's own name.
    pub function: &'static str,
    /// The function.
    pub call: Call,
    /// What it takes of a request: in the response hook the gateway keeps a copy of the head only for who takes it.
    pub takes: Takes,
    /// How long a call may take, and what its failures lead to.
    pub guard: Guard,
}

/// What a function takes as its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takes {
    /// The request.
    pub request: Access,
    /// The upstream's response.
    pub response: Access,
    /// Who is calling.
    pub session: Access,
    /// What is kept of the request.
    pub record: Access,
    /// Its context.
    pub ctx: Access,
}

/// How an argument is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Access {
    /// It is not.
    #[default]
    Nothing,
    /// By `&`.
    Reads,
    /// By `&mut`.
    Changes,
}

/// What a plugin's author says of its time and its failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// How long a call may take; `None`: as long as the gateway allows.
    pub timeout: Option<Duration>,
    /// It holds its thread for long, and is called on one of a pool.
    pub blocking: bool,
    /// What a panic leads to.
    pub on_panic: Lapse,
    /// What being late leads to.
    pub on_timeout: Lapse,
}

/// What becomes of a request whose plugin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lapse {
    /// The gateway answers it with an error.
    #[default]
    Fail,
    /// It goes on as if the plugin had not been there.
    Continue,
}

impl Plugin {
    /// The function for `hook`, if this plugin serves it.
    #[must_use]
    pub fn hook(&self, hook: Hook) -> Option<&'static HookEntry> {
        self.hooks.iter().find(|entry| entry.hook == hook)
    }

    /// What the plugin's crate says of itself.
    #[must_use]
    pub fn about(&self) -> Option<&'static Crate> {
        inventory::iter::<Crate>.into_iter().find(|about| about.package == self.package)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("package", &self.package)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// The slice that the linker fills. Use [`plugins`], which is sorted.
#[doc(hidden)]
#[linkme::distributed_slice]
pub static PLUGINS: [Plugin];

inventory::collect!(Crate);

/// Every plugin in this binary, by crate and name.
#[must_use]
pub fn plugins() -> &'static [&'static Plugin] {
    static SORTED: LazyLock<Vec<&'static Plugin>> = LazyLock::new(|| {
        let mut plugins: Vec<_> = PLUGINS.iter().collect();
        plugins.sort_by_key(|plugin| (plugin.package, plugin.name));
        plugins
    });
    &SORTED
}
