//! The parameters of a signature: `Signature keyId="…",algorithm="…",headers="…",signature="…"`.

use std::collections::HashSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use ring::hmac;

use super::SignatureError;

const SCHEME: &str = "signature";

/// What a request says of its signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) key_id: String,
    pub(super) algorithm: Algorithm,
    /// What is signed, in lower case; not empty.
    pub(super) headers: Vec<String>,
    pub(super) signature: Vec<u8>,
}

/// What a request is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    RsaSha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::HmacSha1, Self::HmacSha256, Self::HmacSha384, Self::HmacSha512, Self::RsaSha256];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
            Self::RsaSha256 => "rsa-sha256",
        }
    }

    /// `None`: it is signed with a private key, and there is no secret.
    pub(super) fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::HmacSha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::HmacSha256 => Some(hmac::HMAC_SHA256),
            Self::HmacSha384 => Some(hmac::HMAC_SHA384),
            Self::HmacSha512 => Some(hmac::HMAC_SHA512),
            Self::RsaSha256 => None,
        }
    }
}

impl Parameters {
    /// # Errors
    /// When a parameter is missing, is there twice, is not known, or cannot be read.
    pub(super) fn parse(text: &str) -> Result<Self, SignatureError> {
        let [mut key_id, mut algorithm, mut headers, mut signature] = [None, None, None, None];
        let mut rest = without_scheme(text);
        loop {
            let (name, value, after) = pair(rest)?;
            let place = match name.to_ascii_lowercase().as_str() {
                "keyid" => &mut key_id,
                "algorithm" => &mut algorithm,
                "headers" => &mut headers,
                "signature" => &mut signature,
                _ => return Err(SignatureError::Parameter(name.to_owned())),
            };
            if place.replace(value).is_some() {
                return Err(SignatureError::Malformed("a parameter is there twice"));
            }
            if after.is_empty() {
                break;
            }
            rest = after.strip_prefix(',').ok_or(SignatureError::Malformed("expected a comma"))?;
        }
        let there = |value: Option<String>, missing| value.ok_or(SignatureError::Malformed(missing));
        let algorithm = there(algorithm, "`algorithm` is missing")?;
        Ok(Self {
            key_id: there(key_id, "`keyId` is missing")?,
            algorithm: Algorithm::named(&algorithm).ok_or(SignatureError::UnknownAlgorithm(algorithm))?,
            headers: names(headers.as_deref().unwrap_or("date"))?,
            signature: decoded(&there(signature, "`signature` is missing")?)?,
        })
    }
}

fn without_scheme(text: &str) -> &str {
    match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => {
            let rest = &text[SCHEME.len()..];
            // `signature="…"` may be the first parameter, where there is no scheme.
            if rest.starts_with(' ') { rest } else { text }
        }
        _ => text,
    }
}

/// `name="value"`, and what follows.
fn pair(text: &str) -> Result<(&str, String, &str), SignatureError> {
    let malformed = SignatureError::Malformed("expected `name=\"value\"`");
    let Some((name, rest)) = text.split_once('=') else { return Err(malformed) };
    let Some(rest) = rest.trim_start().strip_prefix('"') else { return Err(malformed) };
    let mut value = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((name.trim(), value, rest[at + 1..].trim())),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => return Err(SignatureError::Malformed("an escape of a quote or a backslash is expected")),
            },
            c => value.push(c),
        }
    }
    Err(SignatureError::Malformed("a quote is missing"))
}

/// Each once: what is signed is then no longer than the request and these names.
fn names(text: &str) -> Result<Vec<String>, SignatureError> {
    let names: Vec<String> = text.split(' ').map(str::to_ascii_lowercase).collect();
    if names.iter().any(String::is_empty) {
        return Err(SignatureError::Malformed("`headers` are names with one space between two"));
    }
    let mut seen = HashSet::with_capacity(names.len());
    if names.iter().all(|name| seen.insert(name)) {
        Ok(names)
    } else {
        Err(SignatureError::Malformed("a name is twice in `headers`"))
    }
}

/// The bytes of a signature, which is escaped base64; or not escaped, as by other clients.
fn decoded(text: &str) -> Result<Vec<u8>, SignatureError> {
    let plain: Vec<u8> = percent_decode_str(text).collect();
    BASE64_STANDARD.decode(plain).map_err(|_| SignatureError::Malformed("`signature` is no base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(headers: &[&str]) -> Result<Parameters, SignatureError> {
        Ok(Parameters {
            key_id: "my key".into(),
            algorithm: Algorithm::HmacSha256,
            headers: headers.iter().map(|name| (*name).to_owned()).collect(),
            signature: b"~~~".to_vec(),
        })
    }

    #[test]
    fn parameters_come_in_any_order_with_or_without_a_scheme() {
        for text in [
            r#"Signature keyId="my key",algorithm="hmac-sha256",signature="fn5%2B""#,
            r#"signature keyId="my key",algorithm="hmac-sha256",signature="fn5%2b""#,
            r#"signature="fn5+", ALGORITHM = "hmac-sha256" , keyid="my key""#,
            r#"  keyId="my key",algorithm="hmac-sha256",signature="fn5+" "#,
        ] {
            assert_eq!(Parameters::parse(text), whole(&["date"]), "{text}");
        }
        let text =
            r#"Signature keyId="my key",algorithm="hmac-sha256",headers="(Request-Target) Host date",signature="fn5+""#;
        assert_eq!(Parameters::parse(text), whole(&["(request-target)", "host", "date"]));
        let quoted = r#"keyId="a\"b\\c",algorithm="hmac-sha1",signature="""#;
        assert_eq!(Parameters::parse(quoted).map(|found| found.key_id), Ok(r#"a"b\c"#.to_owned()));
    }

    #[test]
    fn what_is_not_exactly_that_is_malformed() {
        let good = r#"keyId="k",algorithm="hmac-sha1",signature="fn5+""#;
        assert!(Parameters::parse(good).is_ok());
        for text in [
            "",
            "Signature",
            "Signature ",
            "Bearer abc",
            r#"keyId=k,algorithm="hmac-sha1",signature="fn5+""#,
            r#"keyId="k" algorithm="hmac-sha1",signature="fn5+""#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5+"#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5+","#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5+",headers="""#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5+",headers="date  host""#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5+",headers="date host date""#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5+",headers="x-a X-A""#,
            r#"keyId="k",algorithm="hmac-sha1",signature="fn5""#,
            r#"keyId="k",algorithm="hmac-sha1""#,
            r#"keyId="k",signature="fn5+""#,
            r#"algorithm="hmac-sha1",signature="fn5+""#,
            r#"keyId="k",keyId="l",algorithm="hmac-sha1",signature="fn5+""#,
            r#"keyId="k",keyID="k",algorithm="hmac-sha1",signature="fn5+""#,
            r#"keyId="k\n",algorithm="hmac-sha1",signature="fn5+""#,
        ] {
            assert!(matches!(Parameters::parse(text), Err(SignatureError::Malformed(_))), "{text}");
        }
        let unknown = Parameters::parse(&format!("{good},created=\"1\""));
        assert_eq!(unknown, Err(SignatureError::Parameter("created".into())));
        for name in ["", "none", "HMAC-SHA1", "hmac-md5"] {
            let text = good.replace("hmac-sha1", name);
            assert_eq!(Parameters::parse(&text), Err(SignatureError::UnknownAlgorithm(name.into())), "{text}");
        }
    }
}
