//! A client's certificate that stands for a key, and keys that are bound to certificates.
//!
//! | the API | who is let in |
//! |---|---|
//! | `use_certificate` | who shows a certificate that is in the store, and for which there is a key |
//! | the same, and `allow_unsafe_dynamic_mtls_token` | also who shows the key itself |
//! | `use_mutual_tls_auth`, a key with `mtls_static_certificate_bindings` | who shows one of these beside any credential |
//!
//! Source: Tyk, `gateway/mw_auth_key.go`; gateway.md §5.11, §5.15.

use std::sync::Arc;
use std::time::SystemTime;

use gateway_model::Session;
use gateway_sdk::ClientTls;
use gateway_sdk::exchange::Exchange;
use rustls_pki_types::CertificateDer;

use super::admission::Admission;
use super::auth_token::refuse_name;
use super::credential::{Places, without_scheme};
use super::token_signature::TokenSignature;
use super::{Building, Ran, Step};
use crate::certificates::Certificates;
use crate::error::RequestError;
use crate::keyring::{Keyring, Known};
use crate::tls::certificates::Facts;

/// Says who is calling by the client's certificate.
pub(super) struct ByCertificate(Arc<Judge>);

struct Judge {
    places: Places,
    org_id: String,
    admission: Admission,
    /// A key without its certificate is enough.
    takes_tokens: bool,
    /// Of a key that is bound to certificates, one must be shown.
    binds: bool,
    /// Whoever is let in signs the key too.
    signature: Option<TokenSignature>,
    keyring: Arc<Keyring>,
    certificates: Certificates,
}

/// What a request shows.
struct Shown {
    key: String,
    /// The key is the client's word, and not made of its certificate.
    is_token: bool,
    /// The id of the client's certificate.
    own: Option<String>,
}

impl ByCertificate {
    pub(super) fn new(Building { api, keyring, certificates, .. }: &Building<'_>, admission: Admission) -> Self {
        Self(Arc::new(Judge {
            places: Places::of(api.token_source()),
            org_id: api.org_id.clone(),
            admission,
            takes_tokens: keyring.settings.takes_unsafe_tokens,
            binds: api.use_mutual_tls_auth,
            signature: TokenSignature::of(api.token_source()),
            keyring: Arc::clone(keyring),
            certificates: (*certificates).clone(),
        }))
    }
}

impl Step for ByCertificate {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let judge = &self.0;
        let shown = judge.shown(exchange)?;
        let known = judge.keyring.cached(&judge.org_id, &shown.key);
        let stored = shown.own.as_deref().and_then(|own| judge.certificates.cached(own));
        if let Some((known, stored)) = known.zip(stored) {
            if stored.is_over(SystemTime::now()) {
                return Err(RequestError::CertificateExpired);
            }
            return judge.enter(known, &shown, exchange);
        }
        let leaf = exchange.ctx.client_tls().and_then(|client| client.certificates().first().cloned());
        let (asked, judge) = (Arc::clone(judge), Arc::clone(judge));
        let looked_up = async move { asked.look_up(&shown, leaf).await.map(|known| (known, shown)) };
        Ok(Ran::wait(looked_up, move |found, exchange| {
            let (known, shown) = found?;
            judge.enter(known, &shown, exchange)
        }))
    }
}

impl Judge {
    fn shown(&self, exchange: &Exchange) -> Result<Shown, RequestError> {
        let own = id_of(&self.org_id, exchange.ctx.client_tls());
        let token = if self.takes_tokens { self.places.find(&exchange.request) } else { None };
        match (token, own) {
            (Some(token), own) => Ok(Shown { key: without_scheme(&token).to_owned(), is_token: true, own }),
            (None, Some(own)) => {
                let key = self.keyring.settings.rules.compose(&self.org_id, &own);
                Ok(Shown { key, is_token: false, own: Some(own) })
            }
            (None, None) if self.takes_tokens => Err(RequestError::CredentialMissing),
            (None, None) => Err(RequestError::ClientCertificateMissing),
        }
    }

