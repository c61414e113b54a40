//! The plugins of this gateway.
//!
//! A crate that is named in Cargo.toml and nowhere else is dropped by the linker without a word. So each plugin has a
//! line here, and a row in `EXPECTED`: the gateway does not start when one of them has registered nothing.

{{plugin_uses}}

/// Package and version of each plugin.
pub const EXPECTED: &[(&str, &str)] = &[{{plugin_expected}}];
