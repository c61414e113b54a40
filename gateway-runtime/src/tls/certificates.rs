//! Certificates and keys in PEM files, or in the store: read, and looked at as far as the gateway must know them.
//!
//! What a certificate says is asked of webpki, which will judge it in handshakes too. Names are those of the
//! subjectAltName extension: clients have not looked at others for years. RFC 9525 §6.3.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway_model::Severity;
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use webpki::{EndEntityCert, Error as WebPkiError, KeyUsage};

use crate::certificates::{Certificates, LookUpError, Looked, Stored, is_id};

/// A larger file holds no certificates, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// The beginning of the year 10000, in seconds: every certificate has ended by then.
const LATEST: u64 = 253_402_300_800;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("is missing, or empty; name a PEM file that the gateway may read")]
    Unnamed,
    #[error("{}: {reason}; name a PEM file that the gateway may read", file.display())]
    Read { file: PathBuf, reason: String },
    /// Nothing is known of it before the store is open.
    #[error("the store was not asked for the certificate `{id}` yet")]
    Awaited { id: String },
    #[error(
        "`{id}` is no file, and no certificate in the store has that id; add it with `POST /tyk/certs` and reload, or name \
         a PEM file"
    )]
    NotStored { id: String },
    #[error(transparent)]
    LookUp(Arc<LookUpError>),
    #[error("{}: it has no certificate; it must have a `BEGIN CERTIFICATE` block, that of the server first", file.display())]
    NoCertificate { file: PathBuf },
    #[error("{}: it has no private key; put the certificate's key there as a `BEGIN PRIVATE KEY` block", file.display())]
    NoKey { file: PathBuf },
    #[error("{}: its private key is encrypted; write it without a password: `openssl pkey -in {} -out FILE`", file.display(), file.display())]
    EncryptedKey { file: PathBuf },
    #[error("{}: it is not PEM: {reason}; write the file anew", file.display())]
    Pem { file: PathBuf, reason: String },
    #[error("{}: certificate {number} in it cannot be used: {reason}; ask who issued it for another", file.display())]
    Certificate { file: PathBuf, number: usize, reason: String },
    #[error("{}: its private key cannot be used: {reason}; use an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key", file.display())]
    Key { file: PathBuf, reason: String },
    #[error("the key in {} does not belong to the certificate in {}; name the two files that were made together", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
}

impl CertificateError {
    /// Whether it is only that nothing is in the store, or that the store was not asked.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Awaited { .. } | Self::NotStored { .. })
    }

    /// Whether it is a matter of the store, which may answer otherwise at the next reload.
    pub(crate) fn is_of_store(&self) -> bool {
        self.is_missing() || matches!(self, Self::LookUp(_))
    }

    /// How bad it is for a definition; `None` where nothing is known yet. What is added later is taken up by a reload.
    pub(crate) fn severity(&self) -> Option<Severity> {
        match self {
            Self::Awaited { .. } => None,
            Self::NotStored { .. } => Some(Severity::Warning),
            _ => Some(Severity::Error),
        }
    }
}

/// Where a server's certificate is: its chain, and its key, which may be in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// A name that it is for, whatever it says itself.
    pub(crate) domain: Option<String>,
    /// Where the configuration or definition names the certificate, and the key.
    pub(crate) paths: [String; 2],
}

/// A server's certificate and key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key: Arc<CertifiedKey>,
    /// Whom it is for, in lower case; `*.example.com` is for every name one label longer.
    pub(crate) names: Vec<String>,
    pub(crate) ended: Option<Ended>,
}

/// The time of a certificate is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended(pub(crate) SystemTime);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let when = httpdate::HttpDate::from(self.0);
        write!(f, "the certificate expired on {when}; clients will refuse it: renew it")
    }
}

impl Pair {
    /// Reads both, and checks that they belong together.
    ///
    /// # Errors
    /// When one cannot be used, with the one of `paths` that names it.
    pub(crate) fn load(&self, from: &Certificates) -> Result<Identity, (&str, CertificateError)> {
        let [at_certificate, at_key] = &self.paths;
        let chain = certificates(&self.certificate, from).map_err(|error| (&**at_certificate, error))?;
        let key = private_key(&self.key, from).map_err(|error| (&**at_key, error))?;
        self.join(chain, key).map_err(|error| {
            let about_key = matches!(error, CertificateError::Key { .. } | CertificateError::Mismatch { .. });
            (if about_key { &**at_key } else { &**at_certificate }, error)
        })
    }

    fn join(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Identity, CertificateError> {
        let leaf = Facts::of(&chain[0]).map_err(|reason| self.refuse(reason))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            TlsError::InvalidCertificate(error) => self.refuse(error.to_string()),
            other => CertificateError::Key { file: self.key.clone(), reason: other.to_string() },
        })?;
        let mut names = leaf.names;
        names.extend(self.domain.as_ref().map(|domain| domain.to_ascii_lowercase()));
        let ended = leaf.not_after.filter(|end| *end < SystemTime::now()).map(Ended);
        Ok(Identity { key: Arc::new(certified), names, ended })
    }

    fn refuse(&self, reason: String) -> CertificateError {
        CertificateError::Certificate { file: self.certificate.clone(), number: 1, reason }
    }
}

/// A certificate with those between it and its root, and its key, from one file or one id.
///
/// # Errors
/// When one of them cannot be used, or they do not belong together.
pub(crate) fn chain_and_key(
    file: &Path,
    from: &Certificates,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
    let pair = Pair { certificate: file.to_owned(), key: file.to_owned(), domain: None, paths: Default::default() };
    let (chain, key) = (certificates(file, from)?, private_key(file, from)?);
    pair.join(chain.clone(), key.clone_key())?;
    Ok((chain, key))
}

