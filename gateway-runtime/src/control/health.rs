//! `/hello` and `/ready`. Source: gateway.md §2.2; Tyk, `gateway/health_check.go`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use gateway_sdk::{Method, Response, StatusCode};
use serde::Serialize;
use x509_cert::der::DateTime;

use super::{reply, status};
use crate::gateway::{Gateway, Phase};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    description: &'static str,
    /// What is checked, by the name of the engine.
    details: BTreeMap<&'static str, Check>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    status: &'static str,
    component_type: &'static str,
    /// By RFC 3339.
    time: String,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

impl Health {
    /// The store is all that is checked: if it fails, all fails.
    fn of(gateway: &Gateway, description: &'static str) -> Self {
        let engine = gateway.store.engine();
        let output = engine.health().err();
        let status = if output.is_none() { "pass" } else { "fail" };
        // Until the year 9999 there is one.
        let time = DateTime::from_unix_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
            .map(|time| time.to_string())
            .unwrap_or_default();
        let check = Check { status, component_type: "datastore", time, output };
        Self { status, version: VERSION, description, details: BTreeMap::from([(engine.name(), check)]) }
    }
}

/// The process lives.
pub(super) fn hello(gateway: &Gateway, method: &Method) -> Response {
    if method != Method::GET {
        return not_allowed();
    }
    reply(StatusCode::OK, &Health::of(gateway, "gw"))
}

/// The process serves requests, and those that need a key too.
pub(super) fn ready(gateway: &Gateway, method: &Method) -> Response {
    if method != Method::GET {
        return not_allowed();
    }
    let not_ready = |message| status(StatusCode::SERVICE_UNAVAILABLE, "error", message);
    match gateway.phase() {
        Phase::Serving => {
            let health = Health::of(gateway, "gw Ready");
            match (health.status, gateway.store.engine().name()) {
                ("pass", _) => reply(StatusCode::OK, &health),
                (_, "redis") => not_ready("Redis connection not available"),
                _ => not_ready("The store cannot be written"),
            }
        }
        Phase::Starting => not_ready("A successful API reload did not happen"),
        Phase::Draining | Phase::Closing => not_ready("Gateway is shutting down"),
    }
}

fn not_allowed() -> Response {
    reply::wrong_method("Method Not Allowed", Method::GET.as_str())
}
