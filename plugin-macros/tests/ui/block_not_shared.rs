//! The plugin holds what threads cannot share.

use gateway_sdk::prelude::*;

use std::cell::Cell;

#[derive(Default)]
struct HitCounter {
    _hits: Cell<u64>,
}

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
