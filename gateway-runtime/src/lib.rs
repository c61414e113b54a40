//! gw, the gateway you compile: the server.
//!
//! A binary is this library, the plugins that it links, and one line:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     gateway_runtime::main(&[])
//! }
//! ```
//!
//! # Map: the path of a request
//!
//! ```text
//! listener.rs → connection.rs → serve.rs → apis/table.rs → chain.rs ──► upstream/mod.rs ──► chain.rs → serve.rs
//!  accept        one client      parts      which API?      request       forward            response    head, body
//! ```
//!
//! | to find | look in |
//! |---|---|
//! | the order of everything a request meets | `middleware/mod.rs`, `ORDER` |
//! | how a name in a definition becomes a function | `drivers/` |
//! | how a definition becomes an API | `apis/plan.rs`, then `apis/compile.rs` |
//! | how an entry of `extended_paths` is found for a request | `apis/matcher.rs` |
//! | how one API's chain is left for all of another's | `serve/through.rs` |
//! | what a path asks of the way upstream: time, circuit breaker | `apis/policies.rs`, `upstream/breaker.rs` |
//! | which of several upstreams it is, and which are down | `upstream/balance.rs`, `upstream/health.rs` |
//! | what happens at start, reload and end | `server.rs`, `server/cycle.rs`, `apis/load.rs` |
//! | where it listens, and whose the sockets are | `sockets.rs` |
//! | what a key may do: ids, sessions, policies, limits | `session/mod.rs` |
//! | how a key becomes a session, and where it is kept | `keyring/mod.rs` |
//! | what becomes of a session that a plugin sets | `caller.rs` |
//! | how rates are counted | `limiter.rs` |
//! | where keys, counters and signals are kept | `storage/mod.rs` |
//! | certificates in the store, by their ids | `certificates/mod.rs` |
//! | where policies come from | `policies.rs` |
//! | what is done about signals of other gateways, and what is told them | `hearing.rs`, `telling.rs` |
//! | the `/tyk/*` paths | `control/mod.rs`, `ROUTES` |
//! | what `$tyk_context.…` and `$tyk_meta.…` are in texts of a definition | `variables/mod.rs` |
//! | every error a client can see | `error.rs` |
//! | Go's templates, and what they are given of XML | `template.rs`, `xml.rs` |
//! | what happens, and who is told of it | `events/mod.rs` |
//! | what is written down of each request, and where | `analytics/mod.rs` |
//! | answers that are kept, and where | `middleware/cache/mod.rs`, `responses.rs` |
//! | which address a client has | `client_ip.rs` |
//! | what is counted, and told to Prometheus | `metrics.rs` |
//! | what is told to StatsD | `statsd.rs` |
//! | what is noted of a request for the access log and for spans | `journal.rs`, `access_log.rs` |
//! | what a collector of OpenTelemetry is told | `otlp/mod.rs` |
//! | what plugins may ask of us | `host.rs` |
//!
//! # Invariants
//! - This crate never names a plugin.
//! - A request waits for no lock that another core may hold, and looks up no name but that of an API which is a version of
//!   the one it came to: all others are resolved when an API loads. What a plugin asks of the store or writes to the log is that plugin's own cost.
//! - One runtime per core; what is shared is read-only, and swapped whole.
//! - A plugin's panic ends its request and nothing else (`chain.rs`).

#[cfg(all(feature = "dynamic", target_feature = "crt-static"))]
compile_error!(
    "a static gateway cannot load plugins: `dlopen` in one crashes. Build it with `cargo xtask build --dynamic`, or without the \
     feature `dynamic` and with its plugins linked in (`--plugins`)."
);

mod about;
mod access_log;
mod analytics;
mod apis;
mod caller;
mod certificates;
mod chain;
mod cli;
mod client_ip;
mod clock;
mod config;
mod connection;
mod control;
mod drivers;
mod error;
mod events;
mod gateway;
mod handover;
mod hearing;
mod host;
mod journal;
mod json_schema;
mod keyring;
mod later;
mod limiter;
mod listener;
mod memory;
mod metrics;
mod middleware;
mod notify;
#[cfg(feature = "otlp")]
mod otlp;
mod policies;
mod quiet;
mod request_path;
mod responses;
mod serve;
mod server;
mod session;
mod sockets;
mod statsd;
#[allow(dead_code, reason = "an engine can do more than is asked of it yet")]
mod storage;
mod stream;
mod telemetry;
mod telling;
mod template;
mod tls;
mod upstream;
mod variables;
mod written;
#[cfg(feature = "templates")]
mod xml;

use std::process::ExitCode;

pub use about::Build;

/// Every core allocates without waiting for another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the gateway's command line with the plugins that are linked; `expected` must be among them.
#[must_use]
pub fn main(expected: &'static [(&'static str, &'static str)]) -> ExitCode {
    main_with(Build { expected, ..Build::default() })
}

/// The same, for a binary that knows more of its own making.
#[must_use]
pub fn main_with(build: Build) -> ExitCode {
    cli::run(&build)
}
