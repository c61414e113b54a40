//! Every error a client can see: its status, its words, whose fault it was. The only place where errors become HTTP.
//!
//! The client's words and the log's words are two things: plugin names, addresses and reasons stay in the log.
//! Source: Tyk, `gateway/handler_error.go`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use gateway_model::Hook;
use gateway_sdk::http::header::{CONNECTION, CONTENT_TYPE, HeaderName};
use gateway_sdk::{BodyError, HeaderMap, HeaderValue, Response, StatusCode};

use crate::certificates::LookUpError;
use crate::config::Config;
use crate::keyring::{Busy, KeyError};
use crate::metrics::{self, Refused, UpstreamFailed};
use crate::middleware::basic_auth::credentials::NoCredentials;
use crate::middleware::http_signature::SignatureError;
use crate::middleware::jwt::JwtError;
use crate::middleware::token_signature::TokenSignatureError;
use crate::middleware::version_check::VersionError;
use crate::serve::body::Stalled;
use crate::session::apply::ApplyError;
use crate::storage::StoreError;
use crate::upstream::ForwardError;

/// Why a request got an answer that neither the upstream nor a plugin wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("no API listens on this path")]
    NotRouted,
    #[error("not one `Host` header")]
    Host,
    #[error("`CONNECT` asks for a tunnel")]
    Connect,
    #[error("the definition has fields that guard access and that this gateway does not honour: {}", .0.join(", "))]
    UnhonouredGuards(Vec<String>),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error("the API does not load: {0}")]
    Broken(String),
    #[error("plugin `{name}` of hook `{hook}` is not in this binary")]
    UnresolvedPlugin { name: String, hook: Hook },
    #[error("plugin `{plugin}` panicked in hook `{hook}`: {message}")]
    PluginPanicked { plugin: &'static str, hook: Hook, message: String },
    #[error("plugin `{plugin}` took longer than {} in hook `{hook}`", humantime::format_duration(*.limit))]
    PluginTimedOut { plugin: &'static str, hook: Hook, limit: Duration },
    #[error(
        "plugin `{plugin}` of hook `{hook}` is `blocking`, and no thread can be had for it: too many calls wait already; \
         raise `plugins.threads`"
    )]
    PluginsBusy { plugin: &'static str, hook: Hook },
    #[error("a plugin answered with status {status}, which cannot end a request")]
    NotFinal { status: StatusCode },
    #[error("the session of plugin `{plugin}` cannot have its policies: {error}")]
    PluginPolicies { plugin: &'static str, error: ApplyError },
    #[error("no session is set")]
    SessionMissing,
    #[error("{} is not an address that the API lets in", told_address(*.0))]
    AddressDenied(Option<IpAddr>),
    #[error("the API asks for a client certificate, and the connection has no TLS")]
    TlsMissing,
    #[error("the client showed no certificate")]
    CertificateMissing,
    #[error("the client's certificate with SHA-256 `{sha256}` is not allowed")]
    CertificateDenied { sha256: String },
    #[error("the client's certificate has expired")]
    CertificateExpired,
    #[error("the client showed no certificate, which stands for a key here")]
    ClientCertificateMissing,
    #[error("no key is for the client's certificate, or the key is bound to others")]
    CertificateMismatch,
    #[error("the certificate is not in the store")]
    CertificateUnknown,
    #[error(transparent)]
    CertificateFailed(LookUpError),
    #[error("the session is inactive")]
    KeyInactive,
    #[error("the session has expired")]
    KeyExpired,
    #[error("the session does not give access to this API")]
    AccessDenied,
    #[error("the session does not give access to this URL with this method")]
    ResourceDenied,
    #[error("no credential")]
    CredentialMissing,
    #[error("the credential is not known")]
    CredentialUnknown,
    #[error("the key is that of a user or a signer, and no token: it counts with its password or a signature alone")]
    CredentialSecret,
    #[error("no name and password: {}", .0.as_str())]
    NoPassword(NoCredentials),
    #[error("the user is not known, or the password is not theirs")]
    UserUnknown,
    #[error(transparent)]
    PasswordsBusy(Busy),
    #[error(transparent)]
    Signature(SignatureError),
    #[error("the token is not signed: {0}")]
    TokenSignature(TokenSignatureError, Box<TokenRefusal>),
    #[error(transparent)]
    KeyFailed(KeyError),
    #[error(transparent)]
    Jwt(JwtError),
    #[error("the key has come more often than its rate allows, or its limits are for other APIs")]
    RateLimited,
    #[error("the API, or this path of it, was called more often than its rate allows")]
    ApiRateLimited,
    #[error("the rate cannot be counted: {0}")]
    RateUnknown(StoreError),
    #[error("the quota of the key is used up")]
    QuotaExceeded,
    #[error("the quota of the key cannot be counted: {0}")]
    QuotaUnknown(StoreError),
    #[error("the API has no way of authentication for the security scheme `{0}` of its OpenAPI document")]
    SchemeMissing(String),
    #[error("the organisation of the API is inactive")]
    OrganisationInactive,
    #[error(
        "the APIs of the organisation were called more often than its rate allows, or its limits are for other APIs"
    )]
    OrganisationRateLimited,
    #[error("the quota of the organisation is used up")]
    OrganisationQuotaExceeded,
    #[error("the quota of the organisation cannot be counted: {0}")]
    OrganisationQuotaUnknown(StoreError),
    #[error("the request went round more than {0} times: see where `tyk://` in `url_rewrites` leads")]
    LoopTooDeep(u32),
    #[error("no API has the id or the name `{0}`, where `tyk://` in `url_rewrites` leads")]
    LoopTarget(String),
    #[error("no API has the id or the name `{0}`, which is in `proxy.target_url`")]
    TargetApi(String),
    #[error("`to_method` of this path is no method that requests may be given")]
    MethodRefused,
    #[error("the request's body is over {limit_bytes} bytes")]
    BodyTooLarge { limit_bytes: u64 },
    #[error("the client does not say how large the body is, and the API limits that")]
    LengthMissing,
    #[error("`Content-Length` is no number")]
    LengthInvalid,
    #[error("the request's body has {size_bytes} bytes, and may have {limit_bytes} here")]
    OverSize { size_bytes: u64, limit_bytes: u64 },
    #[error("the request's body is refused: {}", .0.message)]
    BodyRefused(Box<BodyRefusal>),
    #[error("the response's body is over {limit_bytes} bytes")]
    ResponseTooLarge { limit_bytes: usize },
    #[error("the response's body broke off: {0}")]
    ResponseBroken(BodyError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// What the client of an unsigned token is told, as the definition says.
#[derive(Debug, Clone)]
pub(crate) struct TokenRefusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// What the client of a body that is not what it should be is told.
#[derive(Debug, Clone)]
pub(crate) struct BodyRefusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// Who has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Client,
    Plugin,
    Definition,
    Upstream,
    /// Whoever runs the store of keys and counters.
    Store,
}

