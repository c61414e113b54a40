//! Client certificates: who is allowed, in handshakes and for each API.
//!
//! A handshake proves that the client has the key of the first certificate that it shows, and of no other: only that
//! one can be allowed by itself. Tyk takes any certificate of the chain that is in the list, also one that the client
//! has merely copied; here a listed certificate further up counts if it may issue others and did issue the first.
//! Source: Tyk, `internal/crypto/helpers.go`, `gateway/cert.go`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError as Refusal, DistinguishedName, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::certificates::{CertificateError, Facts, certificates};
use super::signatures_by;
use crate::certificates::Certificates;

/// The clients that an API lets in.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// No other list of this process has it.
    pub(crate) number: u64,
    listed: Vec<Listed>,
    /// Trusts those of the listed certificates that may issue others; `None` if there are none.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
}

#[derive(Debug)]
struct Listed {
    certificate: CertificateDer<'static>,
    not_after: Option<SystemTime>,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    Unknown,
    Expired,
}

impl Allowed {
    /// The certificates of a file, or under an id of the store, each to be allowed.
    ///
    /// # Errors
    /// When it has none, or one cannot be used.
    pub(crate) fn read(file: &Path, from: &Certificates) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let list = certificates(file, from)?;
        let mut roots = RootCertStore::empty();
        for (at, certificate) in list.iter().enumerate() {
            let usable = Facts::of(certificate).and_then(|facts| {
                let added = if facts.is_authority { roots.add(certificate.clone()) } else { Ok(()) };
                added.map_err(|error| error.to_string())
            });
            usable.map_err(|reason| CertificateError::Certificate { file: file.to_owned(), number: at + 1, reason })?;
        }
        Ok(list)
    }

    /// Allows these, and those that they issued. One that cannot be used allows nobody: [`read`](Self::read) tells.
    pub(crate) fn new(certificates: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut roots = RootCertStore::empty();
        let mut listed = Vec::new();
        for certificate in certificates {
            let Ok(facts) = Facts::of(&certificate) else { continue };
            if facts.is_authority {
                // What is no trust anchor allows nobody.
                let _ = roots.add(certificate.clone());
            }
            listed.push(Listed { certificate, not_after: facts.not_after });
        }
        // It fails for no reason but that there are no roots.
        let authorities =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok();
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), listed, authorities }
    }

    /// Whether a client with this chain is let in; its own certificate is the first.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), Denied> {
        let (own, others) = chain.split_first().ok_or(Denied::Unknown)?;
        if let Some(listed) = self.listed.iter().find(|listed| listed.certificate == *own) {
            let is_over = listed.not_after.is_none_or(|end| end < SystemTime::now());
            return if is_over { Err(Denied::Expired) } else { Ok(()) };
        }
        let authorities = self.authorities.as_ref().ok_or(Denied::Unknown)?;
        let judged = authorities.verify_client_cert(own, others, UnixTime::now());
        judged.map(drop).map_err(|_| Denied::Unknown)
    }

    /// The names of those who may issue, as a client is told them.
    fn names(&self) -> impl Iterator<Item = &DistinguishedName> {
        self.authorities.iter().flat_map(|authorities| authorities.root_hint_subjects())
    }
}

