//! Two plugins of one name in one module.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "pre", name = "Greet")]
fn hello(_req: &mut Request) {}

#[gw_plugin(hook = "post", name = "Greet")]
fn good_day(_req: &mut Request) {}

fn main() {}
