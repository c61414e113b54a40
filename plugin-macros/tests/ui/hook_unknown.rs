//! A hook that does not exist.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "pots")]
fn greet(_req: &mut Request) {}

fn main() {}
