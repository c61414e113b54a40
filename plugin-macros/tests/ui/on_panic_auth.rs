//! An authentication that lets everybody in when it fails.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = ["pre", "auth_check"], on_panic = "continue")]
fn check(_req: &Request) -> Result<Flow, Reject> {
    Ok(Flow::Continue)
}

fn main() {}
