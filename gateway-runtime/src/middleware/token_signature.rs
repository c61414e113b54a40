//! `validate_signature`: a token counts only with a digest of it, of a secret and of the time, which changes every
//! second. It is part of the step that asks for the token.
//!
//! Source: Tyk, `validateSignature` in `gateway/mw_auth_key.go`, `signature_validator`.

use gateway_model::{AuthConfig, Session, TokenSignature as Written};
use gateway_sdk::StatusCode;
use gateway_sdk::exchange::Exchange;
use md5::{Digest, Md5};
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::credential::Places;
use super::rate_limit::context;
use crate::clock::unix_now;
use crate::error::{RequestError, TokenRefusal};
use crate::session::key::id_of;
use crate::session::pattern;

/// Where the definition says nothing else.
const REFUSED: &str = "Request signature verification failed";

/// How tokens are signed.
pub(super) struct TokenSignature {
    algorithm: Algorithm,
    places: Places,
    secret: String,
    /// In seconds.
    skew: i64,
    refusal: TokenRefusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

/// Why a token is not taken for signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TokenSignatureError {
    #[error("there is no signature")]
    Missing,
    #[error("the signature is not hexadecimal")]
    Malformed,
    #[error("`signature.secret` is empty for this session")]
    NoSecret,
    #[error("the signature is not that of this token and time")]
    Mismatch,
}

impl TokenSignature {
    /// `None`: tokens need none. Reading the definition has refused what is no algorithm, and a status that is none.
    pub(super) fn of(auth: &AuthConfig) -> Option<Self> {
        let Written { algorithm, secret, error_code, error_message, allowed_clock_skew, .. } = &auth.signature;
        let status = u16::try_from(*error_code).ok().and_then(|code| StatusCode::from_u16(code).ok());
        let message = if error_message.is_empty() { REFUSED } else { error_message };
        auth.validate_signature.then(|| Self {
            algorithm: if algorithm == "MasheryMD5" { Algorithm::Md5 } else { Algorithm::Sha256 },
            places: places(&auth.signature),
            secret: secret.clone(),
            skew: *allowed_clock_skew,
            refusal: TokenRefusal { status: status.unwrap_or(StatusCode::UNAUTHORIZED), message: message.to_owned() },
        })
    }

    /// Whether the request has the signature of the token that this is the session of.
    pub(super) fn check(&self, exchange: &Exchange, session: &Session) -> Result<(), RequestError> {
        let found = self.places.find(&exchange.request);
        let secret = pattern::replaced(&self.secret, session, |name| context(exchange, name));
        self.verify(found.as_deref(), session, &secret, unix_now())
            .map_err(|error| RequestError::TokenSignature(error, Box::new(self.refusal.clone())))
    }

    /// `now` is in seconds since 1970.
    fn verify(
        &self,
        found: Option<&str>,
        session: &Session,
        secret: &str,
        now: i64,
    ) -> Result<(), TokenSignatureError> {
        let signature = from_hex(found.ok_or(TokenSignatureError::Missing)?).ok_or(TokenSignatureError::Malformed)?;
        if secret.is_empty() {
            return Err(TokenSignatureError::NoSecret);
        }
        for signed in signed_as(session) {
            for time in now - self.skew..=now + self.skew {
                if bool::from(self.algorithm.is(&signature, &format!("{signed}{secret}{time}"))) {
                    return Ok(());
                }
            }
        }
        Err(TokenSignatureError::Mismatch)
    }
}

impl Algorithm {
    fn is(self, signature: &[u8], text: &str) -> Choice {
        match self {
            Self::Md5 => Md5::digest(text).as_slice().ct_eq(signature),
            Self::Sha256 => digest(&SHA256, text.as_bytes()).as_ref().ct_eq(signature),
        }
    }
}

/// A header, or a query parameter that wins over it.
fn places(signature: &Written) -> Places {
    Places::of(&AuthConfig {
        auth_header_name: signature.header.clone(),
        disable_header: signature.header.is_empty(),
        use_param: signature.use_param,
        param_name: signature.param_name.clone(),
        ..AuthConfig::default()
    })
}

