//! A request hook returns what says nothing.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_req: &Request) -> Vec<String> {
    Vec::new()
}

fn main() {}
