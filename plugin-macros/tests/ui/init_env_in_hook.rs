//! What `init` alone may take.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_env: &InitEnv) {}

fn main() {}
