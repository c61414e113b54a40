//! An error that is not an answer to the client.

use gateway_sdk::prelude::*;

struct Closed;

#[gw_plugin(hook = "auth_check")]
fn greet(_req: &Request) -> Result<Session, Closed> {
    Err(Closed)
}

fn main() {}
