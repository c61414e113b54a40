//! Which refusal of a request is which event, and what is told of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_sdk::Request;
use gateway_sdk::exchange::Exchange;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Handlers, Kind};
use crate::apis::listen_path::decoded;
use crate::chain::Stop;
use crate::client_ip::client_ip;
use crate::config::Trust;
use crate::error::RequestError;
use crate::middleware;
use crate::middleware::jwt::JwtError;

/// Raises the event of a request that came to no upstream, if it is one.
#[cold]
pub(crate) fn stopped(handlers: &Handlers, stop: &Stop, exchange: &Exchange, trust: Trust) {
    match stop {
        Stop::Error(error) => refused(handlers, error, exchange, trust),
        // Whichever hook it is in. Source: plugin-system.md §4.4.
        Stop::Answer(head) | Stop::Refused { head, .. } if head.status() == StatusCode::FORBIDDEN => {
            let key = "n/a".to_owned();
            handlers.raise(Kind::AuthFailure, || meta("Auth Failure", key, exchange, trust));
        }
        Stop::Answer(_) | Stop::Refused { .. } | Stop::Reply(_) | Stop::Elsewhere(_) => {}
    }
}

/// Raises the event that a refusal is, if it is one.
#[cold]
pub(crate) fn refused(handlers: &Handlers, error: &RequestError, exchange: &Exchange, trust: Trust) {
    if let Some((kind, message)) = event(error) {
        handlers.raise(kind, || {
            let mut meta = meta(message, key(kind, error, exchange), exchange, trust);
            if kind == Kind::VersionFailure {
                meta["Reason"] = error.message().into();
            }
            meta
        });
    }
}

/// Source: Tyk, the `FireEvent` of each step.
fn event(error: &RequestError) -> Option<(Kind, &'static str)> {
    use RequestError as E;
    Some(match error {
        E::CredentialUnknown
        | E::CredentialSecret
        | E::CertificateMismatch
        | E::CertificateUnknown
        | E::UserUnknown
        | E::Signature(_) => (Kind::AuthFailure, "Auth Failure"),
        E::Jwt(JwtError::Missing) => return None,
        E::Jwt(_) => (Kind::AuthFailure, "Auth Failure"),
        E::KeyInactive => (Kind::KeyExpired, "Attempted access from inactive key."),
        E::KeyExpired => (Kind::KeyExpired, "Attempted access from expired key."),
        E::Version(_) => (Kind::VersionFailure, "Attempted access to disallowed version / path."),
        E::RateLimited => (Kind::RateLimitExceeded, "Key Rate Limit Exceeded"),
        E::ApiRateLimited => (Kind::RateLimitExceeded, "API Rate Limit Exceeded"),
        E::QuotaExceeded => (Kind::QuotaExceeded, "Key Quota Limit Exceeded"),
        E::OrganisationRateLimited => (Kind::OrgRateLimitExceeded, "Organisation rate limit has been exceeded"),
        E::OrganisationQuotaExceeded => (Kind::OrgQuotaExceeded, "Organisation quota has been exceeded"),
        _ => return None,
    })
}

/// Whose an event is.
fn key(kind: Kind, error: &RequestError, exchange: &Exchange) -> String {
    let api = exchange.ctx.api();
    match kind {
        Kind::OrgRateLimitExceeded | Kind::OrgQuotaExceeded => api.org_id.clone(),
        Kind::VersionFailure => String::new(),
        _ if matches!(error, RequestError::ApiRateLimited) => format!("apilimiter-{}{}", api.org_id, api.api_id),
        _ => match exchange.caller.session() {
            Some(session) => session.key_id.clone(),
            None => middleware::token_of(api, &exchange.request).unwrap_or_default(),
        },
    }
}

/// Source: Tyk, `EventKeyFailureMeta`, `EventVersionFailureMeta`.
fn meta(message: &str, key: String, exchange: &Exchange, trust: Trust) -> Value {
    let origin = client_ip(exchange, trust.xff_depth).map(|address| address.to_string()).unwrap_or_default();
    json!({
        "Message": message,
        "OriginatingRequest": STANDARD.encode(head(&exchange.request)),
        "Path": decoded(exchange.request.path()),
        "Origin": origin,
        "Key": key,
    })
}

/// The head of a request, as HTTP/1.1 writes it. Its body may be gone, or on its way.
fn head(request: &Request) -> Vec<u8> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
