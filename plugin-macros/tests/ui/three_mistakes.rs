//! All mistakes of one function are reported at once.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "pots", nmae = "Greet")]
fn greet(_req: Request) {}

fn main() {}
