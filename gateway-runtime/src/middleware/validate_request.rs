//! Refuses requests that are not what the OpenAPI document says of their operation: the parameters of the path, the
//! query, the headers and the cookies, and the body. Source: Tyk, `gateway/mw_oas_validate_request.go`; gateway.md §4.5.

mod body;
mod parameter;
mod target;

use std::sync::Arc;

use gateway_model::oas::{OasValidation, Operation};
use gateway_model::{JsonPath, OasDefinition};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{Request, StatusCode};
use serde_json::Value;

use super::body::{LARGEST, aside};
use super::operations::{Asked, Operations, parameters};
use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::error::{BodyRefusal, RequestError};
use crate::json_schema::document::{CompiledSchemas, DocumentSchemas};
use crate::upstream::ForwardError;
use body::Body;
use parameter::{Parameter, Sources};

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "validate_request", plan };

/// What the extension says of it.
const KEY: &str = "validateRequest";

struct ValidateRequest {
    operations: Operations<Arc<Checks>>,
    schemas: Arc<CompiledSchemas>,
}

/// What a request for one operation has to be.
struct Checks {
    parameters: Vec<Parameter>,
    body: Option<Body>,
    /// Of the answer to a request that is not.
    status: StatusCode,
}

/// What schemas are compiled from.
struct Compiling<'d> {
    oas: &'d OasDefinition,
    schemas: DocumentSchemas,
}

/// What is wrong in a document, and where.
type Mistake = (JsonPath, String);

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let mut compiling: Option<Result<Compiling<'_>, String>> = None;
    let operations = Operations::plan(planning, KEY, |planning, operation, written, at| {
        let oas = planning.document()?;
        let made = || DocumentSchemas::of(oas.document()).map(|schemas| Compiling { oas, schemas });
        match compiling.get_or_insert_with(made) {
            Ok(compiling) => checks(planning, compiling, operation, (written, at)).map(Arc::new),
            Err(reason) => {
                planning.refuse_in_document(at, reason);
                None
            }
        }
    });
    beside(planning);
    let schemas = Arc::new(compiling?.ok()?.schemas.finish());
    operations.map(|operations| Box::new(ValidateRequest { operations, schemas }) as Box<dyn Step>)
}

/// Entries in the classic form that the document says nothing of: what is to be validated is not known.
fn beside(planning: &mut Planning<'_, '_>) {
    let oas = planning.document();
    planning.planned(
        "validate_request",
        |paths| &paths.validate_request,
        |planning, entry, place| {
            let is_it = |oas: &OasDefinition, operation: &Operation<'_>| {
                operation.path == entry.path
                    && operation.method.eq_ignore_ascii_case(&entry.method)
                    && oas.enabled(operation, KEY).is_some()
            };
            let is_there = oas.is_some_and(|oas| oas.operations().iter().any(|operation| is_it(oas, operation)));
            if entry.enabled && !is_there {
                let reason = "requests are validated as the OpenAPI document beside this file (`-oas.json`) says, and that \
                              has no operation for this path and method whose `validateRequest` is enabled; enable it \
                              there, or take this entry away";
                planning.refuse(place, reason.to_owned());
            }
            None::<()>
        },
    );
}

fn checks(
    planning: &mut Planning<'_, '_>,
    compiling: &mut Compiling<'_>,
    operation: &Operation<'_>,
    (written, at): (&Value, &JsonPath),
) -> Option<Checks> {
    let mut mistakes: Vec<Mistake> = Vec::new();
    // What has no effect is told with all else of the extension.
    let (settings, wrong, _) = OasValidation::read(written, at);
    mistakes.extend(wrong);
    let status = status(settings.error_response_code);
    if status.is_none() {
        let reason = format!("`{}` is no status that an answer can have", settings.error_response_code);
        mistakes.push((at.key("errorResponseCode"), reason));
    }
    let mut found = Vec::new();
    for parameter in parameters(compiling.oas, operation) {
        let planned = parameter
            .map_err(|(place, error)| (place, error.to_string()))
            .and_then(|(place, parameter)| Parameter::plan(compiling, parameter, &place));
        match planned {
            Ok(parameter) => found.extend(parameter),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let body = match Body::plan(compiling, operation) {
        Ok((body, unread)) => {
            for (place, reason) in &unread {
                planning.warn_in_document(place, reason);
            }
            body
        }
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    };
    for (place, reason) in &mistakes {
        planning.refuse_in_document(place, reason);
    }
    Some(Checks { parameters: found, body, status: status? }).filter(|_| mistakes.is_empty())
}

fn status(code: i64) -> Option<StatusCode> {
    if code == 0 {
        return Some(StatusCode::UNPROCESSABLE_ENTITY);
    }
    u16::try_from(code).ok().filter(|code| (200..=599).contains(code)).and_then(|code| StatusCode::from_u16(code).ok())
}

fn refused(status: StatusCode, detail: &str) -> RequestError {
    let message = format!("request validation error: {detail}");
    RequestError::RequestRefused(Box::new(BodyRefusal { status, message }))
}

/// The first status of several operations that is the definition's own.
fn status_of(all: &[&Arc<Checks>]) -> StatusCode {
    let own = all.iter().map(|checks| checks.status).find(|status| *status != StatusCode::UNPROCESSABLE_ENTITY);
    own.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
}

impl Checks {
    fn refused(&self, detail: &str) -> RequestError {
        refused(self.status, detail)
    }

    /// # Errors
    /// What is wrong with the first parameter that is not what it should be.
    fn check(&self, schemas: &CompiledSchemas, request: &Request, path: &[(&str, String)]) -> Result<(), RequestError> {
        let mut sources = Sources::new(request, path);
        for parameter in &self.parameters {
            parameter.check(schemas, &mut sources).map_err(|detail| self.refused(&detail))?;
        }
        Ok(())
    }
}

impl Step for ValidateRequest {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &exchange.request;
        let checks = match self.operations.find(request) {
            Asked::Nothing => return Ok(Ran::On),
            Asked::This(checks, path) => {
                checks.check(&self.schemas, request, &path)?;
                Arc::clone(checks)
            }
            Asked::NoneOf(all) => return Err(refused(status_of(&all), "path parameter doesn't match any endpoint")),
            Asked::Unknown(all) => {
                let (method, path) = (request.method(), request.path());
                let detail = format!("no matching operation was found for request: {method} {path}");
                return Err(refused(status_of(&all), &detail));
            }
        };
        if checks.body.is_none() {
            return Ok(Ran::On);
        }
        let media_type = Body::media_type(request);
        let schemas = Arc::clone(&self.schemas);
        let mut body = std::mem::take(exchange.request.body_mut());
        let read = async move {
            let checked = match body.bytes(LARGEST).await {
                Ok(bytes) => {
                    let check = move || match &checks.body {
                        Some(body) => {
                            body.check(&schemas, &media_type, &bytes).map_err(|detail| checks.refused(&detail))
                        }
                        None => Ok(()),
                    };
                    aside(bytes_of(&body), check).await.and_then(|checked| checked)
                }
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

/// How many bytes a body has that was read.
fn bytes_of(body: &gateway_sdk::Body) -> usize {
    body.len().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}
