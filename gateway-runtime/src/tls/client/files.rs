//! What TLS takes from files: roots, the gateway's own certificates, and public keys.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gateway_model::Severity;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};

use super::Roots;
use crate::certificates::{Certificates, Looked, is_id};
use crate::tls::certificates::{CertificateError, certificates, chain_and_key, read};

/// A file or an id that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("{file}: it has no public key; write one with `openssl x509 -in CERTIFICATE -pubkey -noout`")]
    NoPublicKey { file: String },
    #[error("an item of the list is empty; name a file of a public key or a fingerprint")]
    Empty,
}

impl FileError {
    /// How bad it is for a definition; `None` where nothing is known yet.
    pub(crate) fn severity(&self) -> Option<Severity> {
        match self {
            Self::Certificate(error) => error.severity(),
            Self::NoPublicKey { .. } | Self::Empty => Some(Severity::Error),
        }
    }
}

/// A certificate of the gateway, and its key.
pub(crate) struct Identity {
    /// The gateway's own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate, those between it and its root, and its key from one file, or from the store by its id.
    ///
    /// # Errors
    /// When one of them is not there, or the key is another's.
    pub(crate) fn read(file: &str, from: &Certificates) -> Result<Self, FileError> {
        let (chain, key) = chain_and_key(Path::new(file), from)?;
        Ok(Self { chain, key })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl Eq for Identity {}

impl std::hash::Hash for Identity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.chain.iter().for_each(|certificate| certificate.as_ref().hash(state));
    }
}

/// The SHA-256 of a public key. Source: Tyk, `gateway/cert.go`: of the key as it is in a certificate, with its kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pin([u8; 32]);

impl Pin {
    pub(super) fn of(key: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, key);
        let mut pin = [0; 32];
        pin.copy_from_slice(digest.as_ref());
        Self(pin)
    }

    pub(super) fn is_of(&self, key: &[u8]) -> bool {
        *self == Self::of(key)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a list of pins, joined by commas: fingerprints, which are ids of the store too, or files of public keys. The id
/// of a certificate in the store stands for its key.
///
/// # Errors
/// When one is none of them.
pub(crate) fn pins(list: &str, from: &Certificates) -> Result<Vec<Pin>, FileError> {
    list.split(',').map(|text| pin(text.trim(), from)).collect()
}

fn pin(text: &str, from: &Certificates) -> Result<Pin, FileError> {
    if text.is_empty() {
        return Err(FileError::Empty);
    }
    if let Some(Looked::Found(stored)) = from.loaded(text) {
        return Ok(Pin::of(&stored.public_key));
    }
    if let Some(pin) = fingerprint(text) {
        return Ok(pin);
    }
    let pem = read(Path::new(text))?;
    let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem);
    key.map(|key| Pin::of(&key)).map_err(|_| FileError::NoPublicKey { file: text.to_owned() })
}

/// 64 hexadecimal digits, after the organisation's in an id of the store. Source: Tyk, `certs/manager.go`.
fn fingerprint(text: &str) -> Option<Pin> {
    if !is_id(text) {
        return None;
    }
    let mut pin = [0; 32];
    let digits = &text[text.len() - 64..];
    for (at, byte) in pin.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Pin(pin))
}

/// The certificates that servers' must be issued by: those in the binary, or those of `instead`, and those of `also`.
///
/// # Errors
/// When a file has no certificate, or one that is broken.
pub(crate) fn roots(instead: Option<&Path>, also: Option<&Path>) -> Result<Roots, FileError> {
    let mut roots = RootCertStore::empty();
    match instead {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => add(&mut roots, file)?,
    }
    if let Some(file) = also {
        add(&mut roots, file)?;
    }
    Ok(Roots(Arc::new(roots)))
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), FileError> {
    for (at, certificate) in certificates(file, &Certificates::default())?.into_iter().enumerate() {
        let refuse = |error: rustls::Error| CertificateError::Certificate {
            file: file.to_owned(),
            number: at + 1,
            reason: error.to_string(),
        };
        roots.add(certificate).map_err(refuse)?;
    }
    Ok(())
}
