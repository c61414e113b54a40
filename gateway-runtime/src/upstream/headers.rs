//! Which headers cross the gateway: hop-by-hop ones do not, `X-Forwarded-For` is added.
//!
//! Source: Tyk, `gateway/reverse_proxy.go`; RFC 9110 §7.6.1.

use std::net::IpAddr;

use gateway_sdk::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, USER_AGENT,
};
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Request};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// What a client says to the gateway alone. `Expect` is answered by the gateway's own server.
static OF_CLIENTS: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
];
/// What an upstream says to the gateway alone.
static OF_UPSTREAMS: [HeaderName; 6] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, TRANSFER_ENCODING, UPGRADE];
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const OWN_USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("gw/", env!("CARGO_PKG_VERSION")));

/// The client's address as `X-Forwarded-For` says it: made once for each connection.
pub(crate) fn forwarded(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).expect("an address is visible ASCII")
}

/// Removes what the client's `Connection` names: before any plugin runs, since a client must not be able to remove what a
/// plugin adds. Tells how many `Host` there are, which is the same look at their names.
pub(crate) fn from_client(headers: &mut HeaderMap) -> Hosts {
    let present = Present::look(headers);
    if present.connection {
        strip_named_by_connection(headers);
    }
    // A name that is there twice is one key.
    if !present.host {
        Hosts::None
    } else if headers.len() == headers.keys_len() || headers.get_all(HOST).iter().nth(1).is_none() {
        Hosts::One
    } else {
        Hosts::Several
    }
}

/// The `Host` headers of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hosts {
    None,
    One,
    Several,
}

/// Makes a client's headers those of the gateway's own request.
pub(crate) fn toward_upstream(request: &mut Request, client: Option<&HeaderValue>) {
    let length = request.body().len();
    let headers = request.headers_mut();
    let present = Present::look(headers);
    if present.hop {
        let trailers = headers.get(TE).is_some_and(wants_trailers);
        strip(headers, &OF_CLIENTS);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
    // It announces what follows a body of unknown length, and nothing else.
    if present.trailer && length.is_some() {
        headers.remove(TRAILER);
    }
    match length {
        Some(0) if !present.length => {}
        Some(length) => _ = headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => {
            headers.remove(CONTENT_LENGTH);
            // Said here, since a method such as GET would otherwise be taken to have no body.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    match client {
        Some(client) if present.forwarded => add_forwarded(headers, client),
        Some(client) => {
            headers.insert(FORWARDED_FOR.clone(), client.clone());
        }
        None => {}
    }
    if !present.user_agent {
        headers.insert(USER_AGENT, OWN_USER_AGENT);
    }
}

/// What is wrong with how a response says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFraming {
    #[error("both `Content-Length` and `Transfer-Encoding`")]
    Two,
    #[error("`Transfer-Encoding` is not `chunked` alone")]
    Encoding,
    #[error("a second `Content-Length`")]
    SecondLength,
}

/// The same as [`toward_client`], for what an upstream has said.
///
/// # Errors
/// When it has said in two ways where its body ends: what is behind it would be another's response. Source: RFC 9112 §6.3.
pub(crate) fn from_upstream(headers: &mut HeaderMap) -> Result<(), BadFraming> {
    let present = Present::look(headers);
    if present.hop && headers.contains_key(TRANSFER_ENCODING) {
        encoded_once(headers, present.length)?;
    }
    // A name that is there twice is one key.
    if present.length && headers.len() != headers.keys_len() && headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
    {
        return Err(BadFraming::SecondLength);
    }
    leave(headers, &present);
    Ok(())
}

fn encoded_once(headers: &HeaderMap, has_length: bool) -> Result<(), BadFraming> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    match (has_length, is_chunked && codings.next().is_none()) {
        (true, _) => Err(BadFraming::Two),
        (false, false) => Err(BadFraming::Encoding),
        (false, true) => Ok(()),
    }
}

/// Removes what is between the upstream and the gateway only. `Trailer` stays: it announces what follows the body.
pub(crate) fn toward_client(headers: &mut HeaderMap) {
    let present = Present::look(headers);
    leave(headers, &present);
}

fn leave(headers: &mut HeaderMap, present: &Present) {
    if present.connection {
        strip_named_by_connection(headers);
    }
    if present.hop {
        strip(headers, &OF_UPSTREAMS);
    }
}

/// Which of the headers that matter here a message has. Nearly none has any that must go, and one look at the names is
/// cheaper than a search for each: most are told apart by their length alone.
#[derive(Default)]
struct Present {
    /// One of [`OF_CLIENTS`], which are more than [`OF_UPSTREAMS`].
    hop: bool,
    connection: bool,
    host: bool,
    length: bool,
    trailer: bool,
    user_agent: bool,
    forwarded: bool,
}

impl Present {
    fn look(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        for name in headers.keys() {
            match name.as_str().len() {
                2 => present.hop |= *name == TE,
                4 => present.host |= *name == HOST,
                6 => present.hop |= *name == EXPECT,
                7 => {
                    present.hop |= *name == UPGRADE;
                    present.trailer |= *name == TRAILER;
                }
                10 => {
                    present.user_agent |= *name == USER_AGENT;
                    present.connection |= *name == CONNECTION;
                    present.hop |= present.connection || *name == KEEP_ALIVE;
                }
                14 => present.length |= *name == CONTENT_LENGTH,
                15 => present.forwarded |= *name == FORWARDED_FOR,
                16 => present.hop |= *name == PROXY_CONNECTION,
                17 => present.hop |= *name == TRANSFER_ENCODING,
                18 => present.hop |= *name == PROXY_AUTHENTICATE,
                19 => present.hop |= *name == PROXY_AUTHORIZATION,
                _ => {}
            }
        }
        present
    }
}

