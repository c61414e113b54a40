//! Refuses bodies that are not what the JSON schema of their path says. Source: Tyk, `gateway/mw_validate_json.go`;
//! gateway.md §3.4, §5.11.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_model::{JsonPath, ValidateJson};
use gateway_sdk::StatusCode;
use gateway_sdk::exchange::Exchange;
use serde_json::Value;

use super::body::{LARGEST, aside};
use super::{PlannedMiddleware, Ran, Step};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::{BodyRefusal, RequestError};
use crate::json_schema::JsonSchema;
use crate::upstream::ForwardError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "validate_json", plan };

struct ValidateBody(OnPaths<Arc<Entry>>);

struct Entry {
    schema: JsonSchema,
    /// Of the answer to a body that is not what it should be.
    status: StatusCode,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let entries = planning.on_paths("validate_json", |paths| &paths.validate_json, entry)?;
    Some(Box::new(ValidateBody(entries)))
}

fn entry(planning: &mut Planning<'_, '_>, written: &ValidateJson, place: &JsonPath) -> Option<Arc<Entry>> {
    let made = schema(written).and_then(|(field, schema)| {
        let schema = JsonSchema::compile(&schema).map_err(|reason| (field, reason))?;
        Ok(Entry { schema, status: status(written.error_response_code)? })
    });
    made.map(Arc::new).map_err(|(field, reason)| planning.refuse(&place.key(field), reason)).ok()
}

/// The schema, and the field that it is in.
fn schema(written: &ValidateJson) -> Result<(&'static str, Value), (&'static str, String)> {
    match (&written.schema, written.schema_b64.trim()) {
        (Some(schema), _) => Ok(("schema", Value::Object(schema.clone()))),
        (None, "") => Err(("schema", "there is no schema to validate bodies against".to_owned())),
        (None, encoded) => {
            let wrong = |reason: String| ("schema_b64", reason);
            let text = STANDARD.decode(encoded).map_err(|error| wrong(format!("it is not base64: {error}")))?;
            let schema = serde_json::from_slice(&text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
            Ok(("schema_b64", schema))
        }
    }
}

fn status(code: i64) -> Result<StatusCode, (&'static str, String)> {
    if code == 0 {
        return Ok(StatusCode::UNPROCESSABLE_ENTITY);
    }
    let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    status
        .filter(|status| status.as_u16() >= 200)
        .ok_or_else(|| ("error_response_code", format!("{code} is no status that an answer can have")))
}

impl Step for ValidateBody {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some(entry) = self.0.find(&exchange.request).map(Arc::clone) else { return Ok(Ran::On) };
        let mut body = std::mem::take(exchange.request.body_mut());
        let read = async move {
            let checked = match body.bytes(LARGEST).await {
                Ok(bytes) => aside(bytes.len(), move || entry.check(&bytes)).await.and_then(|checked| checked),
                Err(error) => Err(ForwardError::Body(error).into()),
            };
            (checked, body)
        };
        Ok(Ran::wait(read, |(checked, body), exchange| {
            *exchange.request.body_mut() = body;
            checked.map(|()| Ran::On)
        }))
    }
}

impl Entry {
    fn check(&self, bytes: &[u8]) -> Result<(), RequestError> {
        let refused = |status, message| RequestError::BodyRefused(Box::new(BodyRefusal { status, message }));
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| refused(StatusCode::BAD_REQUEST, format!("JSON parsing error: {error}")))?;
        self.schema.validate(&value).map_err(|message| refused(self.status, message))
    }
}
