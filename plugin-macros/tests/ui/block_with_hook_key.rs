//! The hook stands on the block.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(hook = "pre", name = "HitCounter")]
impl HitCounter {
    fn count(&self, _req: &Request) {}
}

fn main() {}
