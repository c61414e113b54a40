//! A key that does not exist.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", nmae = "Greet")]
fn greet(_req: &mut Request) {}

fn main() {}
