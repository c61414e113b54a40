//! The hook alone, without `hook =`.

use gateway_sdk::prelude::*;

#[gw_plugin("post")]
fn greet(_req: &mut Request) {}

fn main() {}
