//! The bodies that answers of the control API have: JSON and a line's end. Source: gateway.md §2.1.

use gateway_sdk::http::header::{ALLOW, CONTENT_TYPE};
use gateway_sdk::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// What became of a key, an API or a policy.
#[derive(Serialize)]
struct Changed<'a> {
    key: &'a str,
    status: &'static str,
    action: &'a str,
}

/// All is well.
pub(super) fn ok(message: &str) -> Response {
    status(StatusCode::OK, "ok", message)
}

/// Something is not.
pub(super) fn error(code: StatusCode, message: &str) -> Response {
    status(code, "error", message)
}

/// The path is known by other methods, which are told. Source: RFC 9110 §15.5.6.
pub(super) fn wrong_method(message: &str, allowed: &str) -> Response {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, message);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// `action` is `added`, `modified` or `deleted`.
pub(super) fn changed(key: &str, action: &str) -> Response {
    json(StatusCode::OK, &Changed { key, status: "ok", action })
}

pub(super) fn status(code: StatusCode, status: &str, message: &str) -> Response {
    #[derive(Serialize)]
    struct Status<'a> {
        status: &'a str,
        message: &'a str,
    }
    json(code, &Status { status, message })
}

/// Any value.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            Response::new(status)
                .with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .with_body(body)
        }
        Err(error) => {
            tracing::error!(%error, "a control response cannot be written as JSON");
            Response::new(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
