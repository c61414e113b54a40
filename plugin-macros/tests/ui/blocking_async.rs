//! A function that waits, and is to have a thread for it.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post", blocking)]
async fn greet(_req: &mut Request) {}

fn main() {}
