//! Where an API's requests go: `proxy.target_url`, taken apart once, when the API loads.
//!
//! Source: Tyk, `gateway/reverse_proxy.go`, `gateway/api_definition.go`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use gateway_model::Proxy;
use gateway_sdk::http::header::PROXY_AUTHORIZATION;
use gateway_sdk::http::uri::{InvalidUri, PathAndQuery, Scheme};
use gateway_sdk::{HeaderValue, Request, Uri};

use super::transport::{ForwardProxy, Transport};
use crate::tls::client::TlsClient;

/// A server that connections are made to, and pooled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) speech: Speech,
    pub(crate) proxy: Option<Arc<ForwardProxy>>,
}

/// What is spoken with a server. Connections with different settings of TLS are never taken for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Speech {
    /// HTTP/1.1 in the clear.
    Plain,
    /// HTTP/2 in the clear, which is known to be understood.
    H2c,
    Tls(Arc<TlsClient>),
}

impl Origin {
    /// Whether there is more to it than HTTP/1.1 on a TCP connection to the origin itself.
    pub(crate) fn is_special(&self) -> bool {
        self.speech != Speech::Plain || self.proxy.is_some()
    }

    /// Makes a request's target what a proxy must see: for a plain origin, all of the URL. RFC 9112 §3.2.2.
    ///
    /// # Errors
    /// When the origin's name cannot be in a URL.
    pub(super) fn address(&self, request: &mut Request) -> Result<(), TargetError> {
        let Some(proxy) = self.proxy.as_ref().filter(|_| self.speech == Speech::Plain) else { return Ok(()) };
        let syntax = |error: &dyn fmt::Display| TargetError::Syntax(error.to_string());
        let mut parts = request.uri().clone().into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.to_string().parse().map_err(|error: InvalidUri| syntax(&error))?);
        request.set_uri(Uri::from_parts(parts).map_err(|error| syntax(&error))?);
        if let Some(authorization) = &proxy.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        Ok(())
    }

    /// Whether requests are, or may be, sent by HTTP/2.
    pub(crate) fn may_speak_http2(&self) -> bool {
        match &self.speech {
            Speech::Plain => false,
            Speech::H2c => true,
            Speech::Tls(tls) => tls.offers_http2(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// An upstream, and what its requests' paths begin with.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) origin: Arc<Origin>,
    /// The `Host` header: the authority as written.
    pub(crate) host: HeaderValue,
    path: String,
    query: Option<String>,
    keep_slash: bool,
}

/// A URL that requests cannot be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("not a URL: {0}")]
    Syntax(String),
    #[error("no host: write `http://host[:port][/path]`")]
    NoHost,
    #[error("the port is not a number up to 65535")]
    Port,
    #[error(
        "`{0}` upstreams are not served by this gateway: schemes are `http`, `https`, `h2c`, `ws`, `wss` and `tyk`"
    )]
    Scheme(String),
}

/// Where requests would go of an API whose target is another API. They never get there: the name is nobody's. Source:
/// RFC 2606 §2.
pub(crate) const NOWHERE: &str = "http://tyk.invalid/";

impl Target {
    /// A target of a definition.
    ///
    /// # Errors
    /// When it is not a URL of a scheme that is served.
    pub(crate) fn parse(url: &str, proxy: &Proxy, transport: &Transport) -> Result<Self, TargetError> {
        let uri = url.parse::<Uri>().map_err(|error| TargetError::Syntax(error.to_string()))?;
        let mut target = Self::of(&uri, transport)?;
        target.keep_slash = proxy.disable_strip_slash;
        Ok(target)
    }

    /// # Errors
    /// When the URI is not absolute, or of another scheme.
    pub(crate) fn of(uri: &Uri, transport: &Transport) -> Result<Self, TargetError> {
        let (secure, h2c) = match uri.scheme_str() {
            Some("http") => (false, transport.h2c),
            Some("h2c") => (false, true),
            // WebSocket begins as HTTP/1.1.
            Some("ws") => (false, false),
            Some("https" | "wss") => (true, false),
            Some(other) => return Err(TargetError::Scheme(other.to_owned())),
            None => return Err(TargetError::NoHost),
        };
        let authority = uri.authority().ok_or(TargetError::NoHost)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(TargetError::NoHost);
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if ends_with_port(authority.as_str()) => return Err(TargetError::Port),
            None if secure => 443,
            None => 80,
        };
        let speech = match (secure, h2c) {
            (true, _) => Speech::Tls(Arc::clone(transport.tls(&host, port))),
            (false, true) => Speech::H2c,
            (false, false) => Speech::Plain,
        };
        // Credentials in a URL are for the URL's reader, not for the `Host` header.
        let shown = authority.as_str().rsplit('@').next().unwrap_or_default();
        let syntax = |error: &dyn fmt::Display| TargetError::Syntax(error.to_string());
        Ok(Self {
            origin: Arc::new(Origin { host, port, speech, proxy: transport.proxy.clone() }),
            host: HeaderValue::from_str(shown).map_err(|error| syntax(&error))?,
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            keep_slash: false,
        })
    }

    /// The target of a request: this target's path, the request's, and both queries.
    pub(crate) fn join(&self, path: &str, query: Option<&str>) -> Option<PathAndQuery> {
        let rest = path.trim_start_matches('/');
        let (base, slash) = match (self.path.trim_end_matches('/'), rest) {
            (_, "") if self.keep_slash => (self.path.as_str(), ""),
            ("", "") => ("/", ""),
            (base, "") => (base, ""),
            (base, _) => (base, "/"),
        };
        let queries = [self.query.as_deref(), query].map(Option::unwrap_or_default);
        let marks = match queries {
            ["", ""] => ["", ""],
            [_, ""] => ["?", ""],
            ["", _] => ["", "?"],
            [_, _] => ["?", "&"],
        };
        // Of exactly this size: it becomes the target without another copy.
        let parts = [base, slash, rest, marks[0], queries[0], marks[1], queries[1]];
        let mut joined = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| joined.push_str(part));
        as_target(joined)
    }

    /// The path of a request at the upstream; `None` where it is the request's own.
    pub(crate) fn join_path(&self, path: &str) -> Option<String> {
        let base = self.path.trim_end_matches('/');
        (!base.is_empty()).then(|| format!("{base}/{}", path.trim_start_matches('/')))
    }

    /// The same server, with nothing before a request's own path and query.
    pub(crate) fn without_path(self) -> Self {
        Self { path: "/".to_owned(), query: None, ..self }
    }

    /// Whether a request's own path and query are already the target's.
    pub(crate) fn is_bare(&self) -> bool {
        self.path == "/" && self.query.is_none()
    }
}

