//! What a rewritten text means: another path, another upstream, or another API.

use gateway_sdk::Uri;
use gateway_sdk::http::uri::{Authority, InvalidUri, PathAndQuery, Scheme};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a URL cannot hold as it is; what is escaped already stays. Source: RFC 3986 §3.3, §3.4.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');

/// Another URL for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::middleware) struct Rewritten {
    pub(in crate::middleware) place: Place,
    /// What of the URL is behind the host.
    pub(in crate::middleware) rest: PathAndQuery,
}

/// Whom a rewritten URL is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::middleware) enum Place {
    /// The API's own upstream.
    Here,
    Upstream(Uri),
}

/// A text that is no URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoUrl {
    #[error(transparent)]
    Syntax(#[from] InvalidUri),
    #[error("`%` is not followed by two hexadecimal digits")]
    Escape,
}

impl Rewritten {
    /// # Errors
    /// When the text is no URL.
    pub(super) fn of(text: &str) -> Result<Self, NoUrl> {
        let text = text.split('#').next().unwrap_or_default();
        if !has_whole_escapes(text) {
            return Err(NoUrl::Escape);
        }
        let Some((scheme, rest)) = absolute(text) else {
            return Ok(Self { place: Place::Here, rest: path_and_query(text)? });
        };
        let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let upstream = Uri::builder()
            .scheme(scheme.parse::<Scheme>()?)
            .authority(host.parse::<Authority>()?)
            .path_and_query("/")
            .build();
        let upstream = upstream.map_err(|_| NoUrl::Escape)?;
        Ok(Self { place: Place::Upstream(upstream), rest: path_and_query(rest)? })
    }
}

/// The scheme of a URL that has one, and what is behind `://`.
fn absolute(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_in_scheme);
    is_scheme.then_some((scheme, rest))
}

/// A path, which may lack its slash, with its query.
fn path_and_query(text: &str) -> Result<PathAndQuery, InvalidUri> {
    let slash = if text.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", utf8_percent_encode(text, ESCAPED)).parse()
}

/// Whether every `%` of the path begins an escape.
fn has_whole_escapes(text: &str) -> bool {
    let path = text.split('?').next().unwrap_or_default();
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    path.split('%').skip(1).all(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        match Rewritten::of(text) {
            Ok(Rewritten { place: Place::Here, rest }) => rest.to_string(),
            Ok(Rewritten { place: Place::Upstream(uri), rest }) => format!("{uri} {rest}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_text_is_a_path_or_another_upstream() {
        for (text, expected) in [
            ("", "/"),
            ("a/b", "/a/b"),
            ("/a?b=http://c/d", "/a?b=http://c/d"),
            ("?a=b", "/?a=b"),
            ("/a#b?c", "/a"),
            ("/a b/ä%2F?c=%d {", "/a%20b/%C3%A4%2F?c=%d%20%7B"),
            ("http://h:1", "http://h:1/ /"),
            ("https://h/a/b?c", "https://h/ /a/b?c"),
            ("https://h?c", "https://h/ /?c"),
            ("/a%2", "`%` is not followed by two hexadecimal digits"),
            ("/a%zz", "`%` is not followed by two hexadecimal digits"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert!(Rewritten::of("http://a b/").is_err() && Rewritten::of("http:///a").is_err());
    }
}
