//! A word that stands alone, with a value.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", blocking = true)]
fn greet(_req: &mut Request) {}

fn main() {}
