//! A configuration that cannot be read.

use gateway_sdk::prelude::*;

struct Limits {
    _per_minute: u32,
}

#[gw_plugin(hook = "post")]
fn greet(_limits: &Config<Limits>) {}

fn main() {}
