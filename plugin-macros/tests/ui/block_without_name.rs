//! Nothing says what definitions call it.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin]
impl HitCounter {
    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
