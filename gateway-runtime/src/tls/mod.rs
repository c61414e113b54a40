//! TLS: toward upstreams.

pub(crate) mod client;
