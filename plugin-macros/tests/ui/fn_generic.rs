//! A generic function.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "post")]
fn greet<T: Default>(_req: &mut Request) {
    drop(T::default());
}

fn main() {}
