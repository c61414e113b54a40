//! A document that an API may not have.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_oas: &OasDefinition) {}

fn main() {}
