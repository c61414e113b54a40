//! An argument that a plugin cannot have.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_name: &str) {}

fn main() {}
