//! Plugins that panic outside of a hook: when they are dropped, and when they read their configuration.

use gateway_sdk::prelude::*;
use serde::{Deserialize, Deserializer};

/// Panics when the API that used it is gone.
#[derive(Default)]
struct Bomb;

impl Drop for Bomb {
    #[expect(clippy::panic, reason = "this is what it is for")]
    fn drop(&mut self) {
        panic!("a plugin's state was dropped");
    }
}

#[gw_plugin(hook = "post", name = "PanicsOnDrop")]
fn panics_on_drop(_state: &State<Bomb>) {}

/// A configuration whose reading panics.
struct Trap;

impl<'de> Deserialize<'de> for Trap {
    #[expect(clippy::panic, reason = "this is what it is for")]
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a plugin read its configuration");
    }
}

#[gw_plugin(hook = "post", name = "PanicsOnConfig")]
fn panics_on_config(_config: &Config<Trap>) {}
