//! An argument under another name.

use gateway_sdk::prelude::*;

use gateway_sdk::Request as GwRequest;

#[gw_plugin(hook = "post")]
fn greet(_req: &mut GwRequest) {}

fn main() {}
