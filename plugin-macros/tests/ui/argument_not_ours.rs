//! A type that has the name of ours.

use gateway_sdk::gw_plugin;

struct Request;

#[gw_plugin(hook = "post")]
fn greet(_req: &Request) {}

fn main() {}
