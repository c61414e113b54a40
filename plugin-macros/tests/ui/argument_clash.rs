//! The request twice, once to be changed.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_req: &mut Request, _also: &Request) {}

fn main() {}
