//! There is no response before the upstream is called.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = ["pre", "post"])]
fn greet(_res: &mut Response) {}

fn main() {}
