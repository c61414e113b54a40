//! Where a request may carry a credential: a header, a query parameter, a cookie. Source: Tyk, `gateway/middleware.go`.

use std::borrow::Cow;

use gateway_model::AuthConfig;
use gateway_sdk::http::header::COOKIE;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use percent_encoding::percent_decode;

/// A scheme that may stand before a token, whatever its case.
const BEARER: &str = "Bearer ";

/// A token without the scheme before it.
pub(super) fn without_scheme(credential: &str) -> &str {
    match credential.get(..BEARER.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(BEARER) => &credential[BEARER.len()..],
        _ => credential,
    }
}

/// The places that one way of authentication looks at.
pub(super) struct Places {
    /// `None`: no header, or a name that no header can have.
    header: Option<HeaderName>,
    param: Option<String>,
    cookie: Option<String>,
}

impl Places {
    pub(super) fn of(auth: &AuthConfig) -> Self {
        Self {
            header: auth.header().and_then(|name| name.parse().ok()),
            param: auth.param().map(str::to_owned),
            cookie: auth.cookie().map(str::to_owned),
        }
    }

    /// What is in these places: a query parameter wins over a header, and a cookie over both, unless it is empty.
    pub(super) fn find<'r>(&self, request: &'r Request) -> Option<Cow<'r, str>> {
        let headers = request.headers();
        let in_cookie = || self.cookie.as_deref().and_then(|name| cookie_of(headers, name));
        let in_query = || self.param.as_deref().and_then(|name| request.query_param(name));
        let in_header = || self.header.as_ref().and_then(|name| headers.get(name));
        let text = String::from_utf8_lossy;
        let is_there = |found: &Cow<'_, str>| !found.is_empty();
        in_cookie()
            .map(text)
            .or_else(|| in_query().filter(is_there))
            .or_else(|| in_header().map(|value| text(value.as_bytes())).filter(is_there))
    }

    /// Takes whatever is in these places out of the request, and leaves the rest of it byte for byte.
    pub(super) fn clear(&self, request: &mut Request) {
        if let Some(name) = &self.header {
            request.headers_mut().remove(name);
        }
        if let Some(uri) = self.param.as_deref().and_then(|name| without_param(request.uri(), name)) {
            request.set_uri(uri);
        }
        if let Some(name) = &self.cookie {
            remove_cookie(request.headers_mut(), name);
        }
    }
}

/// The URI without a query parameter; `None` if it has none of that name.
pub(super) fn without_param(uri: &Uri, name: &str) -> Option<Uri> {
    let query = uri.query()?;
    let is_other = |pair: &&str| key(pair) != name;
    if query.split('&').all(|pair| is_other(&pair)) {
        return None;
    }
    let rest: Vec<&str> = query.split('&').filter(is_other).collect();
    let separator = if rest.is_empty() { "" } else { "?" };
    let path_and_query = format!("{}{separator}{}", uri.path(), rest.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).expect("parts of a path and a query"));
    Some(Uri::from_parts(parts).expect("parts of a URI"))
}

/// The name in a pair of a query, decoded.
fn key(pair: &str) -> Cow<'_, str> {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    if name.contains('+') || name.contains('%') {
        let spaced = name.replace('+', " ");
        percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned().into()
    } else {
        name.into()
    }
}

/// The value of a cookie, without quotes around it; `None` if it is empty.
fn cookie_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut values = pairs.map(cookie).filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| match value {
        [b'"', inner @ .., b'"'] => inner,
        plain => plain,
    });
    values.find(|value| !value.is_empty())
}

