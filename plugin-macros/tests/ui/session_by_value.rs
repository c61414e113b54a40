//! A session that is not borrowed.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(_session: Option<Session>) {}

fn main() {}
