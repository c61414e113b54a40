//! The hook is not a text.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = post)]
fn greet(_req: &mut Request) {}

fn main() {}
