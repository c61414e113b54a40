//! No time at all.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", timeout = "0ms")]
fn greet(_req: &mut Request) {}

fn main() {}