/// What a client may take for its token: that without its organisation, the id in it, or all of it.
fn signed_as(session: &Session) -> impl Iterator<Item = String> {
    let key = &session.key_id;
    let without_org = key.strip_prefix(&session.org_id).map(str::to_owned);
    without_org.into_iter().chain(id_of(key)).chain([key.clone()])
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

#[cfg(test)]
mod tests {
    use gateway_sdk::{Body, Request, http};

    use super::*;
    use crate::session::hash::Algorithm as Hash;
    use crate::session::key::KeyRules;

    const NOW: i64 = 1_700_000_000;

    fn signature(algorithm: &str, more: Written) -> TokenSignature {
        let signature = Written { algorithm: algorithm.into(), header: "x-sig".into(), ..more };
        let auth = AuthConfig { validate_signature: true, signature, ..AuthConfig::default() };
        TokenSignature::of(&auth).expect("it is asked for")
    }

    fn session(key_id: &str) -> Session {
        Session::new().with_org_id("default").with_key_id(key_id)
    }

    fn hex(algorithm: Hash, text: &str) -> String {
        algorithm.hash(text)
    }

    #[test]
    fn a_signature_is_a_digest_of_token_secret_and_time() {
        let sha256 = signature("MasherySHA256", Written::default());
        let md5 = signature("MasheryMD5", Written::default());
        let text = format!("minesecret{NOW}");
        let verify = |signature: &TokenSignature, found: &str| {
            signature.verify(Some(found), &session("defaultmine"), "secret", NOW)
        };
        assert_eq!(verify(&sha256, &hex(Hash::Sha256, &text)), Ok(()));
        assert_eq!(verify(&sha256, &hex(Hash::Sha256, &text).to_uppercase()), Ok(()));
        // By `md5sum` of GNU coreutils.
        assert_eq!(verify(&md5, "fd658e671eb58b0fc847cd2b3dcb2074"), Ok(()));
        assert_eq!(verify(&md5, &hex(Hash::Sha256, &text)), Err(TokenSignatureError::Mismatch));
        assert_eq!(verify(&sha256, ""), Err(TokenSignatureError::Mismatch));
        for malformed in ["abc", "zz", "+1", "é"] {
            assert_eq!(verify(&sha256, malformed), Err(TokenSignatureError::Malformed), "{malformed}");
        }
        assert_eq!(sha256.verify(None, &session("k"), "secret", NOW), Err(TokenSignatureError::Missing));
        assert_eq!(sha256.verify(Some("00"), &session("k"), "", NOW), Err(TokenSignatureError::NoSecret));
    }

    #[test]
    fn clocks_may_differ_by_so_many_seconds() {
        let at = |time: i64| hex(Hash::Sha256, &format!("minesecret{time}"));
        let verify = |skew, time| {
            let written = Written { allowed_clock_skew: skew, ..Written::default() };
            signature("MasherySHA256", written).verify(Some(&at(time)), &session("defaultmine"), "secret", NOW)
        };
        for time in [NOW - 2, NOW, NOW + 2] {
            assert_eq!(verify(2, time), Ok(()));
        }
        for (skew, time) in [(2, NOW - 3), (2, NOW + 3), (0, NOW - 1), (0, NOW + 1)] {
            assert_eq!(verify(skew, time), Err(TokenSignatureError::Mismatch));
        }
    }

    #[test]
    fn a_client_signs_its_token_as_it_knows_it() {
        let rules = KeyRules { function: Some(Hash::Murmur64), ..KeyRules::default() };
        let newer = rules.compose("default", "mine");
        for (key_id, signed) in [
            ("defaultmine", "mine"),
            ("defaultmine", "defaultmine"),
            ("other", "other"),
            (newer.as_str(), "mine"),
            (newer.as_str(), newer.as_str()),
        ] {
            let found = hex(Hash::Sha256, &format!("{signed}secret{NOW}"));
            let sha256 = signature("MasherySHA256", Written::default());
            assert_eq!(sha256.verify(Some(&found), &session(key_id), "secret", NOW), Ok(()), "{signed}");
        }
    }

    #[test]
    fn a_signature_is_in_a_header_or_in_a_parameter_that_wins() {
        let find = |signature: Written, uri: &str| {
            let (head, ()) = http::Request::get(uri).header("x-sig", "h").body(()).expect("a request").into_parts();
            let request = Request::from_parts(head, Body::empty());
            places(&signature).find(&request).map(std::borrow::Cow::into_owned)
        };
        let header = || Written { header: "x-sig".into(), ..Written::default() };
        assert_eq!(find(header(), "/?x-sig=p").as_deref(), Some("h"));
        assert_eq!(find(Written { use_param: true, ..header() }, "/?x-sig=p").as_deref(), Some("p"));
        assert_eq!(find(Written { param_name: "s".into(), ..header() }, "/?s=p").as_deref(), Some("p"));
        assert_eq!(find(Written { param_name: "s".into(), ..header() }, "/?s=").as_deref(), Some("h"));
        assert_eq!(find(Written { param_name: "s".into(), ..Written::default() }, "/"), None);
    }

    #[test]
    fn a_refusal_is_told_as_the_definition_says() {
        let usual = signature("MasheryMD5", Written::default()).refusal;
        assert_eq!((usual.status, usual.message.as_str()), (StatusCode::UNAUTHORIZED, REFUSED));
        let written = Written { error_code: 418, error_message: "no".into(), ..Written::default() };
        let own = signature("MasheryMD5", written).refusal;
        assert_eq!((own.status.as_u16(), own.message.as_str()), (418, "no"));
        assert!(TokenSignature::of(&AuthConfig::default()).is_none());
    }
}
