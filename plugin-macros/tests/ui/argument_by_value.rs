//! An argument that is not borrowed.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_req: Request) {}

fn main() {}
