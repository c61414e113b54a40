//! A state that nobody can make.

use gateway_sdk::prelude::*;

struct Hits(u64);

#[gw_plugin(hook = "post")]
fn greet(_hits: &State<Hits>) {
    println!("{}", _hits.0);
}

fn main() {}
