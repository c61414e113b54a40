//! A set of public keys as issuers of tokens publish it. RFC 7517.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::Value;

use super::key::Key;

/// Keys by their names; one of a name may be for each method.
pub(super) type Keys = Vec<(String, Arc<Key>)>;

/// Why a text is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwksError {
    #[error("it is no key set: {0}; it must be `{{\"keys\": […]}}`")]
    Form(#[from] serde_json::Error),
    #[error("none of its {0} keys has a `kid` and can be used")]
    NoKeys(usize),
}

/// A set whose keys are read one by one: of one that jsonwebtoken cannot read the others know nothing.
#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

/// Reads a set. Keys that are not for signatures, or of other kinds, are left out.
///
/// # Errors
/// When it is none, or nothing is left.
pub(super) fn read(text: &[u8]) -> Result<Keys, JwksError> {
    let Jwks { keys } = serde_json::from_slice(text)?;
    let count = keys.len();
    let keys: Keys = keys.into_iter().filter_map(named).collect();
    if keys.is_empty() { Err(JwksError::NoKeys(count)) } else { Ok(keys) }
}

/// A key that has a name, and can be used.
fn named(key: Value) -> Option<(String, Arc<Key>)> {
    let mut jwk: Jwk = serde_json::from_value(key).ok()?;
    let purpose = jwk.common.public_key_use.as_ref();
    let is_ours = purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let kid = jwk.common.key_id.take().filter(|kid| !kid.is_empty() && is_ours)?;
    unpad(&mut jwk.algorithm);
    let key = written(&jwk).or_else(|| certified(&jwk))?;
    Some((kid, Arc::new(key)))
}

/// The key of the numbers that are there.
fn written(jwk: &Jwk) -> Option<Key> {
    let key = DecodingKey::from_jwk(jwk).ok()?;
    match (&jwk.algorithm, key.kind()) {
        (AlgorithmParameters::RSA(_), DecodingKeyKind::RsaModulusExponent { n, e }) => Key::rsa(n, e).ok(),
        (AlgorithmParameters::EllipticCurve(on), DecodingKeyKind::SecretOrDer(point)) => {
            Key::point(point, &on.curve).ok()
        }
        (AlgorithmParameters::OctetKey(_), DecodingKeyKind::SecretOrDer(secret)) if !secret.is_empty() => {
            Some(Key::secret(secret))
        }
        _ => None,
    }
}

/// The key of the certificate that is there in place of numbers.
fn certified(jwk: &Jwk) -> Option<Key> {
    let der = BASE64_STANDARD.decode(jwk.common.x509_chain.as_ref()?.first()?).ok()?;
    Key::of_certificate(&CertificateDer::from(der)).ok()
}

/// Some write numbers with the `=` at their ends that RFC 7515 §2 leaves out; Tyk reads those, too.
fn unpad(parameters: &mut AlgorithmParameters) {
    let unpad = |number: &mut String| number.truncate(number.trim_end_matches('=').len());
    match parameters {
        AlgorithmParameters::RSA(key) => [&mut key.n, &mut key.e].into_iter().for_each(unpad),
        AlgorithmParameters::EllipticCurve(key) => [&mut key.x, &mut key.y].into_iter().for_each(unpad),
        AlgorithmParameters::OctetKey(key) => unpad(&mut key.value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
    use serde_json::json;

    use super::*;

    fn names(set: Value) -> Result<Vec<String>, JwksError> {
        read(set.to_string().as_bytes()).map(|keys| keys.into_iter().map(|(kid, _)| kid).collect())
    }

    #[test]
    fn keys_that_cannot_be_used_are_left_out() {
        let [short, long] = [31, 32].map(|length| BASE64_URL_SAFE_NO_PAD.encode(vec![7; length]));
        let rsa = BASE64_URL_SAFE_NO_PAD.encode([0xC7; 256]);
        let set = json!({"keys": [
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": long, "y": long},
            {"kty": "EC", "kid": "of another curve", "crv": "P-521", "x": long, "y": long},
            {"kty": "EC", "kid": "of another curve than it says", "crv": "P-384", "x": long, "y": long},
            {"kty": "EC", "kid": "short", "crv": "P-256", "x": short, "y": long},
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": rsa, "e": "AQAB"},
            {"kty": "RSA", "kid": "for encryption", "use": "enc", "n": rsa, "e": "AQAB"},
            {"kty": "RSA", "kid": "small", "n": short, "e": "AQAB"},
            {"kty": "RSA", "n": rsa, "e": "AQAB"},
            {"kty": "RSA", "kid": "of nothing"},
            {"kty": "RSA", "kid": "of rubbish", "x5c": ["rubbish"]},
            {"kty": "oct", "kid": "secret", "k": long},
            {"kty": "oct", "kid": "no secret", "k": ""},
            {"kty": "OKP", "kid": "of another kind", "crv": "Ed25519", "x": long},
            {"kty": "RSA", "kid": 7, "n": rsa, "e": "AQAB"},
            7,
        ]});
        assert_eq!(names(set).expect("a set"), ["ec", "rsa", "secret"]);
    }

    #[test]
    fn a_key_may_be_padded_or_in_a_certificate() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
        let certificate = CertificateParams::new(["issuer".to_owned()]).expect("a name").self_signed(&pair);
        let x5c = BASE64_STANDARD.encode(certificate.expect("a certificate").der());
        let [n, number, secret] = [256, 32, 7].map(|length| BASE64_URL_SAFE.encode(vec![0xC7; length]));
        assert!([&n, &number, &secret].iter().all(|number| number.ends_with('=')));
        let set = json!({"keys": [
            {"kty": "EC", "kid": "certified", "x5c": [x5c, "its issuer"]},
            {"kty": "RSA", "kid": "rsa", "n": n, "e": "AQAB"},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": number, "y": number},
            {"kty": "oct", "kid": "secret", "k": secret},
        ]});
        assert_eq!(names(set).expect("a set"), ["certified", "rsa", "ec", "secret"]);
    }

    #[test]
    fn what_is_no_set_is_told() {
        for (text, told) in [
            ("", "it is no key set: EOF"),
            ("<html>", "it is no key set: expected value"),
            ("{}", "it is no key set: missing field"),
            (r#"{"keys": {}}"#, "it is no key set: invalid type"),
            (r#"{"keys": []}"#, "none of its 0 keys"),
            (r#"{"keys": [{"kty": "RSA"}]}"#, "none of its 1 keys"),
        ] {
            let error = read(text.as_bytes()).expect_err("refused").to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
