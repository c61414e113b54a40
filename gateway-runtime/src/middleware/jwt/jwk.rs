//! A set of public keys as issuers of tokens publish it. RFC 7517.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;

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

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: String,
    n: String,
    e: String,
    crv: String,
    x: String,
    y: String,
    k: String,
    x5c: Vec<String>,
}

/// Reads a set. Keys that are not for signatures, or of other kinds, are left out.
///
/// # Errors
/// When it is none, or nothing is left.
pub(super) fn read(text: &[u8]) -> Result<Keys, JwksError> {
    let Jwks { keys } = serde_json::from_slice(text)?;
    let count = keys.len();
    let written = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let usable = written.filter(|jwk| !jwk.kid.is_empty() && matches!(jwk.purpose.as_str(), "" | "sig"));
    let keys: Keys = usable.filter_map(|jwk| jwk.key().map(|key| (jwk.kid, Arc::new(key)))).collect();
    if keys.is_empty() { Err(JwksError::NoKeys(count)) } else { Ok(keys) }
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        match self.kty.as_str() {
            "RSA" if self.n.is_empty() => self.certified(),
            "RSA" => Key::rsa(&decode(&self.n)?, &decode(&self.e)?).ok(),
            "EC" if self.x.is_empty() => self.certified(),
            "EC" => {
                let point = [&[4], &*decode(&self.x)?, &*decode(&self.y)?].concat();
                match self.crv.as_str() {
                    "P-256" => Key::p256(&point).ok(),
                    "P-384" => Key::p384(&point).ok(),
                    _ => None,
                }
            }
            "oct" => decode(&self.k).filter(|secret| !secret.is_empty()).map(|secret| Key::secret(&secret)),
            _ => None,
        }
    }

    /// The key of the certificate that is there in place of numbers.
    fn certified(&self) -> Option<Key> {
        let der = BASE64_STANDARD.decode(self.x5c.first()?).ok()?;
        Key::of_certificate(&CertificateDer::from(der)).ok()
    }
}

fn decode(number: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(number.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
