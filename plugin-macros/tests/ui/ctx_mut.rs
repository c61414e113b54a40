//! The context is not borrowed to be changed.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_ctx: &mut Ctx) {}

fn main() {}
