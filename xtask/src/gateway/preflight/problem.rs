//! What stops a build, and its words.

use std::path::PathBuf;

use semver::Version;
use thiserror::Error;

/// Why this gateway should not be built.
#[derive(Debug, Error)]
pub enum Problem {
    /// Two copies of a package that must be one.
    #[error("a gateway holds one {package}, and this has {}:{}{}", copies.len(), listed(package, copies), one_copy(package, copies))]
    Copies {
        /// Of what.
        package: String,
        /// The gateway's first.
        copies: Vec<Copied>,
    },
    /// A package wants a newer compiler.
    #[error("{package} {version} needs Rust {needed}, and {installed} is installed{}{}", ways(*core, users), newer(package, users))]
    RustTooOld {
        /// Its name.
        package: String,
        /// Its version.
        version: Version,
        /// What it asks for.
        needed: Version,
        /// What there is.
        installed: Version,
        /// Whether the gateway needs it without plugins.
        core: bool,
        /// The plugins that bring it.
        users: Vec<User>,
    },
    /// A licence that the manifest does not let in.
    #[error("{package} {version} has the licence `{licence}`, which {rule}{}\n  = do without it, or {permit}", ways(*core, users))]
    Licence {
        /// Its name.
        package: String,
        /// Its version.
        version: Version,
        /// As its author wrote it; `none` where there is none.
        licence: String,
        /// What forbids it: `licenses.deny names`.
        rule: &'static str,
        /// What would let it in.
        permit: String,
        /// Whether the gateway needs it without plugins.
        core: bool,
        /// The plugins that bring it.
        users: Vec<User>,
    },
    /// A name in the manifest that is no licence.
    #[error("licenses.{list}: `{entry}` is not in the SPDX list of licences{}", meant.as_ref().map_or_else(
        || "\n  = see https://spdx.org/licenses".to_owned(),
        |meant| format!("\n  = did you mean `{meant}`?")
    ))]
    UnknownLicence {
        /// `allow` or `deny`.
        list: &'static str,
        /// As written.
        entry: String,
        /// What was perhaps meant.
        meant: Option<String>,
    },
}

/// One of several copies.
#[derive(Debug, Clone)]
pub struct Copied {
    /// Which version.
    pub version: Version,
    /// From where.
    pub place: String,
    /// The way from the gateway, if it uses this one.
    pub core: Option<String>,
    /// The plugins that use this one.
    pub users: Vec<User>,
}

/// A plugin, and its way to a package.
#[derive(Debug, Clone)]
pub struct User {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: Version,
    /// Its folder, where the user can change it.
    pub dir: Option<PathBuf>,
    /// `plugin 0.1.0 → a 1.0.0`
    pub way: String,
}

fn listed(package: &str, copies: &[Copied]) -> String {
    let mut text = String::new();
    for copy in copies {
        text.push_str(&format!("\n  {package} {} ({})", copy.version, copy.place));
        if let Some(way) = &copy.core {
            text.push_str(&format!("\n    the gateway: {way}"));
        }
        for user in &copy.users {
            text.push_str(&format!("\n    plugin `{}` {}: {}", user.plugin, user.version, user.way));
        }
    }
    text
}

/// What to write so that there is one.
fn one_copy(package: &str, copies: &[Copied]) -> String {
    let Some((ours, others)) = copies.split_first() else {
        return String::new();
    };
    let line = if ours.place.starts_with('/') {
        format!("{package} = {{ path = \"{}\" }}", ours.place)
    } else {
        format!("{package} = \"{}\"", ours.version)
    };
    let mut text = String::new();
    for user in others.iter().flat_map(|copy| &copy.users) {
        let direct = user.way.matches('→').count() == 1;
        let by = user.way.rsplit(" → ").nth(1).unwrap_or(&user.plugin);
        text.push_str(&match (&user.dir, direct) {
            (Some(dir), true) => format!("\n  = in {}/Cargo.toml write: {line}", dir.display()),
            (None, true) => {
                format!("\n  = take a release of `{}` that is made for {package} {}", user.plugin, ours.version)
            }
            (_, false) => {
                format!("\n  = let `{}` use a release of {by} that takes {package} {}", user.plugin, ours.version)
            }
        });
    }
    text
}

/// Who brings it, one line each.
fn ways(core: bool, users: &[User]) -> String {
    if core {
        return "\n  the gateway itself needs it".to_owned();
    }
    let line = |user: &User| format!("\n  plugin `{}` {} brings it: {}", user.plugin, user.version, user.way);
    users.iter().map(line).collect()
}

fn newer(package: &str, users: &[User]) -> String {
    let itself = users.iter().any(|user| user.plugin == package);
    let older = if itself { format!("an older release of plugin `{package}`") } else { format!("an older {package}") };
    format!("\n  = run `rustup update`, or take {older}")
}
