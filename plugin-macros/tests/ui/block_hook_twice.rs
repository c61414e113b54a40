//! Two methods for one hook.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook("pre")]
    fn count(&self, _req: &Request) {}

    #[hook("pre")]
    fn stamp(&self, _req: &mut Request) {}
}

fn main() {}
