//! Plugins that a gateway loads while it runs: the C interface between the two, both sides of it.
//!
//! ```text
//! gateway (feature `host`)                                a file (feature `plugin`)
//! host/examine   what must hold before a file is loaded    plugin/mod.rs       the entry, and the table of plugins
//! host/library   loading it; its plugins as ours           plugin/call.rs      a call: an exchange is made, and what
//! host/call      one call: what a plugin is given of it                        changed in it is told the gateway
//! host/message   requests, responses, headers              plugin/headers.rs   headers, there and back
//! host/body      bodies, both ways                         plugin/body.rs      bodies, both ways
//! host/operation what a plugin waits for                   plugin/host.rs      what a plugin asks of the gateway
//!                               abi.rs, waker.rs: what both sides agree on
//! ```
//!
//! The interface is `gateway-runtime/sdk/include/gw_plugin.h`, which says what each function means; [`abi`] is the same in
//! Rust. It is C's, so that files of other compilers, versions and languages can be loaded, or refused in words. A Rust plugin
//! crate knows nothing of it: `cargo xtask build-so` puts [`export!`](crate::export) around it.
//!
//! # Invariants
//! - No panic crosses: each function that the other side calls catches its own.
//! - Each side frees what it made. What is lent is valid for the call.
//! - A file is never unloaded: what it gave stays valid.

#![deny(missing_docs)]

pub mod abi;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "plugin")]
pub mod plugin;

#[cfg(any(feature = "host", feature = "plugin"))]
mod record;
#[cfg(any(feature = "host", feature = "plugin"))]
mod waker;