/// A path and a query as the target of a request, without another copy.
pub(super) fn as_target(text: String) -> Option<PathAndQuery> {
    PathAndQuery::from_maybe_shared(Bytes::from(text)).ok()
}

/// Whether an authority has a colon after its host, whatever follows.
fn ends_with_port(authority: &str) -> bool {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let after_brackets = host.rsplit(']').next().unwrap_or_default();
    after_brackets.split_once(':').is_some_and(|(_, port)| !port.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Outbound;

    fn of(url: &str) -> Result<Target, TargetError> {
        let transport = Transport::plain(&Outbound::default()).expect("a transport");
        Target::of(&url.parse().expect("a URI"), &transport)
    }

    impl Target {
        pub(crate) fn plain(url: &str) -> Self {
            of(url).expect("a target")
        }
    }

    fn target(url: &str) -> Target {
        Target::plain(url)
    }

    fn joined(url: &str, path: &str, query: Option<&str>) -> String {
        target(url).join(path, query).expect("a path").to_string()
    }

    #[test]
    fn paths_join_with_one_slash() {
        assert_eq!(joined("http://up/base/", "/x", None), "/base/x");
        assert_eq!(joined("http://up/base", "/x/", None), "/base/x/");
        assert_eq!(joined("http://up", "/x", None), "/x");
        assert_eq!(joined("http://up/", "/", None), "/");
    }

    #[test]
    fn an_empty_rest_loses_the_targets_slash_unless_told() {
        assert_eq!(joined("http://up/base/", "/", None), "/base");
        let kept = Target { keep_slash: true, ..target("http://up/base/") };
        assert_eq!(kept.join("/", None).expect("a path"), "/base/");
    }

    #[test]
    fn both_queries_go_the_targets_first() {
        assert_eq!(joined("http://up/?a=1", "/x", Some("b=2")), "/x?a=1&b=2");
        assert_eq!(joined("http://up/", "/x", Some("b=2")), "/x?b=2");
        assert_eq!(joined("http://up/?a=1", "/x", None), "/x?a=1");
    }

    #[test]
    fn an_origin_has_a_port_and_no_brackets() {
        assert_eq!(target("http://up").origin.to_string(), "up:80");
        assert_eq!(target("h2c://up").origin.to_string(), "up:80");
        assert_eq!(target("https://up").origin.to_string(), "up:443");
        assert_eq!(target("wss://up").origin.to_string(), "up:443");
        assert_eq!(target("http://[::1]:81/").origin.to_string(), "[::1]:81");
        assert_eq!(target("http://[::1]:81/").origin.host, "::1");
    }

    #[test]
    fn the_scheme_says_what_is_spoken() {
        let speech = |url: &str| target(url).origin.speech.clone();
        assert_eq!(speech("http://up"), Speech::Plain);
        assert_eq!(speech("ws://up"), Speech::Plain);
        assert_eq!(speech("h2c://up"), Speech::H2c);
        assert!(matches!(speech("https://up"), Speech::Tls(_)));
        assert!(matches!(speech("wss://up"), Speech::Tls(_)));
    }

    #[test]
    fn the_host_header_is_the_authority_without_credentials() {
        assert_eq!(target("http://user:pass@up:8080/").host, "up:8080");
    }

    #[test]
    fn what_cannot_be_forwarded_to_is_refused_in_words() {
        let refused = |url: &str| of(url).expect_err("no target").to_string();
        assert!(refused("ftp://up/").starts_with("`ftp` upstreams are not served"));
        assert_eq!(refused("http://up:99999/"), "the port is not a number up to 65535");
        assert_eq!(refused("/path"), "no host: write `http://host[:port][/path]`");
    }
}
