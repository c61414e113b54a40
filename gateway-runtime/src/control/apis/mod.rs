//! `/tyk/apis`: definitions in Tyk's classic form. What is read are those that are loaded, as they were written; what is
//! written are their files, which have no effect before a reload. Source: gateway.md §2.4.

mod change;
mod merge_patch;
mod versions;

use gateway_sdk::http::HeaderName;
use gateway_sdk::{HeaderValue, Response, StatusCode};
use serde_json::value::RawValue;

pub(super) use change::{create, delete, patch, update};
pub(super) use versions::versions;

use super::call::Call;
use super::refusal::Refusal;
use super::reply;

/// Names the API that an API is a version of.
const BASE: &str = "x-tyk-base-api-id";

/// `GET /tyk/apis`.
pub(super) fn list(call: &Call<'_>) -> Response {
    let table = call.gateway.table.load();
    let raw: Vec<&RawValue> = table.apis().iter().filter_map(|api| serde_json::from_str(&api.text).ok()).collect();
    reply::json(StatusCode::OK, &raw)
}

/// `GET /tyk/apis/{api_id}`.
pub(super) fn one(call: &Call<'_>) -> Result<Response, Refusal> {
    let table = call.gateway.table.load();
    let api = table.by_id(call.argument()).ok_or(Refusal::UnknownApi)?;
    let raw: &RawValue = serde_json::from_str(&api.text).map_err(|_| Refusal::UnknownApi)?;
    let mut response = reply::json(StatusCode::OK, &raw);
    let base = versions::base_of(&table, call.argument());
    if let Some(base) = base.and_then(|base| HeaderValue::try_from(&base.definition.api_id).ok()) {
        response.headers_mut().insert(HeaderName::from_static(BASE), base);
    }
    Ok(response)
}
