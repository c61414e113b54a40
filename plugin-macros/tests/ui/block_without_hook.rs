//! No method of a block is a hook.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn count(&self, _req: &Request) {}
}

fn main() {}
