//! `GET /tyk/apis` and `GET /tyk/apis/{id}`: the loaded definitions, as they were written.

use gateway_sdk::{Response, StatusCode};
use serde_json::value::RawValue;

use super::{Call, reply, status};

pub(super) fn list(call: Call<'_>) -> Response {
    let table = call.gateway.table.load();
    let raw: Vec<&RawValue> = table.apis().iter().filter_map(|api| serde_json::from_str(&api.text).ok()).collect();
    reply(StatusCode::OK, &raw)
}

pub(super) fn one(call: Call<'_>) -> Response {
    let table = call.gateway.table.load();
    let text = table.by_id(call.argument).map(|api| &api.text);
    match text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok()) {
        Some(raw) => reply(StatusCode::OK, &raw),
        None => status(StatusCode::NOT_FOUND, "error", "API not found"),
    }
}
