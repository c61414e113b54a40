//! Plugins whose cost `cargo xtask bench` measures: the call alone, and the call with the least work of some use.

#![forbid(unsafe_code)]

use gateway_sdk::prelude::*;

/// Does nothing.
#[gw_plugin(hook = "post", name = "BenchEmpty")]
fn empty(_req: &Request) {}

/// Sets `X-Bench: 1`, which the upstream of the bench looks for.
#[gw_plugin(hook = "post", name = "BenchHeader")]
fn header(req: &mut Request) {
    req.headers_mut().insert("x-bench", HeaderValue::from_static("1"));
}
