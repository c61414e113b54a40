//! Nothing says where the function runs.

use gateway_sdk::prelude::*;

#[gw_plugin(name = "Greet")]
fn greet(_req: &mut Request) {}

fn main() {}
