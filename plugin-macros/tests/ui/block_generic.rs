//! A generic block.

use gateway_sdk::prelude::*;

struct HitCounter<T>(T);

#[gw_plugin(name = "HitCounter")]
impl<T> HitCounter<T> {
    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
