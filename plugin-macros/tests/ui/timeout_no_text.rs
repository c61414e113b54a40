//! A time that is a number.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", timeout = 50)]
fn greet(_req: &mut Request) {}

fn main() {}
