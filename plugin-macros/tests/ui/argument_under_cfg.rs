//! An argument that is there in some builds only.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet(#[cfg(unix)] _req: &Request) {}

fn main() {}
