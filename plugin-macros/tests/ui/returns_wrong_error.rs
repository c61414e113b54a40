//! An error that is not an answer to the client.

use gateway_sdk::prelude::*;

struct Closed;

#[gw_plugin(hook = "post")]
fn greet(_req: &Request) -> Result<(), Closed> {
    Err(Closed)
}

fn main() {}