fn strip_named_by_connection(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
}

fn strip(headers: &mut HeaderMap, unwanted: &[HeaderName]) {
    for name in unwanted {
        headers.remove(name);
    }
}

/// The headers that `Connection` makes hop-by-hop.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    names.filter(|name| !name.eq_ignore_ascii_case("close")).filter_map(|name| name.parse().ok()).collect()
}

fn wants_trailers(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

fn add_forwarded(headers: &mut HeaderMap, client: &HeaderValue) {
    let mut joined: Vec<u8> = Vec::new();
    for previous in headers.get_all(&FORWARDED_FOR) {
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(previous.as_bytes());
    }
    let value = if joined.is_empty() {
        client.clone()
    } else {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(client.as_bytes());
        HeaderValue::from_bytes(&joined).expect("parts of header values joined by a comma")
    };
    headers.insert(FORWARDED_FOR.clone(), value);
}

#[cfg(test)]
mod tests {
    use gateway_sdk::Body;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) {
            (name.parse().expect("a name"), value.parse().expect("a value"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn toward(headers: HeaderMap, body: Body, client: Option<&HeaderValue>) -> HeaderMap {
        let mut request = Request::from(hyper::Request::new(body));
        *request.headers_mut() = headers;
        toward_upstream(&mut request, client);
        request.headers().clone()
    }

    fn sent(pairs: &[(&str, &str)], body: Body) -> Vec<String> {
        let mut headers = headers(pairs);
        from_client(&mut headers);
        let headers = toward(headers, body, Some(&forwarded(IpAddr::from([10, 0, 0, 1]))));
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap_or("?"));
        let mut lines: Vec<_> = headers.iter().map(line).filter(|line| !line.starts_with("user-agent: gw/")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn hop_by_hop_headers_stop_here_and_so_does_what_connection_names() {
        let hop = [
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "5"),
            ("proxy-connection", "x"),
            ("proxy-authenticate", "x"),
            ("proxy-authorization", "x"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("te", "gzip"),
            ("x-kept", "1"),
        ];
        assert_eq!(sent(&hop, Body::empty()), ["x-forwarded-for: 10.0.0.1", "x-kept: 1"]);
    }

    /// Each alone: what is found by its length must be found whatever else is there.
    #[test]
    fn no_name_is_overlooked() {
        for name in OF_CLIENTS.iter().chain(&OF_UPSTREAMS) {
            let mut headers = headers(&[(name.as_str(), "x"), ("x-kept", "1")]);
            assert!(Present::look(&headers).hop, "{name}");
            headers = toward(headers, Body::empty(), None);
            assert!(!headers.contains_key(name), "{name}");
            assert!(headers.contains_key("x-kept"));
        }
        for name in &OF_UPSTREAMS {
            let mut headers = headers(&[(name.as_str(), "x-private"), ("x-kept", "1")]);
            toward_client(&mut headers);
            assert!(!headers.contains_key(name), "{name}");
            assert!(headers.contains_key("x-kept"));
        }
    }

    #[test]
    fn what_is_a_clients_hop_alone_stays_on_the_way_back() {
        let mut headers = headers(&[("te", "x"), ("expect", "x"), ("trailer", "x-sum"), ("user-agent", "x")]);
        toward_client(&mut headers);
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn one_host_is_one() {
        let count = |hosts: &[&str]| {
            let pairs: Vec<_> = hosts.iter().map(|host| ("host", *host)).chain([("a", "1"), ("a", "2")]).collect();
            from_client(&mut headers(&pairs))
        };
        assert_eq!(count(&["x"]), Hosts::One);
        assert_eq!(count(&[]), Hosts::None);
        assert_eq!(count(&["x", "x"]), Hosts::Several);
    }

    #[test]
    fn te_keeps_trailers_alone() {
        assert_eq!(sent(&[("te", "gzip, trailers")], Body::empty()), ["te: trailers", "x-forwarded-for: 10.0.0.1"]);
    }

    #[test]
    fn the_client_is_appended_to_those_before_it() {
        let before = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2, 3.3.3.3")];
        assert_eq!(sent(&before, Body::empty()), ["x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1"]);
    }

    #[test]
    fn content_length_is_that_of_the_body_whatever_was_said() {
        let lie = [("content-length", "99")];
        assert_eq!(sent(&lie, Body::from("four")), ["content-length: 4", "x-forwarded-for: 10.0.0.1"]);
        assert_eq!(sent(&lie, Body::empty()), ["content-length: 0", "x-forwarded-for: 10.0.0.1"]);
        assert_eq!(sent(&[], Body::from("four")), ["content-length: 4", "x-forwarded-for: 10.0.0.1"]);
    }

    #[test]
    fn a_client_without_a_user_agent_gets_ours() {
        let headers = toward(headers(&[]), Body::empty(), None);
        assert!(headers[USER_AGENT].to_str().is_ok_and(|agent| agent.starts_with("gw/")));
    }
}