/// What a certificate says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) names: Vec<String>,
    /// It may issue others.
    pub(crate) is_authority: bool,
    /// `None` if it says none that webpki can read.
    pub(crate) not_after: Option<SystemTime>,
}

impl Facts {
    /// # Errors
    /// When it is no X.509 certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed =
            EndEntityCert::try_from(certificate).map_err(|error| format!("it is no X.509 certificate ({error})"))?;
        let not_after = match judged(&parsed, LATEST) {
            Err(WebPkiError::CertExpired { not_after, .. }) => Some(not_after.as_secs()),
            _ => None,
        };
        // While it is valid, the next thing that webpki would find wrong is that it is an authority.
        let is_authority =
            matches!(judged(&parsed, not_after.unwrap_or_default()), Err(WebPkiError::CaUsedAsEndEntity));
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let not_after = not_after.map(|end| SystemTime::UNIX_EPOCH + Duration::from_secs(end));
        Ok(Self { names, is_authority, not_after })
    }
}

/// What webpki says of a certificate at a time, to somebody who trusts nobody.
fn judged(certificate: &EndEntityCert<'_>, at: u64) -> Result<(), WebPkiError> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
    certificate
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[], &[], at, KeyUsage::client_auth(), None, None)
        .map(drop)
}

/// What a load has found in the store, if it is an id that is named and no file.
fn stored(file: &Path, from: &Certificates) -> Result<Option<Arc<Stored>>, CertificateError> {
    let Some(id) = file.to_str().filter(|text| is_id(text)) else { return Ok(None) };
    match from.loaded(id) {
        Some(Looked::Found(stored)) => Ok(Some(stored)),
        _ if file.is_file() => Ok(None),
        None => Err(CertificateError::Awaited { id: id.to_owned() }),
        Some(Looked::Missing) => Err(CertificateError::NotStored { id: id.to_owned() }),
        Some(Looked::Failed(error)) => Err(CertificateError::LookUp(error)),
    }
}

/// The certificates of a file, or under an id of the store, in their order; never none.
///
/// # Errors
/// When there is none, or one cannot be read.
pub(crate) fn certificates(file: &Path, from: &Certificates) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    if let Some(stored) = stored(file, from)? {
        let chain = stored.chain.clone();
        return if chain.is_empty() {
            Err(CertificateError::NoCertificate { file: file.to_owned() })
        } else {
            Ok(chain)
        };
    }
    let text = read(file)?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let list = list.map_err(|error| CertificateError::Pem { file: file.to_owned(), reason: told(&error) })?;
    if list.is_empty() { Err(CertificateError::NoCertificate { file: file.to_owned() }) } else { Ok(list) }
}

/// The first private key of a file: PKCS #8, PKCS #1 or SEC 1.
fn private_key(file: &Path, from: &Certificates) -> Result<PrivateKeyDer<'static>, CertificateError> {
    if let Some(stored) = stored(file, from)? {
        let key = stored.key.as_ref().map(PrivateKeyDer::clone_key);
        return key.ok_or_else(|| CertificateError::NoKey { file: file.to_owned() });
    }
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound if is_encrypted(&text) => CertificateError::EncryptedKey { file: file.to_owned() },
        PemError::NoItemsFound => CertificateError::NoKey { file: file.to_owned() },
        other => CertificateError::Pem { file: file.to_owned(), reason: told(&other) },
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    const MARK: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";
    text.windows(MARK.len()).any(|window| window == MARK)
}

/// The library's own words may quote lines of the file, which may be of a key.
fn told(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { .. } => "a block has a beginning and no end",
        PemError::IllegalSectionStart { .. } => "a block begins with a line that is none of PEM's",
        PemError::Base64Decode(_) => "a block is not base64",
        PemError::Io(_) => "it cannot be read",
        PemError::NoItemsFound => "it has no block",
        _ => "it is broken",
    }
    .to_owned()
}

/// What a file says now. A pipe or a device named like one would be read for ever.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    let refuse = |reason: String| CertificateError::Read { file: file.to_owned(), reason };
    if file.as_os_str().is_empty() {
        return Err(CertificateError::Unnamed);
    }
    let metadata = std::fs::metadata(file).map_err(|error| refuse(error.to_string()))?;
    if !metadata.is_file() {
        return Err(refuse("not a regular file".to_owned()));
    }
    if metadata.len() > FILE_BYTES {
        return Err(refuse(format!("larger than {FILE_BYTES} bytes")));
    }
    let mut text = Vec::new();
    let opened = File::open(file).and_then(|file| file.take(FILE_BYTES).read_to_end(&mut text));
    opened.map_err(|error| refuse(error.to_string()))?;
    Ok(text)
}

/// What is left of a file, or of what is under an id, to know whether it is still the same; `None` if it cannot be read.
pub(crate) fn stamp(file: &Path, from: &Certificates) -> Option<[u8; 32]> {
    match stored(file, from) {
        Ok(Some(stored)) => Some(stored.digest),
        Ok(None) => read(file).ok().map(|text| sha256(&text)),
        Err(_) => None,
    }
}

/// A digest.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut all = [0; 32];
    all.copy_from_slice(digest(&SHA256, bytes).as_ref());
    all
}

#[cfg(test)]
mod tests;
