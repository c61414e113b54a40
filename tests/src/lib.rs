//! The harness: a gateway, an upstream and a client, with nothing between them but sockets.
//!
//! ```text
//! binary.rs       the gateways under test, each built once
//! gateway.rs      one of them as a running process, with a folder of its own
//! vitals.rs       what the system and its own counters know of it
//! manager.rs      what a service manager gives it: sockets, and a place to tell its state
//! log.rs          what it wrote to stderr, to be waited for and asserted
//! redis.rs        a real Redis that is stopped and started when told
//! definition.rs   API definitions
//! upstream.rs     a server that echoes, and that holds, streams and breaks off when told
//! scripted.rs     a server that says literal bytes, however wrong
//! client.rs       a client that keeps its connection
//! feed.rs         bodies that are fed while they are sent
//! wire.rs         messages exactly as they are on the wire
//! golden.rs       folders of requests and expected responses
//! foreign.rs      plugins in C
//! root.rs         a folder as the whole disk of a gateway
//! ```
//!
//! Invariants: nobody sleeps to wait for somebody; every wait ends after [`DEADLINE`], and its message has the gateway's
//! log. Each test has a gateway of its own, on a port that the system chose.

use std::time::Duration;

pub mod binary;
pub mod client;
pub mod definition;
pub mod feed;
pub mod foreign;
pub mod gateway;
pub mod golden;
pub mod log;
pub mod manager;
pub mod redis;
pub mod root;
pub mod scripted;
pub mod upstream;
pub mod vitals;
pub mod wire;

pub use client::{Answer, Ask, Client, ask, get, post, read};
pub use definition::{Definition, api};
pub use gateway::{Conf, Gateway};
pub use upstream::Upstream;

/// How long anything may take. Far more than it does: whoever waits this long waits in vain.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What a future gives, within [`DEADLINE`].
///
/// # Panics
/// When it takes longer; `what` says what was waited for.
pub async fn within_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}
