//! One hook twice in a list.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = ["pre", "post", "pre"])]
fn greet(_req: &mut Request) {}

fn main() {}
