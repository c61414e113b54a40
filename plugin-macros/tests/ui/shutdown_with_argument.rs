//! `shutdown` is called when there is no request any more.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn shutdown(self, _req: &Request) {}

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
