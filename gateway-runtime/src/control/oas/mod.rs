//! `/tyk/apis/oas`: definitions that are OpenAPI documents. What is read are those that are loaded, as they were written.
//! Source: gateway.md §2.5.
//!
//! | module | what it holds |
//! |---|---|
//! | `change` | `POST`, `PUT`, `PATCH`, `DELETE`: a document, and its classic form beside it |
//! | `extension` | `x-tyk-api-gateway` as the parameters of an import make it |
//! | `files` | where a document is |

mod change;
mod extension;
mod files;

use gateway_model::oas::EXTENSION;
use gateway_sdk::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use gateway_sdk::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

pub(super) use change::{create, delete, import, patch, update};
use files::document_in;
pub(super) use files::{Home, is_oas};

use super::call::Call;
use super::refusal::Refusal;
use super::reply;

/// `GET /tyk/apis/oas`.
pub(super) fn list(call: &Call<'_>) -> Response {
    reply::json(StatusCode::OK, &all(call))
}

/// `GET /tyk/apis/oas/{api_id}`.
pub(super) fn one(call: &Call<'_>) -> Result<Response, Refusal> {
    Ok(reply::json(StatusCode::OK, &document(call)?))
}

/// `GET /tyk/apis/oas/export`.
pub(super) fn export_all(call: &Call<'_>) -> Response {
    attachment("all", call, &all(call).into())
}

/// `GET /tyk/apis/oas/{api_id}/export`.
pub(super) fn export(call: &Call<'_>) -> Result<Response, Refusal> {
    Ok(attachment(call.argument(), call, &document(call)?))
}

fn all(call: &Call<'_>) -> Vec<Value> {
    let table = call.gateway.table.load();
    let served = table.apis().iter().filter(|api| !api.is_absent());
    served.filter_map(|api| document_in(api)).map(|document| shown(call, document)).collect()
}

fn document(call: &Call<'_>) -> Result<Value, Refusal> {
    let table = call.gateway.table.load();
    let api = table.by_id(call.argument()).filter(|api| !api.is_absent()).ok_or(Refusal::UnknownApi)?;
    match document_in(api) {
        Some(document) => Ok(shown(call, document)),
        None if is_oas(&api.text) => Err(Refusal::NoDocument),
        None => Err(Refusal::ClassicApi),
    }
}

fn is_public(call: &Call<'_>) -> bool {
    call.query("mode").as_deref() == Some("public")
}

/// A document as it is asked for: with `mode=public`, as clients of the API may see it.
fn shown(call: &Call<'_>, mut document: Map<String, Value>) -> Value {
    if is_public(call) {
        document.remove(EXTENSION);
    }
    document.into()
}

/// A file to keep.
fn attachment(id: &str, call: &Call<'_>, value: &Value) -> Response {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let id: String = id.chars().map(plain).collect();
    let name = if is_public(call) { format!("oas-{id}.json") } else { format!("TykOasApiDef-{id}.json") };
    let response = Response::new(StatusCode::OK)
        .with_header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .with_body(format!("{value:#}\n"));
    match HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        Ok(disposition) => response.with_header(CONTENT_DISPOSITION, disposition),
        Err(_) => response,
    }
}
