//! [`Key`]: what signatures are verified by. It is read once; what is secret of it is never shown.
//!
//! Verified are HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256 and ES384, by ring. Not ES512, which
//! ring does not do, nor any other.

use std::fmt;

use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use webpki::EndEntityCert;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::refusal::JwtError;
use super::token::Token;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// An algorithm by which tokens are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

/// `jwt_signing_method`: what kind of key tokens are signed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Hmac,
    Rsa,
    Ecdsa,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            _ => return None,
        })
    }

    pub(super) fn method(self) -> Method {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Method::Hmac,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Method::Rsa,
            Self::Es256 | Self::Es384 => Method::Ecdsa,
        }
    }
}

impl Method {
    /// The one that a definition names. Source: Tyk, `assertSigningMethod` in `gateway/mw_jwt.go`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "rsa" => Self::Rsa,
            "ecdsa" => Self::Ecdsa,
            _ => Self::Hmac,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac => "hmac",
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
        })
    }
}

/// A key, ready to verify.
pub(super) enum Key {
    /// Made for each of the hashes.
    Secret(Box<[hmac::Key; 3]>),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point on P-256, uncompressed.
    P256(Vec<u8>),
    /// A point on P-384, uncompressed.
    P384(Vec<u8>),
}

/// Why bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyMistake {
    #[error("is empty")]
    Empty,
    #[error("is no public key, and no certificate, in PEM; write `base64 -w0 PUBLIC.pem`")]
    NotPublic,
    #[error(
        "is a private key, which nobody but the issuer of tokens may have: make another, and write its public one here, \
         from `openssl pkey -in PRIVATE.pem -pubout`"
    )]
    Private,
    #[error(
        "is a public key, which everybody may know, and would be the secret that tokens are signed by; set `jwt_signing_method` to `rsa` or `ecdsa`"
    )]
    PublicSecret,
    #[error("is an RSA key of {bits} bits; those of 2048 to 8192 bits are used")]
    Size { bits: usize },
    #[error("is a public key of a kind that is not used; use RSA, or ECDSA on P-256 or P-384")]
    Kind,
    #[error("is a key for `{0}`")]
    OtherMethod(Method),
}

