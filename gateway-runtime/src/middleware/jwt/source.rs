//! What tokens are verified by, as a definition says it. Source: gateway.md §5.15; Tyk, `gateway/mw_jwt.go`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_model::{ApiDefinition, JsonPath};
use gateway_sdk::Uri;

use super::key::{Key, KeyMistake, Method};
use crate::config::LONGEST;

/// What verifies the tokens of an API.
#[derive(Debug)]
pub(super) enum Written {
    /// One key, which is in the definition.
    Key(Arc<Key>),
    /// Key sets, and how long they are kept if that is not what the gateway says.
    Sets(Vec<(Uri, Option<Duration>)>),
    /// Each token names a key of the gateway, and that has a secret.
    Own,
}

/// Why that cannot be used, and where it is written.
pub(super) type Mistake = (String, SourceMistake);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SourceMistake {
    #[error("is neither a URL nor base64 ({0}); write the URL of a key set, or `base64 -w0 FILE` of a secret or PEM")]
    Base64(base64::DecodeError),
    #[error("is no URL of a key set: {0}; write it as `https://host/path`")]
    Url(String),
    #[error("{0}")]
    Key(#[from] KeyMistake),
    #[error("is a key for `{of}`, and `jwt_signing_method` is `{method}`: set that to `{of}`, or put another key here")]
    OtherMethod { of: Method, method: Method },
}

/// Reads what a definition says.
///
/// # Errors
/// All that is wrong with it: no token could be verified, or not each.
pub(super) fn read(api: &ApiDefinition) -> Result<Written, Vec<Mistake>> {
    if api.jwt_jwks_uris.is_empty() {
        let method = Method::named(&api.jwt_signing_method);
        return of_source(&api.jwt_source, method).map_err(|mistake| vec![("jwt_source".to_owned(), mistake)]);
    }
    let (mut sets, mut mistakes) = (Vec::new(), Vec::new());
    for (index, uri) in api.jwt_jwks_uris.iter().enumerate() {
        let lifetime = u64::try_from(uri.cache_timeout).ok().filter(|seconds| *seconds > 0);
        match parse(uri.url.trim()) {
            Ok(url) => sets.push((url, lifetime.map(|seconds| Duration::from_secs(seconds).min(LONGEST)))),
            Err(mistake) => {
                let at = JsonPath::default().key("jwt_jwks_uris").index(index).key("url");
                mistakes.push((at.to_string(), mistake));
            }
        }
    }
    if mistakes.is_empty() { Ok(Written::Sets(sets)) } else { Err(mistakes) }
}

fn of_source(source: &str, method: Method) -> Result<Written, SourceMistake> {
    if source.is_empty() {
        return Ok(Written::Own);
    }
    if is_url(source) {
        return Ok(Written::Sets(vec![(parse(source)?, None)]));
    }
    // Line ends are no matter in Go's base64.
    let lines: String = source.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let decoded = BASE64_STANDARD.decode(lines).map_err(SourceMistake::Base64)?;
    if let Some(url) = std::str::from_utf8(&decoded).ok().filter(|text| is_url(text)) {
        return Ok(Written::Sets(vec![(parse(url.trim_end())?, None)]));
    }
    match Key::read(&decoded, method) {
        Ok(key) => Ok(Written::Key(Arc::new(key))),
        Err(KeyMistake::OtherMethod(of)) => Err(SourceMistake::OtherMethod { of, method }),
        Err(mistake) => Err(mistake.into()),
    }
}

fn is_url(text: &str) -> bool {
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

fn parse(url: &str) -> Result<Uri, SourceMistake> {
    let uri: Uri = url.parse().map_err(|error| SourceMistake::Url(format!("{error}")))?;
    let told = match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => return Ok(uri),
        (Some("http" | "https"), _) => "it has no host",
        _ => "its scheme is neither `http` nor `https`",
    };
    Err(SourceMistake::Url(told.to_owned()))
}

#[cfg(test)]
mod tests {
    use gateway_model::JwksUri;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};

    use super::*;

    fn api(method: &str, source: impl AsRef<[u8]>) -> ApiDefinition {
        let jwt_source = BASE64_STANDARD.encode(source);
        ApiDefinition { jwt_signing_method: method.into(), jwt_source, ..ApiDefinition::default() }
    }

    /// What is read, or where it is wrong and why.
    fn told(api: &ApiDefinition) -> String {
        match read(api) {
            Ok(Written::Key(key)) => format!("{key:?}"),
            Ok(Written::Sets(sets)) => sets.iter().map(|(url, kept)| format!("{url} {kept:?}")).collect(),
            Ok(Written::Own) => "own".to_owned(),
            Err(mistakes) => mistakes.iter().map(|(path, mistake)| format!("{path}: {mistake}")).collect(),
        }
    }

    #[test]
    fn a_source_is_a_url_or_a_secret_or_a_public_key() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = rcgen::CertificateParams::new(["issuer".to_owned()]).expect("a name").self_signed(&pair);
        let certificate = certificate.expect("a certificate");
        for (method, source, read) in [
            ("hmac", "secret".to_owned(), "Key(hmac)"),
            ("", "secret".to_owned(), "Key(hmac)"),
            ("rsa", "https://issuer/keys\n".to_owned(), "https://issuer/keys None"),
            ("ecdsa", pair.public_key_pem(), "Key(ecdsa)"),
            ("ecdsa", certificate.pem(), "Key(ecdsa)"),
        ] {
            assert_eq!(told(&api(method, &source)), read, "{source}");
        }
        assert_eq!(told(&api("ecdsa", pair.subject_public_key_info())), "Key(ecdsa)");
        assert_eq!(told(&api("ecdsa", certificate.der())), "Key(ecdsa)");
        assert_eq!(told(&ApiDefinition::default()), "own");
        let plain = ApiDefinition { jwt_source: "HTTP://issuer/keys".into(), ..ApiDefinition::default() };
        assert_eq!(told(&plain), "http://issuer/keys None");
        let broken = ApiDefinition { jwt_source: "c2Vj\r\ncmV0\n".into(), ..ApiDefinition::default() };
        assert_eq!(told(&broken), "Key(hmac)", "lines of base64");
    }

    #[test]
    fn sets_come_before_the_source() {
        let uri = |url: &str, cache_timeout| JwksUri { url: url.into(), cache_timeout };
        let endless = ApiDefinition { jwt_jwks_uris: vec![uri("http://a/", i64::MAX)], ..ApiDefinition::default() };
        assert_eq!(told(&endless), format!("http://a/ Some({LONGEST:?})"), "a moment and a time are a moment");
        let jwt_jwks_uris = vec![uri("https://a/", 0), uri("http://b/", 7)];
        let both = ApiDefinition { jwt_jwks_uris, ..api("hmac", "secret") };
        assert_eq!(told(&both), "https://a/ Nonehttp://b/ Some(7s)");
        for (url, reason) in [("", "empty string"), ("/keys", "its scheme is"), ("ftp://a/", "its scheme is")] {
            let wrong =
                ApiDefinition { jwt_jwks_uris: vec![uri("http://b/", 0), uri(url, 0)], ..ApiDefinition::default() };
            let begins = format!("jwt_jwks_uris[1].url: is no URL of a key set: {reason}");
            assert!(told(&wrong).starts_with(&begins), "{}", told(&wrong));
        }
    }

    #[test]
    fn what_verifies_nothing_is_told_with_what_to_do() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let other = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        for (method, source, reason) in [
            (
                "rsa",
                pair.public_key_pem(),
                "is a key for `ecdsa`, and `jwt_signing_method` is `rsa`: set that to `ecdsa`",
            ),
            ("ecdsa", pair.serialize_pem(), "is a private key"),
            ("ecdsa", other.public_key_pem(), "is a public key of a kind that is not used"),
            ("ecdsa", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".to_owned(), "is no public key"),
            ("rsa", "secret".to_owned(), "is no public key"),
            ("hmac", pair.public_key_pem(), "is a public key, which everybody may know"),
            ("hmac", " ".to_owned(), "is empty"),
        ] {
            let told = told(&api(method, source));
            assert!(told.starts_with(&format!("jwt_source: {reason}")), "{told}");
        }
        let rubbish = ApiDefinition { jwt_source: "not base64!".into(), ..ApiDefinition::default() };
        assert!(told(&rubbish).starts_with("jwt_source: is neither a URL nor base64 (Invalid"), "{}", told(&rubbish));
    }
}
