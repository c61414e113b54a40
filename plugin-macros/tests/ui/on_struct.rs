//! The attribute stands on the type instead of on its functions.

use gateway_sdk::prelude::*;

#[gw_plugin(name = "HitCounter")]
#[derive(Default)]
struct HitCounter;

fn main() {}