impl Key {
    /// A key of a method: a secret, or a public key or certificate in PEM or DER.
    ///
    /// # Errors
    /// When it is none for that method.
    pub(super) fn read(bytes: &[u8], method: Method) -> Result<Self, KeyMistake> {
        if bytes.trim_ascii().is_empty() {
            return Err(KeyMistake::Empty);
        }
        if method == Method::Hmac {
            // Whoever has the public key could sign.
            return if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
                Err(KeyMistake::PublicSecret)
            } else {
                Ok(Self::secret(bytes))
            };
        }
        let key = Self::public(bytes)?;
        if key.method() == method { Ok(key) } else { Err(KeyMistake::OtherMethod(key.method())) }
    }

    pub(super) fn secret(secret: &[u8]) -> Self {
        let hashes = [hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512];
        Self::Secret(Box::new(hashes.map(|hash| hmac::Key::new(hash, secret))))
    }

    fn public(bytes: &[u8]) -> Result<Self, KeyMistake> {
        if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(bytes) {
            return Self::of_info(&key);
        }
        if let Ok(certificate) = CertificateDer::from_pem_slice(bytes) {
            return Self::of_certificate(&certificate);
        }
        if PrivateKeyDer::from_pem_slice(bytes).is_ok() {
            return Err(KeyMistake::Private);
        }
        match Self::of_info(bytes) {
            Err(KeyMistake::NotPublic) => Self::of_certificate(&CertificateDer::from(bytes)),
            key => key,
        }
    }

    /// The key of a certificate, whoever issued it.
    pub(super) fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, KeyMistake> {
        let certificate = EndEntityCert::try_from(certificate).map_err(|_| KeyMistake::NotPublic)?;
        Self::of_info(&certificate.subject_public_key_info())
    }

    /// A key as certificates have it. RFC 5280 §4.1.2.7.
    fn of_info(der: &[u8]) -> Result<Self, KeyMistake> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyMistake::NotPublic)?;
        let bits = info.subject_public_key.as_bytes().ok_or(KeyMistake::NotPublic)?;
        if info.algorithm.oid == RSA {
            let (n, e) = rsa_numbers(bits).ok_or(KeyMistake::NotPublic)?;
            return Self::rsa(n, e);
        }
        let curve = info.algorithm.parameters.and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
        match curve.filter(|_| info.algorithm.oid == EC) {
            Some(P256) => Self::p256(bits),
            Some(P384) => Self::p384(bits),
            _ => Err(KeyMistake::Kind),
        }
    }

    /// An RSA key of its numbers, the most significant byte first.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyMistake> {
        let [n, e] = [n, e].map(|number| &number[number.iter().take_while(|byte| **byte == 0).count()..]);
        let leading = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = n.len() * 8 - leading;
        if !(2048..=8192).contains(&bits) {
            return Err(KeyMistake::Size { bits });
        }
        Ok(Self::Rsa(RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() }))
    }

    /// A point on P-256. RFC 5480 §2.2.
    pub(super) fn p256(point: &[u8]) -> Result<Self, KeyMistake> {
        if point.len() == 65 && point[0] == 4 { Ok(Self::P256(point.to_vec())) } else { Err(KeyMistake::Kind) }
    }

    /// A point on P-384.
    pub(super) fn p384(point: &[u8]) -> Result<Self, KeyMistake> {
        if point.len() == 97 && point[0] == 4 { Ok(Self::P384(point.to_vec())) } else { Err(KeyMistake::Kind) }
    }

    pub(super) fn method(&self) -> Method {
        match self {
            Self::Secret(_) => Method::Hmac,
            Self::Rsa(_) => Method::Rsa,
            Self::P256(_) | Self::P384(_) => Method::Ecdsa,
        }
    }

    /// Whether a token was signed by this key, or its private half.
    ///
    /// # Errors
    /// When it was not, or the key is not for its algorithm.
    pub(super) fn verify(&self, token: &Token) -> Result<(), JwtError> {
        let (signed, signature) = (token.signed(), token.signature.as_slice());
        let rsa = |parameters: &'static RsaParameters| match self {
            Self::Rsa(key) => key.verify(parameters, signed, signature),
            _ => Err(ring::error::Unspecified),
        };
        let secret = |at: usize| match self {
            Self::Secret(keys) => hmac::verify(&keys[at], signed, signature),
            _ => Err(ring::error::Unspecified),
        };
        let verified = match (token.algorithm, self) {
            (Algorithm::Hs256, _) => secret(0),
            (Algorithm::Hs384, _) => secret(1),
            (Algorithm::Hs512, _) => secret(2),
            (Algorithm::Rs256, _) => rsa(&RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, _) => rsa(&RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Rs512, _) => rsa(&RSA_PKCS1_2048_8192_SHA512),
            (Algorithm::Ps256, _) => rsa(&RSA_PSS_2048_8192_SHA256),
            (Algorithm::Ps384, _) => rsa(&RSA_PSS_2048_8192_SHA384),
            (Algorithm::Ps512, _) => rsa(&RSA_PSS_2048_8192_SHA512),
            (Algorithm::Es256, Self::P256(point)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Algorithm::Es384, Self::P384(point)) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(signed, signature)
            }
            (Algorithm::Es256 | Algorithm::Es384, _) => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| JwtError::Signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.method())
    }
}

/// `RSAPublicKey` of RFC 8017 §A.1.1.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = reader.sequence(|reader| -> x509_cert::der::Result<_> {
        Ok((UintRef::decode(reader)?.as_bytes(), UintRef::decode(reader)?.as_bytes()))
    });
    numbers.ok()
}
