//! `/hello` and `/ready`. Source: Tyk, `gateway/health_check.go`.

use gateway_sdk::{Method, Response, StatusCode};
use serde::Serialize;

use super::{reply, status};
use crate::gateway::{Gateway, Phase};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    description: &'static str,
    /// The stores that are checked; there are none yet.
    details: Details,
}

#[derive(Serialize)]
struct Details {}

impl Health {
    fn new(description: &'static str) -> Self {
        Self { status: "pass", version: VERSION, description, details: Details {} }
    }
}

/// The process lives.
pub(super) fn hello(method: &Method) -> Response {
    if method != Method::GET {
        return not_allowed();
    }
    reply(StatusCode::OK, &Health::new("gw"))
}

/// The process serves requests.
pub(super) fn ready(gateway: &Gateway, method: &Method) -> Response {
    if method != Method::GET {
        return not_allowed();
    }
    match gateway.phase() {
        Phase::Serving => reply(StatusCode::OK, &Health::new("gw Ready")),
        Phase::Starting => status(StatusCode::SERVICE_UNAVAILABLE, "error", "A successful API reload did not happen"),
        Phase::Draining | Phase::Closing => {
            status(StatusCode::SERVICE_UNAVAILABLE, "error", "Gateway is shutting down")
        }
    }
}

fn not_allowed() -> Response {
    reply::wrong_method("Method Not Allowed", Method::GET.as_str())
}
