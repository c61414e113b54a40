//! Every error a client can see: its status, its words, whose fault it was. The only place where errors become HTTP.
//!
//! The client's words and the log's words are two things: plugin names, addresses and reasons stay in the log.
//! Source: Tyk, `gateway/handler_error.go`.
//!
//! | to find | look in |
//! |---|---|
//! | what is told of errors that other modules find | `error/told.rs` |
//! | the body, in JSON or XML | `error/written.rs`; templates of it, `error/text.rs` |
//! | what errors are called in the configuration | `error/kinds.rs` |
//! | other answers in their place | `error/overrides.rs` |

mod field;
pub(crate) mod kinds;
pub(crate) mod overrides;
pub(crate) mod text;
mod told;
mod written;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use gateway_model::Hook;
use gateway_sdk::http::header::CONNECTION;
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
use overrides::{ApiOverrides, Overrides, Seen};
use text::Templates;
pub(crate) use written::{body, plain};

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
    #[error("the request is refused: {}", .0.message)]
    RequestRefused(Box<BodyRefusal>),
    #[error("there is no such mock: {}", .0.detail)]
    Mock(Box<MockRefusal>),
    #[error("the response's body is over {limit_bytes} bytes")]
    ResponseTooLarge { limit_bytes: usize },
    #[error("the response's body broke off: {0}")]
    ResponseBroken(BodyError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// What the configuration says of the words of errors. Source: gateway.md §5.11.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    pub(crate) templates: Templates,
    /// By [`RequestError::id`].
    pub(crate) messages: BTreeMap<&'static str, Message>,
    pub(crate) overrides: Option<Overrides>,
    /// The header that says whose errors they are is left out.
    pub(crate) hides_generator: bool,
}

/// What a client is told in place of the gateway's words; what is `None` stays as it is.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) status: Option<StatusCode>,
    pub(crate) text: Option<String>,
}

/// The status that somebody asks for; 0 is none.
///
/// # Errors
/// Where it cannot end a request.
pub(crate) fn final_status(code: u16) -> Result<Option<StatusCode>, String> {
    match StatusCode::from_u16(code) {
        _ if code == 0 => Ok(None),
        Ok(status) if (200..600).contains(&code) => Ok(Some(status)),
        _ => Err(format!("`{code}` is no status code that can end a request; write one from 200 to 599")),
    }
}

/// What the client of an unsigned token is told, as the definition says.
#[derive(Debug, Clone)]
pub(crate) struct TokenRefusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// What the client of a request, or of a body, that is not what it should be is told.
#[derive(Debug, Clone)]
pub(crate) struct BodyRefusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// Why there is no example to answer with.
#[derive(Debug, Clone)]
pub(crate) struct MockRefusal {
    pub(crate) detail: String,
    /// Of who asked for it: the client by its headers, or the definition.
    pub(crate) fault: Fault,
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
            Self::Version(error) => told::version(error),
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
            Self::Jwt(error) => told::jwt(error),
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
            Self::BodyRefused(told) | Self::RequestRefused(told) => (told.status, "", Client),
            Self::Mock(told) => (StatusCode::INTERNAL_SERVER_ERROR, "", told.fault),
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
            Self::Forward(error) => told::upstream(error),
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
        self.response_at(config, request, None)
    }

    /// The same for a request to an API, which may have other answers.
    pub(crate) fn response_at(
        &self,
        config: &Config,
        request: &HeaderMap,
        overrides: Option<&ApiOverrides>,
    ) -> Response {
        let (status, message, fault) = self.told();
        let errors = &*config.errors;
        let other = self.id().and_then(|id| errors.messages.get(id));
        let status = other.and_then(|other| other.status).unwrap_or(status);
        metrics::answered(status, fault);
        self.count();
        let mut response = match self.words(status, message) {
            None => plain(status, message),
            Some(words) => {
                let words = other.and_then(|other| other.text.as_deref()).map_or(words, Cow::Borrowed);
                told(errors, request, (Response::new(status), &words), self.flag(), overrides)
            }
        };
        // What is left of the body is read no more, and so nothing behind it.
        if matches!(self, Self::Host | Self::BodyTooLarge { .. } | Self::Forward(ForwardError::Body(_))) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// What its body tells the client; `None` where that is a text without the template.
    fn words(&self, status: StatusCode, message: &'static str) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::NotRouted | Self::Host | Self::Connect | Self::Forward(ForwardError::AllDown) => return None,
            Self::CertificateDenied { sha256 } => format!("Certificate with SHA256 {sha256} not allowed").into(),
            Self::TokenSignature(_, told) => told.message.as_str().into(),
            Self::BodyRefused(told) | Self::RequestRefused(told) => told.message.as_str().into(),
            Self::Mock(told) => format!("failed to mock response: mock: {}", told.detail).into(),
            Self::LoopTooDeep(most) => {
                format!("Loop level too deep. Found more than {most} loops in single request").into()
            }
            Self::SchemeMissing(scheme) => format!("security scheme {scheme} is not configured").into(),
            _ if status == StatusCode::PAYLOAD_TOO_LARGE => return None,
            _ => message.into(),
        })
    }
}

/// The gateway's error with a message, or what is answered in its place.
pub(crate) fn told(
    errors: &Errors,
    request: &HeaderMap,
    (head, message): (Response, &str),
    flag: Option<&'static str>,
    overrides: Option<&ApiOverrides>,
) -> Response {
    let seen = Seen { status: head.status(), flag, text: message.as_bytes() };
    match overrides.and_then(|overrides| overrides.find(seen)) {
        Some(rule) => rule.write(errors, request, head, Some(message)),
        None => body(errors, request, head, message),
    }
}
