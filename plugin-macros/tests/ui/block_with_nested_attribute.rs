//! A method is marked with the attribute of the block.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[gw_plugin(hook = "pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
