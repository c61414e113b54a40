//! `GET /tyk/schema`: the JSON schema of definitions that are OpenAPI documents. Source: gateway.md §2.5; Tyk,
//! `gateway/schema.go`.

use gateway_sdk::{Response, StatusCode};
use serde_json::json;

use super::call::Call;
use super::reply;

/// The schema of the version of OpenAPI that `oasVersion` names.
pub(super) fn one(call: &Call<'_>) -> Response {
    let version = call.query("oasVersion").unwrap_or_default();
    if version.is_empty() {
        let message = "Should provide a value for parameter oasVersion";
        return reply::status(StatusCode::BAD_REQUEST, "Failed", message);
    }
    match gateway_model::oas::schema(&version) {
        Some(schema) => reply::json(StatusCode::OK, &json!({"status": "Success", "message": "", "schema": schema})),
        None => {
            let message = format!("Schema not found for version {version:?}");
            reply::status(StatusCode::NOT_FOUND, "Failed", &message)
        }
    }
}
