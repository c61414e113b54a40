//! A request that goes on, and is still held.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", blocking, timeout = "1s", on_timeout = "continue")]
fn greet(_req: &mut Request) {}

fn main() {}
