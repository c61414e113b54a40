//! A configuration that borrows from nobody.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_config: &Config<&str>) {}

fn main() {}
