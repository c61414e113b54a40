//! Two times.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", timeout = "50ms", timeout = "1s")]
fn greet(_req: &mut Request) {}

fn main() {}