/// Name and value in a pair of a `Cookie` header.
fn cookie(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = pair.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let is_it = |pair: &&[u8]| cookie(pair).0 == name.as_bytes();
    let has_it = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b';').any(|pair| is_it(&pair));
    if !headers.get_all(COOKIE).iter().any(has_it) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for line in lines {
        let rest: Vec<&[u8]> = line.as_bytes().split(|byte| *byte == b';').filter(|pair| !is_it(pair)).collect();
        let rest = rest.join(&b';');
        let rest = rest.trim_ascii();
        if !rest.is_empty() {
            headers.append(COOKIE, HeaderValue::from_bytes(rest).expect("parts of a header value"));
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_sdk::{Body, http};

    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let built = headers.iter().fold(http::Request::get(uri), |built, (name, value)| built.header(*name, *value));
        let (head, ()) = built.body(()).expect("a request").into_parts();
        Request::from_parts(head, Body::empty())
    }

    fn places(header: &str, param: &str, cookie: &str) -> Places {
        let [header, param, cookie] = [header, param, cookie].map(str::to_owned);
        Places::of(&AuthConfig {
            disable_header: header.is_empty(),
            auth_header_name: header,
            param_name: param,
            cookie_name: cookie,
            ..AuthConfig::default()
        })
    }

    #[test]
    fn a_scheme_before_the_token_is_taken_off() {
        for (credential, token) in [
            ("Bearer abc", "abc"),
            ("bEARER abc", "abc"),
            ("Bearer  abc", " abc"),
            ("Bearer", "Bearer"),
            ("Basic abc", "Basic abc"),
            ("abc", "abc"),
            ("ключи и замки", "ключи и замки"),
        ] {
            assert_eq!(without_scheme(credential), token);
        }
    }

    #[test]
    fn a_credential_is_found_in_each_place_unless_it_is_empty() {
        let places = places("x-key", "key", "auth");
        let found = |uri: &str, headers: &[(&str, &str)]| places.find(&request(uri, headers)).map(Cow::into_owned);
        let used = |uri: &str, headers: &[(&str, &str)]| found(uri, headers).is_some();
        assert!(!used("/", &[]));
        assert!(used("/", &[("X-Key", "1")]) && !used("/", &[("x-key", "")]));
        assert!(used("/?key=1", &[]) && !used("/?key=&keys=1", &[]) && used("/?%6bey=1", &[]));
        assert!(used("/", &[("cookie", "a=b"), ("cookie", "x=y; auth=1")]));
        assert!(!used("/", &[("cookie", "auth=; other=auth=1")]));
        let all: &[(&str, &str)] = &[("x-key", "h"), ("cookie", "auth=\"c\"")];
        assert_eq!(found("/?key=q", all).as_deref(), Some("c"), "a cookie wins");
        assert_eq!(found("/?key=q", &all[..1]).as_deref(), Some("q"), "else a parameter");
        assert_eq!(found("/?key=", &all[..1]).as_deref(), Some("h"), "unless it is empty");
    }

    #[test]
    fn a_parameter_goes_and_the_rest_of_the_query_stays_byte_for_byte() {
        let cases = [
            ("/a%20b?x=%7e+1&key=1&&y", "/a%20b?x=%7e+1&&y"),
            ("/?key=1", "/"),
            ("/?key", "/"),
            ("/?key=1&key=2&k%65y=3&z", "/?z"),
            ("/?a&key=1", "/?a"),
            ("/?keys=1&a=key", "/?keys=1&a=key"),
            ("/?", "/?"),
            ("/", "/"),
            ("http://h/p?key=1&a=b", "http://h/p?a=b"),
        ];
        for (uri, expected) in cases {
            let mut request = request(uri, &[]);
            places("", "key", "").clear(&mut request);
            assert_eq!(request.uri().to_string(), expected, "{uri}");
        }
        let mut spaced = request("/?my+key=1&my%20key=2&my=key", &[]);
        places("", "my key", "").clear(&mut spaced);
        assert_eq!(spaced.uri(), "/?my=key");
    }

    #[test]
    fn a_cookie_goes_and_the_others_stay() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["a=1; auth=2; b=\"3\""], &["a=1; b=\"3\""]),
            (&["auth=2; a=1"], &["a=1"]),
            (&["auth=2", "a=1;auth=3;b=2"], &["a=1;b=2"]),
            (&["auth"], &[]),
            (&["Auth=1; xauth=2;"], &["Auth=1; xauth=2;"]),
        ];
        for (lines, expected) in cases {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let mut request = request("/", &lines);
            places("", "", "auth").clear(&mut request);
            let left: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
            assert_eq!(left, expected, "{lines:?}");
        }
    }

    #[test]
    fn every_value_of_the_header_goes_and_other_headers_stay() {
        let mut request = request("/", &[("x-key", "1"), ("x-key", "2"), ("authorization", "3"), ("cookie", "a=b")]);
        places("X-Key", "", "").clear(&mut request);
        assert_eq!(request.headers().len(), 2);
        assert!(!request.headers().contains_key("x-key"));
    }
}
