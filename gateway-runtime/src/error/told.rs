//! What clients are told of errors that other modules find: status, words, and whose fault it is.

use gateway_sdk::{BodyError, StatusCode};

use super::{BODY, Fault, INTERNAL, PROXYING, TOO_LARGE};
use crate::middleware::jwt::JwtError;
use crate::middleware::version_check::VersionError;
use crate::serve::body::Stalled;
use crate::upstream::ForwardError;

/// Of a request that no version, or no path of one, serves. Source: gateway.md §5.4.
pub(super) fn version(error: &VersionError) -> (StatusCode, &'static str, Fault) {
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

/// Of a request that was not answered by its upstream.
pub(super) fn upstream(error: &ForwardError) -> (StatusCode, &'static str, Fault) {
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

/// Of a JSON web token. Source: gateway.md §5.11.
pub(super) fn jwt(error: &JwtError) -> (StatusCode, &'static str, Fault) {
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
