//! Who is believed to be the server that was asked for.
//!
//! | the definition says | believed is |
//! |---|---|
//! | nothing | who is named in a certificate that a known root issued |
//! | keys are pinned | who has such a key, or a certificate that one of these keys issued and that names the server |
//! | `ssl_force_common_name_check` | as above, and the name must be the certificate's common name |
//! | `ssl_insecure_skip_verify` | anybody, but for pins and the common name |
//!
//! Source: Tyk, `gateway/cert.go`. Tyk believes anybody who merely *shows* a certificate with a pinned key, and stops
//! looking for an issuer as soon as an API has a pin or asks for the common name; here a key must have been used.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};
use x509_cert::der::Decode;
use x509_cert::der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};

use super::files::Pin;
use super::{Policy, Roots};
use crate::tls::signatures_by;

/// What only this gateway asks of a certificate, and did not get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Distrust {
    #[error("its public key is not one of those in `pinned_public_keys`; the key it has is {found}")]
    Pin { found: String },
    #[error("its certificate's common name is `{found}`, and `{wanted}` was asked for")]
    CommonName { found: String, wanted: String },
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(distrust))))
    }
}

#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    roots: Option<Roots>,
    pins: Vec<Pin>,
    common_name: bool,
}

impl Verifier {
    pub(super) fn new(provider: Arc<CryptoProvider>, policy: &Policy) -> Self {
        let Policy { roots, pins, common_name, .. } = policy;
        Self { provider, roots: roots.clone(), pins: pins.clone(), common_name: *common_name }
    }

    fn issued_by(
        &self,
        roots: &RootCertStore,
        certificate: &ParsedCertificate<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(certificate, roots, chain, now, algorithms)
    }

    /// A pinned key is the server's own, which the handshake proves, or an issuer's.
    fn pinned(
        &self,
        certificate: &ParsedCertificate<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let key = certificate.subject_public_key_info();
        if self.pins.iter().any(|pin| pin.is_of(&key)) {
            return Ok(());
        }
        let mut issuers = RootCertStore::empty();
        for issuer in chain {
            let parsed = ParsedCertificate::try_from(issuer);
            let is_pinned = |key: &[u8]| self.pins.iter().any(|pin| pin.is_of(key));
            if parsed.is_ok_and(|parsed| is_pinned(&parsed.subject_public_key_info())) {
                issuers.add(issuer.clone().into_owned())?;
            }
        }
        if issuers.is_empty() {
            return Err(Distrust::Pin { found: Pin::of(&key).to_string() }.into());
        }
        self.issued_by(&issuers, certificate, chain, now)?;
        self.named(certificate, name)
    }

    fn named(&self, certificate: &ParsedCertificate<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        if self.common_name || self.roots.is_none() { Ok(()) } else { verify_server_name(certificate, name) }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.pins.is_empty() {
            self.pinned(&ParsedCertificate::try_from(end_entity)?, intermediates, server_name, now)?;
        } else if let Some(Roots(roots)) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            self.issued_by(roots, &certificate, intermediates, now)?;
            self.named(&certificate, server_name)?;
        }
        if self.common_name {
            let found = common_name(end_entity).unwrap_or_default();
            let wanted = server_name.to_str();
            if !found.eq_ignore_ascii_case(&wanted) {
                return Err(Distrust::CommonName { found, wanted: wanted.into_owned() }.into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(provider.signature_verification_algorithms);
}

/// The first common name of a certificate's subject.
fn common_name(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: x509_cert::der::asn1::ObjectIdentifier =
        x509_cert::der::asn1::ObjectIdentifier::new_unwrap("2.5.4.3");
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate().subject();
    let value = &subject.iter().find(|attribute| attribute.oid == COMMON_NAME)?.value;
    let text = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let text = text.or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned()));
    text.or_else(|_| value.decode_as::<TeletexStringRef<'_>>().map(|text| text.as_str().to_owned())).ok()
}
