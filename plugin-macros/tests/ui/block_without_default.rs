//! Nobody can make the plugin.

use gateway_sdk::prelude::*;

struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
