//! `/tyk/apis`: definitions in Tyk's classic form. What is read are those that are loaded, as they were written; what is
//! written are their files, which have no effect before a reload. Source: gateway.md §2.4.

mod change;
mod merge_patch;
mod versions;

use std::borrow::Cow;

use gateway_model::oas;
use gateway_sdk::http::HeaderName;
use gateway_sdk::{HeaderValue, Response, StatusCode};
use serde_json::value::RawValue;

pub(super) use change::{apply, check_id, create, delete, failed, patch, tell, update};
pub(super) use versions::{NewVersion, added, removed, versions};

use super::call::Call;
use super::refusal::Refusal;
use super::reply;
use crate::apis::compile::Api;

/// Names the API that an API is a version of.
const BASE: &str = "x-tyk-base-api-id";

/// A loaded definition as it was written, or the classic form of what stands there as a document alone.
fn classic_of(api: &Api) -> Cow<'_, str> {
    let document =
        Some(&*api.text).filter(|text| text.contains(oas::EXTENSION)).and_then(|text| serde_json::from_str(text).ok());
    match document.filter(oas::is_oas) {
        Some(document) => Cow::Owned(oas::classic(&document).to_string()),
        None => Cow::Borrowed(&api.text),
    }
}

/// `GET /tyk/apis`.
pub(super) fn list(call: &Call<'_>) -> Response {
    let table = call.gateway.table.load();
    let served = table.apis().iter().filter(|api| !api.is_absent());
    let texts: Vec<Cow<'_, str>> = served.map(|api| classic_of(api)).collect();
    let raw: Vec<&RawValue> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    reply::json(StatusCode::OK, &raw)
}

/// `GET /tyk/apis/{api_id}`.
pub(super) fn one(call: &Call<'_>) -> Result<Response, Refusal> {
    let table = call.gateway.table.load();
    let api = table.by_id(call.argument()).filter(|api| !api.is_absent()).ok_or(Refusal::UnknownApi)?;
    let text = classic_of(api);
    let raw: &RawValue = serde_json::from_str(&text).map_err(|_| Refusal::UnknownApi)?;
    let mut response = reply::json(StatusCode::OK, &raw);
    let base = versions::base_of(&table, call.argument());
    if let Some(base) = base.and_then(|base| HeaderValue::try_from(&base.definition.api_id).ok()) {
        response.headers_mut().insert(HeaderName::from_static(BASE), base);
    }
    Ok(response)
}
