//! What stands behind a key: its names, its session, what policies make of it, and what limits it.
//!
//! | to find | look in |
//! |---|---|
//! | how ids of keys are made, looked for and stored | `key.rs`, `hash.rs` |
//! | how passwords are hashed and compared, and which were right a moment ago | `password.rs`, `right.rs` |
//! | what policies make of a session | `apply.rs`, `merge.rs` |
//! | what limits a session on an API, and what its counters are called | `limits.rs`, `pattern.rs` |
//! | how long a session is stored | `lifetime.rs` |
//! | the counters of rates in this process | `bucket.rs` |
//! | how many gateways count together | `nodes.rs` |
//! | the sessions that were looked up a moment ago | `cache.rs` |
//!
//! Nothing here reads a store, a socket or a clock: the time is handed in. It is not in gateway-model, which holds what
//! is written and what is wrong in it, is linked into every plugin and built for size: these are rules, they run with
//! requests, and what they refuse becomes an answer here.

pub(crate) mod apply;
pub(crate) mod bucket;
pub(crate) mod cache;
pub(crate) mod hash;
pub(crate) mod key;
pub(crate) mod lifetime;
pub(crate) mod limits;
pub(crate) mod nodes;
pub(crate) mod password;
pub(crate) mod pattern;
pub(crate) mod right;

mod merge;
