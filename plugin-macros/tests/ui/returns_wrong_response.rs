//! A response hook returns what says nothing.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "response")]
fn greet(_res: &mut Response) -> bool {
    true
}

fn main() {}
