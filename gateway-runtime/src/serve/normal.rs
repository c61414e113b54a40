//! One spelling for a path: what can be written in two ways must not pass a rule in one of them.

use gateway_sdk::http::header::HOST;
use gateway_sdk::http::request;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{HeaderValue, Uri};

use crate::apis::listen_path::{canonical, encoded, has_escape};

pub(super) use crate::apis::listen_path::decoded;

/// Makes a target that is a URL a path: the host that it names is the one that is meant, whatever `Host` says. Source: RFC
/// 9112 §3.2.2.
#[cold]
pub(super) fn of_url(head: &mut request::Parts) {
    let parts = std::mem::take(&mut head.uri).into_parts();
    if let Some(host) = parts.authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        head.headers.insert(HOST, host);
    }
    head.uri = Uri::from(parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")));
}

/// The URI with `%66` as `f`, for every character that means the same with and without its escape (RFC 3986 §6.2.2.2);
/// `None` if there is none, as in nearly every request.
pub(super) fn normalized(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !has_escape(path) {
        return None;
    }
    let mut normal = unescaped(path)?;
    if let Some(query) = uri.query() {
        normal.push('?');
        normal.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(normal).ok()?);
    Uri::from_parts(parts).ok()
}

/// `None`: nothing to change.
fn unescaped(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    let mut changed = false;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
                changed = true;
                rest = &rest[at + 3..];
            }
            _ => {
                normal.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    normal.push_str(rest);
    changed.then_some(normal)
}

/// Whether a path has empty or dot segments. Nearly none has: this looks at bytes, and makes nothing.
pub(super) fn is_unclean(path: &str) -> bool {
    let mut previous = b'/';
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        if previous == b'/' {
            match byte {
                b'/' => return true,
                b'.' => {
                    let segment = bytes[at..].split(|byte| *byte == b'/').next().unwrap_or_default();
                    if segment == b"." || segment == b".." {
                        return true;
                    }
                }
                _ => {}
            }
        }
        previous = *byte;
    }
    false
}

/// The same place by a clean path. `path` is the decoded one of `uri`.
pub(super) fn cleaned(uri: &Uri, path: &str) -> Option<HeaderValue> {
    let mut location = encoded(&canonical(path));
    if let Some(query) = uri.query() {
        location.push('?');
        location.push_str(query);
    }
    HeaderValue::try_from(location).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(uri: &str) -> Option<String> {
        normalized(&uri.parse().expect("a URI")).map(|uri| uri.to_string())
    }

    #[test]
    fn a_url_is_a_path_on_the_host_that_it_names() {
        for (url, path) in [("http://b:8/x?y", "/x?y"), ("http://b:8", "/"), ("http://b:8?y", "/?y")] {
            let request = gateway_sdk::http::Request::builder().uri(url).header(HOST, "a").body(()).expect("a request");
            let mut head = request.into_parts().0;
            of_url(&mut head);
            assert_eq!(
                (head.uri.to_string(), &head.headers[HOST]),
                (path.to_owned(), &HeaderValue::from_static("b:8"))
            );
        }
    }

    #[test]
    fn escapes_of_plain_characters_are_undone() {
        assert_eq!(normal("/%66oo/%2e%2E/%7Ex?q=%66").as_deref(), Some("/foo/../~x?q=%66"));
    }

    #[test]
    fn escapes_that_mean_something_stay() {
        for uri in ["/a%2Fb", "/a%20b", "/%C3%A9", "/100%25", "/plain?x=%66"] {
            assert_eq!(normal(uri), None, "{uri}");
        }
    }

    #[test]
    fn only_empty_and_dot_segments_are_unclean() {
        for path in ["//", "/a//b", "/./a", "/a/..", "/a/../b", "/a/."] {
            assert!(is_unclean(path), "{path}");
        }
        for path in ["/", "/a/", "/a.b", "/.well-known/x", "/...", "/a/..b", "*", ""] {
            assert!(!is_unclean(path), "{path}");
        }
    }

    #[test]
    fn a_cleaned_path_keeps_its_query_and_what_needs_an_escape() {
        let at = |uri: &str| {
            let uri: Uri = uri.parse().expect("a URI");
            cleaned(&uri, &decoded(uri.path())).expect("a location")
        };
        assert_eq!(at("/a//b/../c?x=//"), "/a/c?x=//");
        assert_eq!(at("/x/..%2Fa%3Fb%20%C3%A9"), "/a%3Fb%20%C3%A9");
    }
}
