//! An answer does not say who the caller is.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "auth_check")]
fn greet(_req: &Request) -> StatusCode {
    StatusCode::OK
}

fn main() {}
