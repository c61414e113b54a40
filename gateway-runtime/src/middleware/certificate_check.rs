//! Lets those in who show a certificate that the API allows, whatever the handshake asked for: a client may ask for one
//! name there, and for another host in its requests. Source: Tyk, `gateway/mw_certificate_check.go`.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_sdk::ClientTls;
use gateway_sdk::exchange::Exchange;
use rustc_hash::FxHashMap;
use rustls_pki_types::CertificateDer;

use super::{Ran, Step};
use crate::error::RequestError;
use crate::tls::clients::{Allowed, Denied};

/// Tyk names it `CertificateCheckMW`.
pub(super) const NAME: &str = "certificate_check";
/// How long a client that was let in is known: a signature of its issuer takes a hundred times what a request does.
const KNOWN: Duration = Duration::from_secs(10);
/// Clients that one core knows.
const MOST: usize = 4096;

/// Asks for a certificate.
pub(crate) struct CertificateCheck(pub(crate) Arc<Allowed>);

/// A list, by its number, and a certificate, by its digest.
type Key = (u64, [u8; 32]);

thread_local! {
    /// Who was let in, and until when that is known.
    static LET_IN: RefCell<FxHashMap<Key, Instant>> = RefCell::default();
}

impl Step for CertificateCheck {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let client = exchange.ctx.client_tls().ok_or(RequestError::TlsMissing)?;
        let digest = client.digest().ok_or(RequestError::CertificateMissing)?;
        let (key, now) = ((self.0.number, *digest), Instant::now());
        if LET_IN.with_borrow(|known| known.get(&key).is_some_and(|until| now < *until)) {
            return Ok(Ran::On);
        }
        self.check(client)?;
        LET_IN.with_borrow_mut(|known| {
            if known.len() >= MOST {
                known.retain(|_, until| now < *until);
            }
            if known.len() < MOST {
                known.insert(key, now + KNOWN);
            }
        });
        Ok(Ran::On)
    }
}

impl CertificateCheck {
    fn check(&self, client: &ClientTls) -> Result<(), RequestError> {
        let chain: Vec<_> = client.certificates().iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        self.0.check(&chain).map_err(|denied| match denied {
            Denied::Unknown => RequestError::CertificateDenied { sha256: client.fingerprint() },
            Denied::Expired => RequestError::CertificateExpired,
        })
    }
}
