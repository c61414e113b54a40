//! `bundle_base_url` and a name become the place of a bundle. Source: plugin-system.md §7.4.

use std::fmt;
use std::path::PathBuf;

use gateway_sdk::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What cannot be in the path of a URL as it is.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Http(Uri),
    File(PathBuf),
}

/// What is configured is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("Unknown URL scheme `{0}` in `bundle_base_url`; write `https://…`, `http://…` or `file:///…`")]
    Scheme(String),
    #[error("`bundle_base_url` is not of the form `https://host[:port]/path`: {0}")]
    Form(String),
    #[error("it is said to be at `{0}`, which is no URL of `http` or `https`")]
    Elsewhere(String),
    #[error("it is said to be at `{0}`, where it would come without TLS; let `bundle_base_url` name a place with TLS")]
    Downgrade(String),
}

/// For messages: a query, and credentials, may be secret.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(&shown(url)),
            Self::File(file) => write!(f, "file://{}", file.display()),
        }
    }
}

/// The place of a bundle. A name may have folders in it; the query of the base stays.
///
/// # Errors
/// When the base is no URL that bundles can come from.
pub(super) fn source(base: &str, name: &str) -> Result<Source, UrlError> {
    let (scheme, rest) = base.split_once("://").ok_or_else(|| UrlError::Scheme(base.to_owned()))?;
    match scheme.to_ascii_lowercase().as_str() {
        "file" => Ok(Source::File(joined(rest, name).into())),
        scheme @ ("http" | "https") => {
            let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
            let (rest, query) =
                rest.split_once('?').map_or((rest, String::new()), |(rest, query)| (rest, format!("?{query}")));
            let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
            let path = joined(path, &utf8_percent_encode(name, IN_PATH).to_string());
            let url = format!("{scheme}://{authority}{path}{query}");
            let uri: Uri = url.parse().map_err(|error| UrlError::Form(format!("{error}")))?;
            uri.host().filter(|host| !host.is_empty()).ok_or_else(|| UrlError::Form("it has no host".to_owned()))?;
            Ok(Source::Http(uri))
        }
        other => Err(UrlError::Scheme(other.to_owned())),
    }
}

/// Both as one path from the root, without `.`, `..` and empty parts. Source: Go, `path.Join`.
fn joined(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Where a server says that something is that was asked for at `from`.
///
/// # Errors
/// When that is no place, or one that is reached without TLS, as `from` is not.
pub(super) fn follow(from: &Uri, to: &[u8]) -> Result<Uri, UrlError> {
    let text = String::from_utf8_lossy(to);
    let wrong = || UrlError::Elsewhere(text.clone().into_owned());
    let (scheme, authority) = (from.scheme_str().unwrap_or("http"), from.authority().map_or("", |it| it.as_str()));
    let (to, _) = text.split_once('#').unwrap_or((&text, ""));
    let absolute = if to.contains("://") && !to.starts_with(['/', '?']) {
        to.to_owned()
    } else if to.starts_with("//") {
        format!("{scheme}:{to}")
    } else if to.starts_with('/') {
        format!("{scheme}://{authority}{to}")
    } else if to.starts_with('?') {
        format!("{scheme}://{authority}{}{to}", from.path())
    } else {
        let (to, query) = to.split_once('?').map_or((to, String::new()), |(to, query)| (to, format!("?{query}")));
        let folder = from.path().rfind('/').map_or("", |slash| &from.path()[..slash]);
        format!("{scheme}://{authority}{}{query}", joined(folder, to))
    };
    let uri: Uri = absolute.parse().map_err(|_| wrong())?;
    match uri.scheme_str() {
        Some("http") if scheme == "https" => Err(UrlError::Downgrade(shown(&uri))),
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(wrong()),
    }
}

/// A URL without what may be secret of it.
pub(super) fn shown(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{}://{host}{}", url.scheme_str().unwrap_or("http"), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str, name: &str) -> String {
        match source(base, name) {
            Ok(Source::Http(url)) => url.to_string(),
            Ok(Source::File(file)) => file.display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Source: plugin-system.md §7.4.
    #[test]
    fn a_name_is_joined_to_the_base() {
        let cases = [
            ("http://h", "b.zip", "http://h/b.zip"),
            ("http://h/", "b.zip", "http://h/b.zip"),
            ("HTTPS://h:81/a/b/", "c/d.zip", "https://h:81/a/b/c/d.zip"),
            ("https://h/a?token=1#x", "b.zip", "https://h/a/b.zip?token=1"),
            ("http://h/a", "b/", "http://h/a/b"),
            ("http://h/a", "../b.zip", "http://h/b.zip"),
            ("http://h/a", "b c?d#e%.zip", "http://h/a/b%20c%3Fd%23e%25.zip"),
            ("http://h/a", "é.zip", "http://h/a/%C3%A9.zip"),
            ("http://u:p@[::1]:8/a", "b.zip", "http://u:p@[::1]:8/a/b.zip"),
            ("file:///var/b ü", "x/b?.zip", "/var/b ü/x/b?.zip"),
        ];
        for (base, name, expected) in cases {
            assert_eq!(at(base, name), expected, "{base} {name}");
        }
    }

    #[test]
    fn what_is_no_place_is_told() {
        for base in ["ftp://h/", "h/a", "s3://bucket", "gopher://"] {
            assert!(at(base, "b").starts_with("Unknown URL scheme `"), "{base}: {}", at(base, "b"));
        }
        for base in ["http://", "http:///a", "https://h h/"] {
            assert!(at(base, "b").starts_with("`bundle_base_url` is not of the form"), "{base}: {}", at(base, "b"));
        }
    }

    #[test]
    fn a_server_may_say_that_it_is_elsewhere() {
        let from = Uri::from_static("https://h:1/a/b.zip?x=1");
        let to = |to: &str| follow(&from, to.as_bytes()).map_or_else(|error| error.to_string(), |url| url.to_string());
        assert_eq!(to("https://o/c?d=1#f"), "https://o/c?d=1");
        assert_eq!(to("//o/c"), "https://o/c");
        assert_eq!(to("/c?d=://"), "https://h:1/c?d=://");
        assert_eq!(to("c/d?e=1"), "https://h:1/a/c/d?e=1");
        assert_eq!(to("../c"), "https://h:1/c");
        assert_eq!(to("?y"), "https://h:1/a/b.zip?y");
        assert!(to("http://o/c").contains("without TLS"), "{}", to("http://o/c"));
        for wrong in ["ftp://o/c", "https://", "file:///etc/passwd", "https://o o/"] {
            assert!(to(wrong).ends_with("which is no URL of `http` or `https`"), "{wrong}: {}", to(wrong));
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        assert_eq!(shown(&Uri::from_static("https://u:p@h:1/a?token=1")), "https://h:1/a");
    }
}
