//! A name that a definition could not hold.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", name = "Greet everybody")]
fn greet(_req: &mut Request) {}

fn main() {}
