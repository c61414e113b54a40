//! What is under one id: a certificate with those between it and its root, perhaps its key, or a public key alone.

use std::time::SystemTime;

use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use webpki::EndEntityCert;
use x509_cert::der::Decode;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::sealed::{self, Closed, NoRandomness};
use crate::armor::{Block, blocks};
use crate::tls::certificates::{Facts, sha256};

const CERTIFICATE: &str = "CERTIFICATE";
const PUBLIC_KEY: &str = "PUBLIC KEY";
/// What the labels of all forms end with.
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// What is under an id.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its own certificate first; empty for a public key alone.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Option<PrivateKeyDer<'static>>,
    /// A `SubjectPublicKeyInfo`: the key with its kind, DER.
    pub(crate) public_key: Vec<u8>,
    /// When the certificate's time is over.
    pub(crate) not_after: Option<SystemTime>,
    /// Of what is in the store: another one, if that changes.
    pub(crate) digest: [u8; 32],
}

/// Why what is stored is nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it has neither a certificate nor a public key")]
    Empty,
    #[error("it is no text")]
    NoText,
    #[error("its first certificate is none: {0}")]
    Certificate(String),
    #[error("its private key is none")]
    Key,
    #[error("its private key is encrypted with another secret")]
    Secret,
}

/// Why something is not taken in; in Tyk's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("Failed to decode certificate. It should be PEM encoded.")]
    NoPem,
    #[error("Found multiple private keys")]
    ManyKeys,
    #[error("certificate is expired")]
    Expired,
    #[error("Public keys can't be combined with certificates")]
    Mixed,
    #[error("Error while parsing certificate: {0}")]
    Certificate(String),
    #[error("Error while parsing public key: {0}")]
    PublicKey(String),
    #[error("tls: failed to parse private key: {0}")]
    Key(String),
    #[error("tls: private key does not match public key")]
    Mismatch,
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// What is to be stored.
#[derive(Debug)]
pub(super) struct New {
    /// The digits of its id.
    pub(super) digits: String,
    pub(super) text: String,
}

impl Stored {
    /// What a text in the store says. Source: Tyk, `ParsePEMCertificate`.
    ///
    /// # Errors
    /// When it is nothing that can be used.
    pub(super) fn read(text: &str, secret: &str) -> Result<Self, Unreadable> {
        let (mut chain, mut key, mut public_key) = (Vec::new(), None, None);
        for block in blocks(text) {
            match block.label.as_str() {
                CERTIFICATE => chain.push(CertificateDer::from(block.der)),
                PUBLIC_KEY => public_key = Some(block.der),
                label if label.ends_with(PRIVATE_KEY) => key = Some(opened(block, secret)?),
                _ => {}
            }
        }
        let public_key = match chain.first() {
            Some(own) => public_key_of(own).map_err(Unreadable::Certificate)?,
            None => public_key.ok_or(Unreadable::Empty)?,
        };
        let not_after = chain.first().and_then(|own| Facts::of(own).ok()?.not_after);
        Ok(Self { chain, key, public_key, not_after, digest: sha256(text.as_bytes()) })
    }

    /// Whether the certificate's time is over.
    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        self.not_after.is_some_and(|end| end < now)
    }

    /// For tests: a certificate without a key.
    #[cfg(test)]
    pub(crate) fn of_certificate(certificate: CertificateDer<'static>) -> Self {
        Self::read(&Block::plain(CERTIFICATE, &certificate).text(), "").expect("a certificate")
    }

    /// The SHA-256 of the certificate, or of the public key, in hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&sha256(self.chain.first().map_or(&self.public_key, AsRef::as_ref)))
    }
}

fn opened(block: Block, secret: &str) -> Result<PrivateKeyDer<'static>, Unreadable> {
    if !sealed::is_sealed(&block) {
        return PrivateKeyDer::try_from(block.der).map_err(|_| Unreadable::Key);
    }
    let key = sealed::open(&block, secret).map_err(|closed| match closed {
        Closed::Form => Unreadable::Key,
        Closed::Secret => Unreadable::Secret,
    })?;
    // One in two hundred and fifty-six secrets seems to open any key.
    PrivateKeyDer::try_from(key).map_err(|_| Unreadable::Secret)
}

fn public_key_of(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, String> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.subject_public_key_info().to_vec())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl New {
    /// Takes in a certificate with or without its key, or a public key, PEM. Source: Tyk, `GetCertIDAndChainPEM`.
    ///
    /// # Errors
    /// When it is none, or its time is over.
    pub(super) fn of(text: &str, secret: &str) -> Result<Self, Unfit> {
        let (mut chain, mut keys, mut public_key) = (Vec::new(), Vec::new(), None);
        for block in blocks(text) {
            match block.label.as_str() {
                CERTIFICATE => chain.push(current(block)?),
                PUBLIC_KEY => public_key = Some(block),
                label if label.ends_with(PRIVATE_KEY) => keys.push(block),
                _ => {}
            }
        }
        if keys.len() > 1 {
            return Err(Unfit::ManyKeys);
        }
        let (first, mut text) = match (chain.first(), &public_key) {
            (None, None) => return Err(Unfit::NoPem),
            (Some(_), Some(_)) => return Err(Unfit::Mixed),
            (None, Some(block)) => {
                SubjectPublicKeyInfoOwned::from_der(&block.der).map_err(|error| Unfit::PublicKey(error.to_string()))?;
                (&block.der, block.text())
            }
            (Some(first), None) => (&first.der, chain.iter().map(Block::text).collect::<Vec<_>>().join("\n")),
        };
        let digits = hex(&sha256(first));
        if let Some(key) = keys.pop() {
            text.push('\n');
            text.push_str(&sealed(&chain, key, secret)?.text());
        }
        Ok(Self { digits, text })
    }
}

