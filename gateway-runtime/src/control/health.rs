//! `/hello` and `/ready`. Source: Tyk, `gateway/health_check.go`.

use gateway_sdk::{Method, Response, StatusCode};
use serde_json::json;

use super::{reply, status};
use crate::gateway::{Gateway, Phase};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The process lives.
pub(super) fn hello(method: &Method) -> Response {
    if method != Method::GET {
        return not_allowed();
    }
    reply(StatusCode::OK, &json!({ "status": "pass", "version": VERSION, "description": "gw", "details": {} }))
}

/// The process serves requests.
pub(super) fn ready(gateway: &Gateway, method: &Method) -> Response {
    if method != Method::GET {
        return not_allowed();
    }
    match gateway.phase() {
        Phase::Serving => reply(
            StatusCode::OK,
            &json!({ "status": "pass", "version": VERSION, "description": "gw Ready", "details": {} }),
        ),
        Phase::Starting => {
            status(StatusCode::SERVICE_UNAVAILABLE, "error", "A successful API reload did not happen")
        }
        Phase::Draining => status(StatusCode::SERVICE_UNAVAILABLE, "error", "Gateway is shutting down"),
    }
}

fn not_allowed() -> Response {
    status(StatusCode::METHOD_NOT_ALLOWED, "error", "Method Not Allowed")
}
