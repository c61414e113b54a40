//! A configuration of nothing.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_config: &Config) {}

fn main() {}
