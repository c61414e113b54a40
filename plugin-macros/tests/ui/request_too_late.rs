//! The request cannot be changed once it has been sent.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "response")]
fn greet(_req: &mut Request) {}

fn main() {}
