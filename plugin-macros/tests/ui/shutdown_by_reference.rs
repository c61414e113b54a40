//! `shutdown` leaves the plugin alive.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn shutdown(&self) {}

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
