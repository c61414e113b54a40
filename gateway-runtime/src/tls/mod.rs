//! TLS: with clients (certificates by name, client certificates, and reloads of both), and with upstreams.
//!
//! | module | what it holds |
//! |---|---|
//! | `certificates` | PEM files, and what is in the store: chains, keys, and what certificates say of themselves |
//! | `clients` | which client certificates are allowed, in handshakes and for an API |
//! | `operators` | who may call the control API |
//! | `server` | what handshakes are done with, swapped whole at every reload |
//! | `client` | the other side of it: what is spoken with upstreams |
//! | `accept` | one handshake, within a bound |
//! | `signatures` | what all that judge certificates have in common |

mod accept;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod clients;
mod operators;
mod server;
mod signatures;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

use certificates::Pair;

pub(crate) use accept::{Accepted, accept};
pub(crate) use operators::Operators;
pub(crate) use server::{Tls, TlsError};
pub(crate) use signatures::signatures_by;

/// What the configuration says of TLS.
#[derive(Debug)]
pub(crate) struct TlsSettings {
    /// The first is for clients that ask for no name that is known.
    pub(crate) certificates: Vec<Pair>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// With the cipher suites that are allowed.
    pub(crate) provider: Arc<CryptoProvider>,
    /// Whether clients may choose HTTP/2.
    pub(crate) http2: bool,
    /// Whether clients are told whose certificates are allowed.
    pub(crate) announce: bool,
    /// Who may call the control API, on the same ports as APIs or on one of its own.
    pub(crate) operators: Option<Arc<Operators>>,
    /// By what name the gateway asks itself how it is.
    pub(crate) server_name: Option<String>,
}
