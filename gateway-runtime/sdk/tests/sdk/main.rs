//! What a plugin can be and what comes of it, seen from a crate that depends on gateway-sdk as plugins do.
//!
//! The lints below are what a strict plugin crate may ask for: expansions pass them.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

mod arguments;
mod blocks;
mod body;
mod config;
mod context;
mod forms;
mod message;
mod records;
mod registry;
mod returns;

use gateway_sdk::{Request, http};

/// `GET /get`, without a body.
fn get() -> Request {
    let request = http::Request::get("/get").body(());
    request.expect("it is a request").into()
}
