//! Which plugins an API runs, and at which point of a request.

use std::fmt;
use std::slice;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Every driver that a definition may name. Source: Tyk, `apidef/api_definitions.go`; `native` is our own.
pub const KNOWN_DRIVERS: [&str; 7] = ["goplugin", "native", "otto", "javascript", "python", "lua", "grpc"];

/// The drivers that this gateway runs: both mean a plugin linked into the binary.
pub const HONOURED_DRIVERS: [&str; 2] = ["goplugin", "native"];

/// A point of a request at which plugins run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before authentication.
    Pre,
    /// The authentication itself.
    AuthCheck,
    /// After authentication; never on a keyless API.
    PostKeyAuth,
    /// The last thing before the upstream is called.
    Post,
    /// On the upstream's response.
    Response,
    /// On one path and method, named by `extended_paths.go_plugin`.
    Endpoint,
    /// On the analytics record of a request that is over, named by `analytics_plugin`.
    Analytics,
}

impl Hook {
    /// Every hook, in the order in which a request meets them.
    pub const ALL: [Self; 7] =
        [Self::Pre, Self::AuthCheck, Self::PostKeyAuth, Self::Post, Self::Response, Self::Endpoint, Self::Analytics];

    /// The name by which definitions and plugins know the hook.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::AuthCheck => "auth_check",
            Self::PostKeyAuth => "post_key_auth",
            Self::Post => "post",
            Self::Response => "response",
            Self::Endpoint => "endpoint",
            Self::Analytics => "analytics",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown hook `{name}`; hooks are `pre`, `auth_check`, `post_key_auth`, `post`, `response`, `endpoint`, `analytics`"
)]
pub struct UnknownHook {
    /// The word.
    pub name: String,
}

impl FromStr for Hook {
    type Err = UnknownHook;

    fn from_str(name: &str) -> Result<Self, UnknownHook> {
        let found = Self::ALL.into_iter().find(|hook| hook.as_str() == name);
        found.ok_or_else(|| UnknownHook { name: name.to_owned() })
    }
}

/// The plugins of an API, by hook. Source: Tyk, `MiddlewareSection` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct MiddlewareSection {
    /// Run before authentication, in this order.
    pub pre: Vec<MiddlewareDefinition>,
    /// Decides who the client is; there is at most one.
    pub auth_check: MiddlewareDefinition,
    /// Run after authentication, in this order; never on a keyless API.
    pub post_key_auth: Vec<MiddlewareDefinition>,
    /// Run last before the upstream is called, in this order.
    pub post: Vec<MiddlewareDefinition>,
    /// Run on the upstream's response, in this order.
    pub response: Vec<MiddlewareDefinition>,
    /// What runs all of them: `goplugin`, or our own name for it, `native`.
    pub driver: String,
}

impl MiddlewareSection {
    /// The entries of one hook, disabled ones included; none for [`Hook::Endpoint`], whose entries are in versions, and for
    /// [`Hook::Analytics`], which has a field of its own.
    pub fn entries(&self, hook: Hook) -> &[MiddlewareDefinition] {
        match hook {
            Hook::Pre => &self.pre,
            Hook::AuthCheck => slice::from_ref(&self.auth_check),
            Hook::PostKeyAuth => &self.post_key_auth,
            Hook::Post => &self.post,
            Hook::Response => &self.response,
            Hook::Endpoint | Hook::Analytics => &[],
        }
    }
}

/// One plugin of one hook. Source: Tyk, `MiddlewareDefinition` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct MiddlewareDefinition {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The plugin's name; an entry without one is left out.
    pub name: String,
    /// Where Tyk finds the plugin's file; the stem chooses between linked plugins of one name.
    pub path: String,
    /// Hands the session to a script; a plugin of ours always has it.
    pub require_session: bool,
    /// Leaves the text form of the body out, for coprocess drivers.
    pub raw_body_only: bool,
    /// Base64 source of a script, for the driver `javascript`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
}

impl MiddlewareDefinition {
    /// Whether the entry names a plugin to run. Source: Tyk, `gateway/server.go` (a nameless entry is skipped).
    pub fn is_enabled(&self) -> bool {
        !self.disabled && !self.name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_is_read_back_from_its_name() {
        for hook in Hook::ALL {
            assert_eq!(hook.to_string().parse(), Ok(hook));
            assert_eq!(serde_json::to_value(hook).unwrap(), hook.as_str());
            assert_eq!(serde_json::from_value::<Hook>(hook.as_str().into()).unwrap(), hook);
        }
    }

    #[test]
    fn an_unknown_hook_lists_those_known() {
        let error = "pots".parse::<Hook>().unwrap_err().to_string();
        assert!(error.starts_with("unknown hook `pots`; hooks are "));
        assert!(Hook::ALL.into_iter().all(|hook| error.contains(&format!("`{hook}`"))), "{error}");
    }

    /// Source: plugin-system.md §10.2, internal/middleware/middleware_test.go:9.
    #[test]
    fn an_entry_is_enabled_by_a_name_and_by_nothing_that_disables_it() {
        let named = MiddlewareDefinition { name: "A".into(), ..MiddlewareDefinition::default() };
        assert!(named.is_enabled());
        assert!(!MiddlewareDefinition { disabled: true, ..named }.is_enabled());
        assert!(!MiddlewareDefinition { path: "a.so".into(), ..MiddlewareDefinition::default() }.is_enabled());
    }
}