impl Fault {
    /// In the order of their declaration.
    pub(crate) const ALL: [Self; 5] = [Self::Client, Self::Plugin, Self::Definition, Self::Upstream, Self::Store];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Plugin => "plugin",
            Self::Definition => "definition",
            Self::Upstream => "upstream",
            Self::Store => "store",
        })
    }
}

/// A client whose address nobody tells who is believed has none.
fn told_address(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "no address at all".to_owned(), |address| format!("`{address}`"))
}

const DISALLOWED: &str = "Access to this API has been disallowed";
const INTERNAL: &str = "Internal Server Error";
const BODY: &str = "There was a problem with reading Body of the Request.";
const PROXYING: &str = "There was a problem proxying the request";
const TOO_LARGE: &str = "Request Entity Too Large\n";
const ORGANISATION_DISABLED: &str = "this organisation access has been disabled, please contact your API administrator";
const ORGANISATION_RATE: &str = "This organisation rate limit has been exceeded, please contact your API administrator";
const ORGANISATION_QUOTA: &str = "This organisation quota has been exceeded, please contact your API administrator";

impl RequestError {
    /// Status, the client's words, and whose fault it is.
    fn told(&self) -> (StatusCode, &'static str, Fault) {
        use Fault::{Client, Definition, Plugin, Store};
        match self {
            Self::NotRouted => (StatusCode::NOT_FOUND, "Not Found", Client),
            Self::Host => (StatusCode::BAD_REQUEST, "Bad Request", Client),
            Self::Connect => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", Client),
            Self::UnhonouredGuards(_) | Self::Broken(_) | Self::UnresolvedPlugin { .. } | Self::SchemeMissing(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, Definition)
            }
            Self::Version(error) => version(error),
            Self::PluginPanicked { .. } | Self::NotFinal { .. } | Self::PluginPolicies { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, Plugin)
            }
            Self::PluginTimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout", Plugin),
            Self::PluginsBusy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", Plugin),
            Self::SessionMissing => (
                StatusCode::BAD_REQUEST,
                "Session state is missing or unset! Please make sure that auth headers are properly applied",
                Plugin,
            ),
            Self::AddressDenied(_) => (StatusCode::FORBIDDEN, "access from this IP has been disallowed", Client),
            Self::TlsMissing => (StatusCode::FORBIDDEN, "TLS not enabled", Client),
            Self::CertificateMissing => (StatusCode::FORBIDDEN, "Client TLS certificate is required", Client),
            Self::CertificateDenied { .. } => (StatusCode::FORBIDDEN, "Certificate not allowed", Client),
            Self::CertificateExpired => (StatusCode::FORBIDDEN, "Certificate has expired", Client),
            Self::ClientCertificateMissing => (StatusCode::UNAUTHORIZED, "Client certificate required", Client),
            Self::CertificateMismatch => (StatusCode::UNAUTHORIZED, DISALLOWED, Client),
            Self::KeyInactive => (StatusCode::FORBIDDEN, "Key is inactive, please renew", Client),
            Self::KeyExpired => (StatusCode::UNAUTHORIZED, "Key has expired, please renew", Client),
            Self::AccessDenied | Self::CredentialUnknown | Self::CredentialSecret | Self::CertificateUnknown => {
                (StatusCode::FORBIDDEN, DISALLOWED, Client)
            }
            // With a key that may be known, and cannot be asked about, nobody is let in.
            Self::KeyFailed(KeyError::Policies(_)) => (StatusCode::FORBIDDEN, DISALLOWED, Definition),
            Self::KeyFailed(_) | Self::CertificateFailed(_) => (StatusCode::FORBIDDEN, DISALLOWED, Store),
            Self::Jwt(error) => jwt(error),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Rate Limit Exceeded", Client),
            Self::ApiRateLimited => (StatusCode::TOO_MANY_REQUESTS, "API Rate Limit Exceeded", Client),
            Self::RateUnknown(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "there was a problem proxying the request", Store)
            }
            Self::QuotaExceeded => (StatusCode::FORBIDDEN, "Quota exceeded", Client),
            Self::QuotaUnknown(_) => (StatusCode::FORBIDDEN, "Quota exceeded", Store),
            Self::ResourceDenied => (StatusCode::FORBIDDEN, "Access to this resource has been disallowed", Client),
            Self::NoPassword(NoCredentials::Missing) => {
                (StatusCode::UNAUTHORIZED, NoCredentials::Missing.as_str(), Client)
            }
            Self::NoPassword(none) => (StatusCode::BAD_REQUEST, none.as_str(), Client),
            Self::UserUnknown => (StatusCode::UNAUTHORIZED, "User not authorised", Client),
            Self::PasswordsBusy(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Too many passwords are being compared; try again later", Client)
            }
            Self::Signature(_) => {
                (StatusCode::BAD_REQUEST, "Authorization field missing, malformed or invalid", Client)
            }
            // What it is told is the definition's.
            Self::TokenSignature(_, told) => (told.status, "", Client),
            Self::BodyRefused(told) => (told.status, "", Client),
            Self::ResponseTooLarge { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Response body too large", Fault::Upstream)
            }
            Self::ResponseBroken(_) => (StatusCode::INTERNAL_SERVER_ERROR, PROXYING, Fault::Upstream),
            Self::CredentialMissing => (StatusCode::UNAUTHORIZED, "Authorization field missing", Client),
            Self::OrganisationInactive => (StatusCode::FORBIDDEN, ORGANISATION_DISABLED, Client),
            Self::OrganisationRateLimited => (StatusCode::FORBIDDEN, ORGANISATION_RATE, Client),
            Self::OrganisationQuotaExceeded => (StatusCode::FORBIDDEN, ORGANISATION_QUOTA, Client),
            Self::OrganisationQuotaUnknown(_) => (StatusCode::FORBIDDEN, ORGANISATION_QUOTA, Store),
            Self::LoopTooDeep(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Loop level too deep", Definition),
            Self::LoopTarget(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Can't detect loop target", Definition),
            Self::TargetApi(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Couldn't detect target", Definition),
            Self::MethodRefused => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", Definition),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, Client),
            Self::LengthMissing => (StatusCode::LENGTH_REQUIRED, "Content length is required for this request", Client),
            Self::LengthInvalid => (StatusCode::BAD_REQUEST, "content length is not a valid Integer", Client),
            Self::OverSize { .. } => (StatusCode::BAD_REQUEST, "Request is too large", Client),
            Self::Forward(error) => forward_told(error),
        }
    }

    /// What the client is told.
    pub(crate) fn message(&self) -> &'static str {
        self.told().1
    }

    pub(crate) fn fault(&self) -> Fault {
        self.told().2
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.told().0
    }

    /// Counts what a client or an upstream did, beside the answer that it led to.
    fn count(&self) {
        match self {
            Self::BodyTooLarge { .. } | Self::OverSize { .. } => metrics::client_refused(Refused::LargeBody),
            Self::Forward(error) => match error {
                ForwardError::Body(BodyError::TooLarge { .. }) => metrics::client_refused(Refused::LargeBody),
                ForwardError::Body(error) if Stalled::is(error) => metrics::client_refused(Refused::SlowBody),
                // Counted where it was found, or the client has gone.
                ForwardError::Body(_) => {}
                ForwardError::Lookup { .. } => metrics::upstream_failed(UpstreamFailed::Lookup),
                ForwardError::Connect { .. } | ForwardError::Tls { .. } => {
                    metrics::upstream_failed(UpstreamFailed::Connect);
                }
                ForwardError::Timeout(_) | ForwardError::Deadline(_) => {
                    metrics::upstream_failed(UpstreamFailed::Timeout);
                }
                ForwardError::Framing(_) | ForwardError::Unasked => metrics::upstream_failed(UpstreamFailed::Malformed),
                ForwardError::Exchange(error) => metrics::upstream_failed(UpstreamFailed::of(error)),
                ForwardError::Open { .. } | ForwardError::AllDown => metrics::upstream_failed(UpstreamFailed::Down),
                ForwardError::Target(_) => metrics::upstream_failed(UpstreamFailed::Other),
            },
            _ => {}
        }
    }

    /// The response. `request` are the client's headers: their `Content-Type` decides between JSON and XML.
    pub(crate) fn response(&self, config: &Config, request: &HeaderMap) -> Response {
        let (status, message, fault) = self.told();
        metrics::answered(status, fault);
        self.count();
        let mut response = match self {
            Self::NotRouted | Self::Host | Self::Connect | Self::Forward(ForwardError::AllDown) => {
                plain(status, message)
            }
            Self::CertificateDenied { sha256 } => {
                body(config, request, Response::new(status), &format!("Certificate with SHA256 {sha256} not allowed"))
            }
            Self::TokenSignature(_, told) => body(config, request, Response::new(status), &told.message),
            Self::BodyRefused(told) => body(config, request, Response::new(status), &told.message),
            Self::LoopTooDeep(most) => {
                let message = format!("Loop level too deep. Found more than {most} loops in single request");
                body(config, request, Response::new(status), &message)
            }
            Self::SchemeMissing(scheme) => {
                let message = format!("security scheme {scheme} is not configured");
                body(config, request, Response::new(status), &message)
            }
            _ if status == StatusCode::PAYLOAD_TOO_LARGE => plain(status, message),
            _ => body(config, request, Response::new(status), message),
        };
        // What is left of the body is read no more, and so nothing behind it.
        if matches!(self, Self::Host | Self::BodyTooLarge { .. } | Self::Forward(ForwardError::Body(_))) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The same for a request that no version, or no path of one, serves. Source: gateway.md §5.4.
fn version(error: &VersionError) -> (StatusCode, &'static str, Fault) {
    use Fault::{Client, Definition};
    let (message, fault) = match error {
        VersionError::Ambiguous => ("Ambiguous default API version for this non-versioned API found", Definition),
        VersionError::NoDefault => ("No default API version for this non-versioned API found", Definition),
        VersionError::Missing => ("Version information not found", Client),
        VersionError::Unknown => return (StatusCode::NOT_FOUND, "This API version does not seem to exist", Client),
        VersionError::UnknownHere => ("This API version does not seem to exist", Client),
        VersionError::TooManyApis { .. } => return (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, Definition),
        VersionError::ApiExpired => {
            ("API has expired, please check documentation or contact administrator", Definition)
        }
        VersionError::Expired => {
            ("Api Version has expired, please check documentation or contact administrator", Definition)
        }
        VersionError::Forbidden => ("Requested endpoint is forbidden", Client),
    };
    (StatusCode::FORBIDDEN, message, fault)
}

/// The same for a request that was not answered by its upstream.
fn forward_told(error: &ForwardError) -> (StatusCode, &'static str, Fault) {
    use Fault::{Client, Upstream};
    match error {
        ForwardError::Timeout(_) | ForwardError::Deadline(_) => {
            (StatusCode::GATEWAY_TIMEOUT, "Upstream service reached hard timeout.", Upstream)
        }
        ForwardError::Open { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable.", Upstream),
        ForwardError::AllDown => (StatusCode::SERVICE_UNAVAILABLE, "all hosts are down", Upstream),
        ForwardError::Lookup { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "Upstream host lookup failed", Upstream),
        ForwardError::Body(BodyError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, Client),
        ForwardError::Body(error) if Stalled::is(error) => (StatusCode::REQUEST_TIMEOUT, BODY, Client),
        ForwardError::Body(_) => (StatusCode::BAD_REQUEST, BODY, Client),
        ForwardError::Framing(_)
        | ForwardError::Target(_)
        | ForwardError::Connect { .. }
        | ForwardError::Tls { .. }
        | ForwardError::Unasked
        | ForwardError::Exchange(_) => (StatusCode::INTERNAL_SERVER_ERROR, PROXYING, Upstream),
    }
}

/// What is told of a JSON web token. Source: gateway.md §5.11.
fn jwt(error: &JwtError) -> (StatusCode, &'static str, Fault) {
    use Fault::{Client, Definition, Upstream};
    let unauthorized = |message| (StatusCode::UNAUTHORIZED, message, Client);
    let forbidden = |message| (StatusCode::FORBIDDEN, message, Client);
    match error {
        JwtError::Missing => (StatusCode::BAD_REQUEST, "Authorization field missing", Client),
        JwtError::Malformed(_)
        | JwtError::Signature
        | JwtError::NoKid
        | JwtError::UnknownKid
        | JwtError::UnknownKey
        | JwtError::KeySecret => forbidden("Key not authorized"),
        // Source: gateway.md §5.15.
        JwtError::NoKeyNamed => (StatusCode::NOT_FOUND, "Key not authorized", Client),
        JwtError::NoKeySet(_) => (StatusCode::FORBIDDEN, "Key not authorized", Upstream),
        JwtError::Method => forbidden("Key not authorized: Unexpected signing method"),
        JwtError::Expired => unauthorized("Key not authorized: token has expired"),
        JwtError::BeforeIssued => unauthorized("Key not authorized: token used before issued"),
        JwtError::NotYet => unauthorized("Key not authorized: token is not valid yet"),
        JwtError::NoIdentity => forbidden("no suitable claims for user ID were found"),
        JwtError::EmptySubject => forbidden("found an empty user ID in sub claim"),
        JwtError::EmptyIdentity => forbidden("found an empty user ID in predefined base claim"),
        JwtError::NoPolicyNamed => forbidden("key not authorized: no matching policy found"),
        JwtError::NoPolicy { .. } => forbidden("key not authorized: no matching policy"),
        JwtError::NoScopePolicy => forbidden("key not authorized: no matching policy found in scope claim"),
        JwtError::NoScopeOrPolicy => forbidden("key not authorized: no scope or policy in token"),
        JwtError::Policy(_) => (StatusCode::FORBIDDEN, "key not authorized: could not apply new policy", Definition),
        JwtError::Policies(_) => {
            (StatusCode::FORBIDDEN, "key not authorized: could not apply several policies", Definition)
        }
    }
}

/// The gateway's error body with `message`, on a response that may have headers already.
pub(crate) fn body(config: &Config, request: &HeaderMap, head: Response, message: &str) -> Response {
    let xml = request
        .get(CONTENT_TYPE)
        .filter(|value| {
            let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            [&b"application/xml"[..], b"text/xml", b"application/soap+xml"].contains(&media_type.trim_ascii())
        })
        .cloned();
    let (media_type, text) = match xml {
        Some(media_type) => (
            media_type,
            format!("<?xml version = \"1.0\" encoding = \"UTF-8\"?>\n<error>{}</error>\n", escape(message)),
        ),
        None => (
            HeaderValue::from_static("application/json"),
            format!("{{\n    \"error\": {}\n}}", serde_json::Value::from(message)),
        ),
    };
    let mut response = head.with_header(CONTENT_TYPE, media_type).with_body(text);
    if !config.hide_generator_header {
        let name = HeaderName::from_static("x-generator");
        response.headers_mut().insert(name, HeaderValue::from_static("tyk.io"));
    }
    response
}

/// A text without the template.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response {
    Response::new(status)
        .with_header(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))
        .with_header(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"))
        .with_body(text)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
