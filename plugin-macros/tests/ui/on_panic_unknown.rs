//! What a panic cannot lead to.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", on_panic = "retry")]
fn greet(_req: &mut Request) {}

fn main() {}
