//! `init` is called before there is a request.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn init(_req: &Request) -> Self {
        Self
    }

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