/// Asks for a client's certificate in a handshake.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Who is let in; `None` leaves that to each API, and lets those in too who have no certificate.
    allowed: Option<Vec<Arc<Allowed>>>,
    /// Told to clients, that they may choose.
    names: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Asked {
    /// A certificate must be shown, and one of these lists must allow it.
    pub(crate) fn required(allowed: Vec<Arc<Allowed>>, announce: bool, provider: &CryptoProvider) -> Self {
        let mut names: Vec<DistinguishedName> = Vec::new();
        for name in allowed.iter().filter(|_| announce).flat_map(|list| list.names()) {
            if names.iter().all(|known| known.as_ref() != name.as_ref()) {
                names.push(name.clone());
            }
        }
        Self { allowed: Some(allowed), names, algorithms: provider.signature_verification_algorithms }
    }

    /// A certificate may be shown, and is looked at when it is known which API it is for.
    pub(crate) fn optional(provider: &CryptoProvider) -> Self {
        Self { allowed: None, names: Vec::new(), algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for Asked {
    fn client_auth_mandatory(&self) -> bool {
        self.allowed.is_some()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Some(allowed) = &self.allowed else { return Ok(ClientCertVerified::assertion()) };
        let chain: Vec<CertificateDer<'_>> = [end_entity].into_iter().chain(intermediates).cloned().collect();
        let mut denied = Denied::Unknown;
        for list in allowed {
            match list.check(&chain) {
                Ok(()) => return Ok(ClientCertVerified::assertion()),
                Err(Denied::Expired) => denied = Denied::Expired,
                Err(Denied::Unknown) => {}
            }
        }
        Err(Error::InvalidCertificate(match denied {
            Denied::Unknown => Refusal::UnknownIssuer,
            Denied::Expired => Refusal::Expired,
        }))
    }

    signatures_by!(algorithms);
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::default_provider;

    use super::super::testing::{self, Folder, Made};
    use super::*;

    fn allowed(list: &[&Made]) -> Allowed {
        Allowed::new(list.iter().map(|made| made.der()).collect(), &Arc::new(default_provider()))
    }

    #[test]
    fn a_listed_certificate_is_allowed_and_so_is_what_a_listed_authority_issued() {
        let (authority, other) = (testing::authority("CA"), testing::authority("CA"));
        let (ours, theirs) = (testing::client("ours", &authority), testing::client("theirs", &other));
        let alone = testing::server(&["alone"]);
        let list = allowed(&[&authority, &alone]);
        assert_eq!(list.check(&[ours.der()]), Ok(()));
        assert_eq!(list.check(&[alone.der()]), Ok(()));
        assert_eq!(list.check(&[theirs.der()]), Err(Denied::Unknown));
        assert_eq!(list.check(&[]), Err(Denied::Unknown));
        assert_eq!(allowed(&[]).check(&[ours.der()]), Err(Denied::Unknown));
        assert_eq!(allowed(&[&ours]).check(&[ours.der()]), Ok(()), "a leaf by itself, without its authority");
        assert_eq!(allowed(&[&ours]).check(&[theirs.der()]), Err(Denied::Unknown));
    }

    #[test]
    fn a_copied_certificate_further_up_opens_nothing() {
        let (mine, listed) = (testing::server(&["mine"]), testing::server(&["listed"]));
        assert_eq!(allowed(&[&listed]).check(&[mine.der(), listed.der()]), Err(Denied::Unknown));
        let authority = testing::authority("CA");
        assert_eq!(allowed(&[&authority]).check(&[mine.der(), authority.der()]), Err(Denied::Unknown));
    }

    #[test]
    fn a_listed_certificate_that_is_no_authority_allows_itself_alone() {
        // It signed another, which it may not.
        let leaf = testing::server(&["leaf"]);
        let forged = testing::client("forged", &Made { certificate: leaf.certificate.clone(), key: leaf.key.clone() });
        assert_eq!(allowed(&[&leaf]).check(&[forged.der(), leaf.der()]), Err(Denied::Unknown));
    }

    #[test]
    fn a_listed_certificate_whose_time_is_over_is_told() {
        let old = testing::expired(&["old"]);
        assert_eq!(allowed(&[&old]).check(&[old.der()]), Err(Denied::Expired));
    }

    #[test]
    fn a_handshake_asks_for_one_of_its_lists_and_names_their_authorities_unless_told_not_to() {
        let provider = default_provider();
        let (a, b) = (testing::authority("CA"), testing::server(&["b"]));
        let lists = || vec![Arc::new(allowed(&[&a])), Arc::new(allowed(&[&b])), Arc::new(allowed(&[&a]))];
        let asked = Asked::required(lists(), true, &provider);
        let judge = |asked: &Asked, made: &Made| asked.verify_client_cert(&made.der(), &[], UnixTime::now()).is_ok();
        assert!(asked.client_auth_mandatory() && judge(&asked, &b) && judge(&asked, &testing::client("c", &a)));
        assert!(!judge(&asked, &testing::server(&["other"])));
        assert_eq!(asked.root_hint_subjects().len(), 1);
        assert!(Asked::required(lists(), false, &provider).root_hint_subjects().is_empty());
        let optional = Asked::optional(&provider);
        assert!(!optional.client_auth_mandatory() && judge(&optional, &testing::server(&["other"])));
    }

    #[test]
    fn a_file_of_allowed_certificates_is_checked_one_by_one() {
        let (folder, none) = (Folder::new(), Certificates::default());
        let good = testing::authority("CA").certificate;
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            Allowed::read(&folder.written("two.pem", &format!("{good}{good}")), &none).map(|list| list.len()).ok(),
            Some(2)
        );
        let told =
            Allowed::read(&folder.written("bad.pem", &format!("{good}{bad}")), &none).expect_err("refused").to_string();
        assert!(told.contains("bad.pem: certificate 2 in it cannot be used"), "{told}");
    }
}
