//! The attribute stands on a method, not on the block.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

impl HitCounter {
    #[gw_plugin(hook = "pre", name = "HitCounter")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
