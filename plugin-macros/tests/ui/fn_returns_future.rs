//! A future is returned instead of awaited.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet() -> impl Future<Output = ()> + Send {
    async {}
}

fn main() {}
