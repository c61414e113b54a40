//! A hook that does not exist.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook("pots")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
