//! An unsafe function.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
unsafe fn greet(_req: &mut Request) {}

fn main() {}
