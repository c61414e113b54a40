//! A function of another language.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
extern "C" fn greet(_req: &mut Request) {}

fn main() {}
