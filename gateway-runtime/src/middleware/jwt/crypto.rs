//! The cryptography of jsonwebtoken, done by ring, which does that of TLS too.
//!
//! Verified are HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256 and ES384, with RSA keys of 2048 to
//! 8192 bits. Not EdDSA, which Tyk does not know, nor what jsonwebtoken does not know. Nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(not_done()),
    verifier_factory: |algorithm, key| Ok(Box::new(Verifies { algorithm: *algorithm, by: By::of(*algorithm, key)? })),
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(not_done()),
        rsa_pub_components_from_public_key: |_| Err(not_done()),
        ec_pub_components_from_private_key: |_, _| Err(not_done()),
        ed_pub_components_from_private_key: |_, _| Err(not_done()),
        compute_digest: |_, _| Err(not_done()),
    },
};

/// Has jsonwebtoken verify by ring. Whoever makes a key calls it: there is nothing to verify by before.
pub(super) fn install() {
    // It is ours already, or that of a plugin which came first, and verifies the same.
    let _ = RING.install_default();
}

fn not_done() -> Error {
    ErrorKind::Provider("this gateway verifies signatures, and neither signs nor takes keys apart".to_owned()).into()
}

/// A key, and how it verifies.
struct Verifies {
    algorithm: Algorithm,
    by: By,
}

enum By {
    Secret(hmac::Key),
    Numbers(&'static RsaParameters, RsaPublicKeyComponents<Vec<u8>>),
    /// `RSAPublicKey` in DER, or a point on a curve.
    Encoded(UnparsedPublicKey<Vec<u8>>),
}

/// What ring has for an algorithm.
enum Means {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Ecdsa(&'static dyn VerificationAlgorithm),
}

impl Means {
    fn of(algorithm: Algorithm) -> Result<Self> {
        Ok(match algorithm {
            Algorithm::HS256 => Self::Hmac(hmac::HMAC_SHA256),
            Algorithm::HS384 => Self::Hmac(hmac::HMAC_SHA384),
            Algorithm::HS512 => Self::Hmac(hmac::HMAC_SHA512),
            Algorithm::RS256 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Ecdsa(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Ecdsa(&ECDSA_P384_SHA384_FIXED),
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        })
    }
}

impl By {
    /// # Errors
    /// When the key is for other algorithms, or nothing here does this one.
    fn of(algorithm: Algorithm, key: &DecodingKey) -> Result<Self> {
        // A public key must never be a secret.
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(match (Means::of(algorithm)?, key.kind()) {
            (Means::Hmac(hash), DecodingKeyKind::SecretOrDer(secret)) => Self::Secret(hmac::Key::new(hash, secret)),
            (Means::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let [n, e] = [n, e].map(|number| significant(number).to_vec());
                Self::Numbers(parameters, RsaPublicKeyComponents { n, e })
            }
            (Means::Rsa(parameters), DecodingKeyKind::SecretOrDer(der)) => {
                Self::Encoded(UnparsedPublicKey::new(parameters, der.clone()))
            }
            (Means::Ecdsa(curve), DecodingKeyKind::SecretOrDer(point)) => {
                Self::Encoded(UnparsedPublicKey::new(curve, point.clone()))
            }
            (Means::Hmac(_) | Means::Ecdsa(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(ErrorKind::InvalidKeyFormat.into());
            }
        })
    }
}

impl Verifier<Vec<u8>> for Verifies {
    fn verify(&self, signed: &[u8], tag: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let verified = match &self.by {
            By::Secret(key) => hmac::verify(key, signed, tag),
            By::Numbers(parameters, key) => key.verify(parameters, signed, tag),
            By::Encoded(key) => key.verify(signed, tag),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifies {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// A number without the zeros that it may begin with: ring takes none of them.
pub(super) fn significant(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::crypto::verify;
    use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    /// RFC 7515 §A.1.1.
    const SIGNED_HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog\
                                Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const HS256: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    /// RFC 7515 §A.2.1.
    const SIGNED_RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl\
                                LmNvbS9pc19yb290Ijp0cnVlfQ";
    const RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG\
                         bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K\
                         0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6\
                         LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4Ql\
                           L-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUs\
                           LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoud\
                           F8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64")
    }

    fn is_verified(signed: &str, tag: &str, key: &DecodingKey, algorithm: Algorithm) -> bool {
        install();
        verify(tag, signed.as_bytes(), key, algorithm).expect("a key of that kind")
    }

    #[test]
    fn the_examples_of_the_rfc_are_verified() {
        let secret = DecodingKey::from_secret(&bytes(SECRET));
        assert!(is_verified(SIGNED_HS256, HS256, &secret, Algorithm::HS256));
        let n = bytes(MODULUS);
        let zeros = [&[0, 0], &*n].concat();
        let der = [&[0x30, 0x82, 1, 10, 2, 0x82, 1, 1, 0], &*n, &[2, 3, 1, 0, 1]].concat();
        for rsa in [
            DecodingKey::from_rsa_components(MODULUS, "AQAB").expect("numbers"),
            DecodingKey::from_rsa_raw_components(&zeros, &[0, 1, 0, 1]),
            DecodingKey::from_rsa_der(&der),
        ] {
            assert!(is_verified(SIGNED_RS256, RS256, &rsa, Algorithm::RS256), "{rsa:?}");
            assert!(!is_verified(SIGNED_RS256, RS256, &rsa, Algorithm::PS256));
            assert!(!is_verified(SIGNED_RS256, RS256, &rsa, Algorithm::RS384));
            assert!(!is_verified(SIGNED_HS256, RS256, &rsa, Algorithm::RS256));
        }
        assert!(!is_verified(SIGNED_RS256, HS256, &secret, Algorithm::HS256));
        assert!(!is_verified(SIGNED_HS256, HS256, &secret, Algorithm::HS512));
        assert!(!is_verified(SIGNED_HS256, "", &secret, Algorithm::HS256));
    }

    #[test]
    fn a_key_is_for_the_algorithms_of_its_kind_and_a_small_one_for_none() {
        install();
        let rsa = DecodingKey::from_rsa_components(MODULUS, "AQAB").expect("numbers");
        let refused =
            |key: &DecodingKey, algorithm| verify(RS256, b"", key, algorithm).expect_err("refused").into_kind();
        for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert_eq!(refused(&rsa, algorithm), ErrorKind::InvalidKeyFormat, "{algorithm:?}");
        }
        assert_eq!(refused(&DecodingKey::from_secret(b"s"), Algorithm::RS256), ErrorKind::InvalidKeyFormat);
        assert_eq!(refused(&DecodingKey::from_ed_der(&[7; 32]), Algorithm::EdDSA), ErrorKind::UnsupportedAlgorithm);
        let small = DecodingKey::from_rsa_raw_components(&[0xC7; 128], &[1, 0, 1]);
        assert!(!is_verified(SIGNED_RS256, RS256, &small, Algorithm::RS256));
    }

    #[test]
    fn what_is_not_done_is_an_error() {
        install();
        let told = |error: Error| assert!(error.to_string().contains("verifies signatures"), "{error}");
        told(encode(&Header::default(), &json!({}), &EncodingKey::from_secret(b"s")).expect_err("not signed"));
        let key = DecodingKey::from_rsa_der(b"");
        told(Jwk::from_decoding_key(&key, None).expect_err("not taken apart"));
        let secret = Jwk::from_decoding_key(&DecodingKey::from_secret(b"s"), None).expect("a key");
        told(secret.thumbprint(ThumbprintHash::SHA256).expect_err("no digest"));
    }
}
