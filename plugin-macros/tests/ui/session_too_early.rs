//! There is no session before authentication.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "pre")]
fn greet(_session: &Session) {}

fn main() {}
