//! A hook that would be alone.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook("pre")]
    fn count(&mut self, _req: &Request) {}
}

fn main() {}
