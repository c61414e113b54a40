//! The state is not borrowed to be changed.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_hits: &mut State<u64>) {}

fn main() {}
