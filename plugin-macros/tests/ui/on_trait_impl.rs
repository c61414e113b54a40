//! The attribute stands on the block of a trait.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl Clone for HitCounter {
    fn clone(&self) -> Self {
        Self
    }
}

fn main() {}
