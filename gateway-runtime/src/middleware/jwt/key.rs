//! [`Key`]: what signatures are verified by. It is read once; what is secret of it is never shown.
//!
//! jsonwebtoken verifies, by what is in `crypto.rs`. Its `decode` would read the claims with it, but takes a token for
//! none whose `sub` or `exp` is a list or an object, and Tyk says of those what is wrong with them.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use webpki::EndEntityCert;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::crypto::{self, significant};
use super::refusal::{Fault, JwtError};
use super::token::{Claims, Token};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// `jwt_signing_method`: what kind of key tokens are signed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Hmac,
    Rsa,
    Ecdsa,
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

    /// The algorithms of it.
    pub(super) fn family(self) -> AlgorithmFamily {
        match self {
            Self::Hmac => AlgorithmFamily::Hmac,
            Self::Rsa => AlgorithmFamily::Rsa,
            Self::Ecdsa => AlgorithmFamily::Ec,
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
pub(super) struct Key {
    method: Method,
    key: DecodingKey,
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
        if key.method == method { Ok(key) } else { Err(KeyMistake::OtherMethod(key.method)) }
    }

    fn new(method: Method, key: DecodingKey) -> Self {
        crypto::install();
        Self { method, key }
    }

    pub(super) fn secret(secret: &[u8]) -> Self {
        Self::new(Method::Hmac, DecodingKey::from_secret(secret))
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
            Some(P256) => Self::point(bits, &EllipticCurve::P256),
            Some(P384) => Self::point(bits, &EllipticCurve::P384),
            _ => Err(KeyMistake::Kind),
        }
    }

    /// An RSA key of its numbers, the most significant byte first.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyMistake> {
        let significant = significant(n);
        let leading = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = significant.len() * 8 - leading;
        if !(2048..=8192).contains(&bits) {
            return Err(KeyMistake::Size { bits });
        }
        Ok(Self::new(Method::Rsa, DecodingKey::from_rsa_raw_components(n, e)))
    }

    /// A point on a curve, uncompressed. RFC 5480 §2.2.
    pub(super) fn point(point: &[u8], curve: &EllipticCurve) -> Result<Self, KeyMistake> {
        let length = match curve {
            EllipticCurve::P256 => 65,
            EllipticCurve::P384 => 97,
            _ => return Err(KeyMistake::Kind),
        };
        if point.len() != length || point[0] != 4 {
            return Err(KeyMistake::Kind);
        }
        Ok(Self::new(Method::Ecdsa, DecodingKey::from_ec_der(point)))
    }

    /// What a token says that was signed by this key, or its private half.
    ///
    /// # Errors
    /// When it was not, the key is not for its algorithm, or it says nothing that is understood.
    pub(super) fn verify(&self, token: &Token) -> Result<Claims, JwtError> {
        let (signed, signature) = token.signed();
        match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, token.algorithm) {
            Ok(true) => token.unverified(),
            Err(error) if matches!(error.kind(), ErrorKind::Base64(_)) => Err(JwtError::Malformed(Fault::Base64)),
            Ok(false) | Err(_) => Err(JwtError::Signature),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.method)
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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData};
    use ring::hmac;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

    use super::*;

    const SECRET: &[u8] = b"a secret";

    fn url(bytes: impl AsRef<[u8]>) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn text(algorithm: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let signed = format!("{}.{}", url(format!(r#"{{"alg":"{algorithm}"}}"#)), url(claims));
        let signature = url(sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn by_secret(algorithm: &str, claims: &str, secret: &[u8]) -> String {
        let hash = match algorithm {
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        text(algorithm, claims, |signed| hmac::sign(&hmac::Key::new(hash, secret), signed).as_ref().to_vec())
    }

    /// The claims, or what is wrong.
    fn told(key: &Key, method: Method, text: &str) -> String {
        match Token::parse(text, method).and_then(|token| key.verify(&token)) {
            Ok(claims) => serde_json::to_string(&claims).expect("claims"),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_secret_verifies_what_was_signed_by_it() {
        let key = Key::secret(SECRET);
        for algorithm in ["HS256", "HS384", "HS512"] {
            let token = by_secret(algorithm, r#"{"sub":"ada"}"#, SECRET);
            assert_eq!(told(&key, Method::Hmac, &token), r#"{"sub":"ada"}"#, "{algorithm}");
            let (signed, signature) = token.rsplit_once('.').expect("three parts");
            let other = by_secret(algorithm, r#"{"sub":"bob"}"#, SECRET);
            let (other, _) = other.rsplit_once('.').expect("three parts");
            for (token, error) in [
                (format!("{other}.{signature}"), "Signature"),
                (format!("{signed}."), "Signature"),
                (format!("{signed}.{signature}="), "Malformed(Base64)"),
                (by_secret(algorithm, "{}", b"another"), "Signature"),
                (by_secret(algorithm, "[]", b"another"), "Signature"),
                (by_secret(algorithm, "[]", SECRET), "Malformed(Claims)"),
            ] {
                assert_eq!(told(&key, Method::Hmac, &token), error, "{token}");
            }
        }
    }

    #[test]
    fn claims_of_odd_kinds_are_for_others_to_judge() {
        let key = Key::secret(SECRET);
        for claims in
            [r#"{"sub":{"a":1}}"#, r#"{"exp":[2000]}"#, r#"{"nbf":{}}"#, r#"{"aud":7,"iss":[7]}"#, r#"{"exp":-1}"#]
        {
            assert_eq!(told(&key, Method::Hmac, &by_secret("HS256", claims, SECRET)), claims);
        }
    }

    #[test]
    fn a_point_verifies_by_its_curve() {
        let random = SystemRandom::new();
        let curves = [
            ("ES256", &PKCS_ECDSA_P256_SHA256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("ES384", &PKCS_ECDSA_P384_SHA384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        ];
        let [(one, first), (two, second)] = curves.map(|(algorithm, pair, signing)| {
            let pair = KeyPair::generate_for(pair).expect("a key");
            let key = Key::read(&pair.subject_public_key_info(), Method::Ecdsa).expect("a key");
            let pair = EcdsaKeyPair::from_pkcs8(signing, &pair.serialize_der(), &random).expect("a key");
            let sign = |signed: &[u8]| pair.sign(&random, signed).expect("a signature").as_ref().to_vec();
            (key, text(algorithm, "{}", sign))
        });
        for (key, token, result) in
            [(&one, &first, "{}"), (&two, &second, "{}"), (&one, &second, "Signature"), (&two, &first, "Signature")]
        {
            assert_eq!(told(key, Method::Ecdsa, token), result);
        }
    }

    #[test]
    fn a_public_key_is_nobody_s_secret() {
        let key = Key::rsa(&[0xC7; 256], &[1, 0, 1]).expect("a key");
        let token = by_secret("HS256", "{}", &[0xC7; 256]);
        assert_eq!(told(&key, Method::Hmac, &token), "Signature");
        assert_eq!(told(&key, Method::Rsa, &token), "Method");
    }

    #[test]
    fn rsa_keys_have_2048_to_8192_bits() {
        for (n, bits) in [
            ([0].as_slice(), Some(0)),
            (&[0xC7; 128], Some(1024)),
            (&[&[0x7F], [0xC7; 255].as_slice()].concat(), Some(2047)),
            (&[0xC7; 256], None),
            (&[&[0, 0], [0xC7; 256].as_slice()].concat(), None),
            (&[0xC7; 1024], None),
            (&[0xC7; 1025], Some(8200)),
        ] {
            let mistake = Key::rsa(n, &[1, 0, 1]).err();
            assert_eq!(mistake, bits.map(|bits| KeyMistake::Size { bits }), "{} bytes", n.len());
        }
    }
}
