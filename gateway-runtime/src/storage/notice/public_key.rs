//! The key that notices of others are signed with, whose private part no gateway has. Source: TykTechnologies/goverify.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{BitStringRef, ObjectIdentifier};
use x509_cert::spki::AlgorithmIdentifierRef;

use crate::armor::blocks;

/// A key as PKCS #1 writes it, without saying that it is one of RSA's.
const BARE: &str = "RSA PUBLIC KEY";
/// `rsaEncryption`.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A public key of RSA's, of 2048 bits or more.
#[derive(Clone)]
pub(crate) struct PublicKey(Arc<[u8]>);

/// Why a file is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublicKeyError {
    #[error("{}: {error}; name a file that the gateway may read", file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("{}: it has no `PUBLIC KEY` and no `RSA PUBLIC KEY`; write it by `openssl rsa -pubout`", file.display())]
    Form { file: PathBuf },
    #[error("{}: it is no key of RSA's; write one by `openssl rsa -pubout`", file.display())]
    Kind { file: PathBuf },
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public key")
    }
}

impl PublicKey {
    /// The key in a file of PEM.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn read(file: &Path) -> Result<Self, PublicKeyError> {
        let text = std::fs::read(file).map_err(|error| PublicKeyError::Read { file: file.to_owned(), error })?;
        if let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(&text) {
            return of(&der).map(Self).ok_or_else(|| PublicKeyError::Kind { file: file.to_owned() });
        }
        let bare = blocks(&String::from_utf8_lossy(&text)).into_iter().find(|block| block.label == BARE);
        bare.map(|block| Self(block.der.into())).ok_or_else(|| PublicKeyError::Form { file: file.to_owned() })
    }

    /// Whether a signature, in base64, is of this text and of this key.
    pub(crate) fn has_signed(&self, text: &str, signature: &str) -> bool {
        BASE64_STANDARD.decode(signature).is_ok_and(|signature| self.has_signed_bytes(text.as_bytes(), &signature))
    }

    /// Whether a signature is of these bytes and of this key.
    pub(crate) fn has_signed_bytes(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.0).verify(bytes, signature).is_ok()
    }
}

/// What the bits of a key of RSA's are.
fn of(der: &SubjectPublicKeyInfoDer<'_>) -> Option<Arc<[u8]>> {
    type Info<'a> = x509_cert::spki::SubjectPublicKeyInfo<x509_cert::der::AnyRef<'a>, BitStringRef<'a>>;
    let info = Info::from_der(der).ok()?;
    let AlgorithmIdentifierRef { oid, .. } = info.algorithm;
    (oid == RSA).then(|| info.subject_public_key.raw_bytes().into())
}
