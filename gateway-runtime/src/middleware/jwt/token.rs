//! [`Token`]: a JSON web token in its compact form, taken apart. RFC 7515 §7.1.
//!
//! jsonwebtoken would do this too, and with it the signatures: but its line that verifies with ring has an open advisory
//! (CVE-2026-25537), and the newer ones would have to be given ring by us. What is ours here is three parts and a header.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key::{Algorithm, Method};
use super::refusal::{Fault, JwtError};

/// What a token says.
pub(super) type Claims = Map<String, Value>;

/// Algorithms that others verify: a token with one of them is no mistake, but not for us.
const OTHERS: [&str; 4] = ["none", "ES512", "ES256K", "EdDSA"];

/// A token whose signature was not looked at.
pub(super) struct Token {
    pub(super) algorithm: Algorithm,
    /// The key that it names.
    pub(super) kid: Option<String>,
    text: Box<str>,
    /// Where the header ends, and where the claims do.
    ends: [usize; 2],
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Value,
    #[serde(default)]
    crit: Value,
}

impl Token {
    /// Takes a token apart that has to be signed by `method`.
    ///
    /// # Errors
    /// When it is none, or is signed by another method.
    pub(super) fn parse(text: &str, method: Method) -> Result<Self, JwtError> {
        let wrong = JwtError::Malformed;
        let mut dots = text.match_indices('.').map(|(at, _)| at);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(wrong(Fault::Parts));
        };
        let header = decode(&text[..first])?;
        let Header { alg, kid, crit } = serde_json::from_slice(&header).map_err(|_| wrong(Fault::Header))?;
        let algorithm = match Algorithm::named(&alg) {
            Some(algorithm) if algorithm.method() == method => algorithm,
            Some(_) => return Err(JwtError::Method),
            None if OTHERS.contains(&alg.as_str()) => return Err(JwtError::Method),
            None => return Err(wrong(Fault::Algorithm)),
        };
        // Nothing is understood that would have to be. RFC 7515 §4.1.11.
        if !crit.is_null() {
            return Err(wrong(Fault::Critical));
        }
        let signature = decode(&text[second + 1..])?;
        let kid = kid.as_str().map(str::to_owned);
        Ok(Self { algorithm, kid, text: text.into(), ends: [first, second], signature })
    }

    /// What the signature is for.
    pub(super) fn signed(&self) -> &[u8] {
        &self.text.as_bytes()[..self.ends[1]]
    }

    /// What it says. Nobody has to have meant it before the signature was verified.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub(super) fn claims(&self) -> Result<Claims, JwtError> {
        let [begin, end] = self.ends;
        let claims = decode(&self.text[begin + 1..end])?;
        serde_json::from_slice(&claims).map_err(|_| JwtError::Malformed(Fault::Claims))
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed(Fault::Base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let [header, claims, signature] = [header, claims, "s"].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{claims}.{signature}")
    }

    fn refused(text: &str, method: Method) -> JwtError {
        Token::parse(text, method).err().expect("refused")
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(r#"{"alg":"HS256","kid":"k","typ":"JWT"}"#, r#"{"sub":"ada"}"#);
        let token = Token::parse(&text, Method::Hmac).expect("a token");
        assert_eq!((token.algorithm, token.kid.as_deref()), (Algorithm::Hs256, Some("k")));
        assert_eq!(token.signed(), &text.as_bytes()[..text.rfind('.').expect("dots")]);
        assert_eq!(token.signature, b"s");
        assert_eq!(token.claims().expect("claims")["sub"], "ada");
        let odd = Token::parse(&self::token(r#"{"alg":"HS256","kid":7}"#, "[]"), Method::Hmac).expect("a token");
        assert_eq!(odd.kid, None);
        assert!(matches!(odd.claims(), Err(JwtError::Malformed(Fault::Claims))));
    }

    #[test]
    fn what_is_no_token_is_told_apart() {
        let good = token(r#"{"alg":"HS256"}"#, "{}");
        for (text, fault) in [
            ("", Fault::Parts),
            ("a.b", Fault::Parts),
            (&format!("{good}.x"), Fault::Parts),
            (&format!("{good}="), Fault::Base64),
            (&format!("+{good}"), Fault::Base64),
            (&token("{", "{}"), Fault::Header),
            (&token("{}", "{}"), Fault::Header),
            (&token(r#"{"alg":7}"#, "{}"), Fault::Header),
            (&token(r#"{"alg":"FOO"}"#, "{}"), Fault::Algorithm),
            (&token(r#"{"alg":"HS256","crit":["exp"]}"#, "{}"), Fault::Critical),
        ] {
            let error = refused(text, Method::Hmac);
            assert!(matches!(error, JwtError::Malformed(told) if told == fault), "{text}: {error}");
        }
    }

    #[test]
    fn a_token_of_another_method_is_refused_before_its_key_is_looked_for() {
        for (algorithm, method) in [
            ("none", Method::Hmac),
            ("none", Method::Rsa),
            ("HS256", Method::Rsa),
            ("RS256", Method::Hmac),
            ("PS256", Method::Ecdsa),
            ("ES256", Method::Rsa),
            ("ES512", Method::Ecdsa),
            ("ES256K", Method::Ecdsa),
            ("EdDSA", Method::Rsa),
        ] {
            let error = refused(&token(&format!(r#"{{"alg":"{algorithm}"}}"#), "{}"), method);
            assert!(matches!(error, JwtError::Method), "{algorithm}: {error}");
        }
    }
}
