//! [`Token`]: a JSON web token in its compact form, RFC 7515 §7.1, whose signature was not looked at.
//!
//! jsonwebtoken takes it apart. That the signature is right is [`Key::verify`](super::key::Key::verify)'s to say, and
//! what the token says comes from there.

use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key::Method;
use super::refusal::{Fault, JwtError};

/// What a token says.
pub(super) type Claims = Map<String, Value>;

/// Algorithms that others verify, and jsonwebtoken does not know: a token with one of them is no mistake, but not for us.
const OTHERS: [&str; 3] = ["none", "ES512", "ES256K"];

pub(super) struct Token {
    pub(super) algorithm: Algorithm,
    /// The key that it names.
    pub(super) kid: Option<String>,
    text: Box<str>,
}

impl Token {
    /// Reads the header of a token that has to be signed by `method`.
    ///
    /// # Errors
    /// When it is none, or is signed by another method.
    pub(super) fn parse(text: &str, method: Method) -> Result<Self, JwtError> {
        let header = decode_header(text).map_err(|error| refused(&error, text))?;
        if header.alg.family() != method.family() {
            return Err(JwtError::Method);
        }
        // Nothing is understood that would have to be. RFC 7515 §4.1.11.
        if header.crit.is_some() {
            return Err(JwtError::Malformed(Fault::Critical));
        }
        Ok(Self { algorithm: header.alg, kid: header.kid, text: text.into() })
    }

    /// What is signed, and its signature in base64.
    pub(super) fn signed(&self) -> (&str, &str) {
        self.text.rsplit_once('.').unwrap_or_default()
    }

    /// What it says, whoever says so: nobody has to have meant it before the signature was verified.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub(super) fn unverified(&self) -> Result<Claims, JwtError> {
        insecure_decode_claims(&*self.text).map_err(|error| {
            JwtError::Malformed(match error.kind() {
                ErrorKind::Base64(_) => Fault::Base64,
                _ => Fault::Claims,
            })
        })
    }
}

/// Why a header cannot be read.
fn refused(error: &Error, text: &str) -> JwtError {
    JwtError::Malformed(match error.kind() {
        // All parts before the last two are the header to jsonwebtoken.
        ErrorKind::InvalidToken | ErrorKind::Base64(DecodeError::InvalidByte(_, b'.')) => Fault::Parts,
        ErrorKind::Base64(_) => Fault::Base64,
        _ => match unknown(text) {
            Some(algorithm) if OTHERS.contains(&&*algorithm) => return JwtError::Method,
            Some(_) => Fault::Algorithm,
            None => Fault::Header,
        },
    })
}

/// The `alg` of a token that is refused, if jsonwebtoken does not know it. It does not say which one it was.
fn unknown(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let (header, _) = text.split_once('.')?;
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).ok()?;
    let Header { alg } = serde_json::from_slice(&header).ok()?;
    Some(alg).filter(|alg| alg.parse::<Algorithm>().is_err())
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
        assert_eq!((token.algorithm, token.kid.as_deref()), (Algorithm::HS256, Some("k")));
        assert_eq!(token.signed(), text.rsplit_once('.').expect("dots"));
        assert_eq!(token.unverified().expect("claims")["sub"], "ada");
        let odd = Token::parse(&self::token(r#"{"alg":"HS256","more":[7]}"#, "[]"), Method::Hmac).expect("a token");
        assert_eq!(odd.kid, None);
        assert!(matches!(odd.unverified(), Err(JwtError::Malformed(Fault::Claims))));
        let odd = Token::parse(&text.replacen('.', ".+", 1), Method::Hmac).expect("a token");
        assert!(matches!(odd.unverified(), Err(JwtError::Malformed(Fault::Base64))));
    }

    #[test]
    fn what_is_no_token_is_told_apart() {
        let good = token(r#"{"alg":"HS256"}"#, "{}");
        for (text, fault) in [
            ("", Fault::Parts),
            ("a.b", Fault::Parts),
            (&format!("{good}.x"), Fault::Parts),
            (&format!("{good}.x.y"), Fault::Parts),
            (&format!("+{good}"), Fault::Base64),
            (&token("{", "{}"), Fault::Header),
            (&token("{}", "{}"), Fault::Header),
            (&token(r#"{"alg":7}"#, "{}"), Fault::Header),
            (&token(r#"{"alg":"HS256","kid":7}"#, "{}"), Fault::Header),
            (&token(r#"{"alg":"FOO"}"#, "{}"), Fault::Algorithm),
            (&token(r#"{"alg":"HS256","crit":["exp"]}"#, "{}"), Fault::Critical),
            (&token(r#"{"alg":"HS256","crit":[]}"#, "{}"), Fault::Critical),
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
