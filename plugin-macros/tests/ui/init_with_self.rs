//! `init` is called before there is a plugin.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn init(&self) -> Self {
        Self
    }

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