/// A certificate, if it is one and its time is not over.
fn current(block: Block) -> Result<Block, Unfit> {
    let facts = Facts::of(&CertificateDer::from(block.der.as_slice())).map_err(Unfit::Certificate)?;
    let is_over = facts.not_after.is_some_and(|end| end < SystemTime::now());
    if is_over { Err(Unfit::Expired) } else { Ok(Block::plain(CERTIFICATE, &block.der)) }
}

/// The key, which must be that of the first certificate, encrypted.
fn sealed(chain: &[Block], key: Block, secret: &str) -> Result<Block, Unfit> {
    if sealed::is_sealed(&key) || key.label.starts_with("ENCRYPTED ") {
        return Err(Unfit::Key("it is encrypted; send it without a password".to_owned()));
    }
    let read = PrivateKeyDer::try_from(key.der.clone()).map_err(|reason| Unfit::Key(reason.to_owned()))?;
    let chain = chain.iter().map(|block| CertificateDer::from(block.der.clone())).collect();
    CertifiedKey::from_der(chain, read, &default_provider()).map_err(|error| match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => Unfit::Mismatch,
        TlsError::NoCertificatesPresented => Unfit::Certificate("a private key needs its certificate".to_owned()),
        other => Unfit::Key(other.to_string()),
    })?;
    Ok(sealed::seal(&key.der, secret)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing::{self, KEYS};

    const SECRET: &str = "352d20ee67be67f6340b4c0605b044b7";

    #[test]
    fn what_is_taken_in_is_read_again_and_its_key_is_encrypted() {
        let (made, issuer) = (testing::server(&["a.example.com"]), testing::authority("CA"));
        let new = New::of(&format!("{}{}{}", made.key, made.certificate, issuer.certificate), SECRET).expect("taken");
        assert_eq!(new.digits, hex(&sha256(&made.der())));
        assert!(!new.text.contains("BEGIN PRIVATE KEY") && new.text.contains("BEGIN ENCRYPTED PRIVATE KEY"));
        let stored = Stored::read(&new.text, SECRET).expect("read");
        assert_eq!(stored.chain, [made.der(), issuer.der()]);
        assert_eq!(stored.fingerprint(), new.digits);
        let key = blocks(&made.key).remove(0).der;
        assert_eq!(stored.key.as_ref().map(PrivateKeyDer::secret_der), Some(&*key));
        assert_eq!(Stored::read(&new.text, "other").expect_err("closed"), Unreadable::Secret);
    }

    #[test]
    fn keys_of_the_older_forms_are_taken_too() {
        for (certificate, key) in KEYS {
            let new = New::of(&format!("{certificate}{key}"), SECRET).expect("taken");
            assert!(Stored::read(&new.text, SECRET).expect("read").key.is_some());
        }
    }

    #[test]
    fn a_public_key_is_known_by_itself_and_is_that_of_its_certificate() {
        let made = testing::server(&["a"]);
        let certificate = Stored::read(&made.certificate, "").expect("a certificate");
        let block = Block::plain(PUBLIC_KEY, &certificate.public_key).text();
        let new = New::of(&block, "").expect("taken");
        assert_eq!(new.digits, hex(&sha256(&certificate.public_key)));
        let stored = Stored::read(&new.text, "").expect("read");
        assert!(stored.chain.is_empty() && stored.key.is_none());
        assert_eq!(stored.public_key, certificate.public_key);
    }

    #[test]
    fn what_is_not_taken_is_told_in_the_documented_words() {
        let (made, other) = (testing::server(&["a"]), testing::server(&["b"]));
        let public = Block::plain(PUBLIC_KEY, &Stored::read(&made.certificate, "").expect("read").public_key).text();
        let refused = |text: &str| New::of(text, "s").expect_err("refused").to_string();
        let wrong = Block::plain(CERTIFICATE, b"x").text();
        for (text, expected) in [
            (String::new(), "Failed to decode certificate. It should be PEM encoded."),
            (made.key.clone(), "Failed to decode certificate. It should be PEM encoded."),
            (format!("{}{}{}", made.certificate, made.key, made.key), "Found multiple private keys"),
            (testing::expired(&["a"]).certificate, "certificate is expired"),
            (format!("{}{public}", made.certificate), "Public keys can't be combined with certificates"),
            (format!("{}{}", made.certificate, other.key), "tls: private key does not match public key"),
            (format!("{public}{}", made.key), "Error while parsing certificate: a private key needs its certificate"),
        ] {
            assert_eq!(refused(&text), expected);
        }
        assert!(refused(&wrong).starts_with("Error while parsing certificate: "), "{}", refused(&wrong));
        let wrong = Block::plain(PUBLIC_KEY, b"x").text();
        assert!(refused(&wrong).starts_with("Error while parsing public key: "));
        let sealed = include_str!("testdata/sealed.key");
        assert!(refused(&format!("{}{sealed}", KEYS[0].0)).starts_with("tls: failed to parse private key: "));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let read = |text: &str| Stored::read(text, "s").expect_err("unreadable");
        assert_eq!(read(""), Unreadable::Empty);
        assert!(matches!(read(&Block::plain(CERTIFICATE, b"x").text()), Unreadable::Certificate(_)));
        assert_eq!(read(&Block::plain("RSA PRIVATE KEY", b"x").text()), Unreadable::Key);
    }
}