    /// The session, if the certificate is in the store.
    async fn look_up(&self, shown: &Shown, leaf: Option<Vec<u8>>) -> Result<Known, RequestError> {
        if leaf.is_some_and(|leaf| is_over(&leaf)) {
            return Err(RequestError::CertificateExpired);
        }
        let mut found = self.find(&shown.key).await?;
        if let (None, true, Some(own)) = (&found, shown.is_token, &shown.own) {
            found = self.find(own).await?;
        }
        let unknown = if shown.is_token { RequestError::CredentialUnknown } else { RequestError::CertificateMismatch };
        let known = found.ok_or(unknown)?;
        if self.is_bound(&known.session) {
            return Ok(known);
        }
        let of_key = Some(&known.session.certificate).filter(|id| !id.is_empty());
        if let Some(id) = shown.own.as_ref().or(of_key) {
            let stored = self.certificates.look_up(id).await.map_err(RequestError::CertificateFailed)?;
            stored.ok_or(RequestError::CertificateUnknown)?;
        }
        Ok(known)
    }

    async fn find(&self, key: &str) -> Result<Option<Known>, RequestError> {
        self.keyring.look_up(&self.org_id, key).await.map_err(RequestError::KeyFailed)
    }

    fn enter(&self, known: Known, shown: &Shown, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        if shown.is_token {
            refuse_name(&known.session)?;
        }
        if self.is_bound(&known.session) {
            check(&known.session, shown.own.as_deref())?;
        }
        if let Some(signature) = &self.signature {
            signature.check(exchange, &known.session)?;
        }
        Ok(self.admission.enter(known, exchange))
    }

    fn is_bound(&self, session: &Session) -> bool {
        self.binds && !session.mtls_static_certificate_bindings.is_empty()
    }
}

/// Refuses a key that is bound to other certificates than the client's.
pub(super) fn check_binding(session: &Session, org_id: &str, client: Option<&ClientTls>) -> Result<(), RequestError> {
    if session.mtls_static_certificate_bindings.is_empty() {
        return Ok(());
    }
    check(session, id_of(org_id, client).as_deref())
}

fn check(session: &Session, own: Option<&str>) -> Result<(), RequestError> {
    let is_one = session.mtls_static_certificate_bindings.iter().any(|bound| Some(bound.as_str()) == own);
    if is_one { Ok(()) } else { Err(RequestError::CertificateMismatch) }
}

/// The id that the client's certificate would have in the store of an organisation.
fn id_of(org_id: &str, client: Option<&ClientTls>) -> Option<String> {
    let fingerprint = client?.fingerprint();
    (!fingerprint.is_empty()).then(|| format!("{org_id}{fingerprint}"))
}

/// Whether a certificate's time is over; what is no certificate is in no store either.
fn is_over(leaf: &[u8]) -> bool {
    let facts = Facts::of(&CertificateDer::from(leaf));
    facts.is_ok_and(|facts| facts.not_after.is_some_and(|end| end < SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing;

    #[test]
    fn a_key_that_is_bound_is_taken_with_one_of_its_certificates_only() {
        let client = |digest| ClientTls::new(None, vec![b"der".to_vec()], Some(digest));
        let bindings = vec![format!("org{}", "01".repeat(32)), format!("org{}", "02".repeat(32))];
        let session = Session { mtls_static_certificate_bindings: bindings, ..Session::default() };
        assert!(check_binding(&session, "org", Some(&client([1; 32]))).is_ok());
        assert!(check_binding(&session, "org", Some(&client([2; 32]))).is_ok());
        for other in [Some(client([3; 32])), Some(ClientTls::new(None, Vec::new(), None)), None] {
            let refused = check_binding(&session, "org", other.as_ref());
            assert!(matches!(refused, Err(RequestError::CertificateMismatch)), "{other:?}");
        }
        assert!(check_binding(&session, "other", Some(&client([1; 32]))).is_err());
        assert!(check_binding(&Session::default(), "org", None).is_ok(), "it is bound to nothing");
    }

    #[test]
    fn what_is_over_is_known_by_itself() {
        assert!(is_over(&testing::expired(&["a"]).der()));
        assert!(!is_over(&testing::server(&["a"]).der()) && !is_over(b"junk"));
    }
}
