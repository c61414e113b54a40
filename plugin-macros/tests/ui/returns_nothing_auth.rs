//! An `auth_check` that decides nothing.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "auth_check")]
fn greet(_req: &Request) {}

fn main() {}
