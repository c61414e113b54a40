//! `init` makes something else.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn init() -> Option<Self> {
        Some(Self)
    }

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
