//! A hook that ends the plugin.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook("pre")]
    fn count(self, _req: &Request) {}
}

fn main() {}
