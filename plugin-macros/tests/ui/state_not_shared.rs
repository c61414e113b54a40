//! A state that threads cannot share.

use gateway_sdk::prelude::*;

use std::cell::Cell;

#[gw_plugin(hook = "post")]
fn greet(_hits: &State<Cell<u64>>) {}

fn main() {}
