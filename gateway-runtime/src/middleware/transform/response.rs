//! The body of an upstream's answer. Whatever the template has written is sent, even where it failed.

use std::sync::Arc;

use bytes::Bytes;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_ENCODING;
use gateway_sdk::{BodyError, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use super::{Transform, entry};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;
use crate::middleware::body::{LARGEST, aside};
use crate::middleware::{PlannedMiddleware, Ran, Step};

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "transform_response", plan };

struct TransformResponse {
    entries: OnPaths<Arc<Transform>>,
    /// In bytes: a larger answer is not read. Source: gateway.md §12.27.
    largest: usize,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let entries = planning.on_paths("transform_response", |paths| &paths.transform_response, entry)?;
    let largest = planning.ground().max_response_body.unwrap_or(LARGEST);
    Some(Box::new(TransformResponse { entries, largest }))
}

/// What was made of a body, and what went wrong with it.
struct Made {
    body: Bytes,
    problems: Vec<String>,
}

impl Step for TransformResponse {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some(transform) = self.entries.find(&exchange.request).map(Arc::clone) else { return Ok(Ran::On) };
        let largest = self.largest;
        let is_head = exchange.request.method() == Method::HEAD;
        let beside = transform.beside(exchange);
        let Some(response) = exchange.response.as_mut() else { return Ok(Ran::On) };
        if is_head || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Ran::On);
        }
        let encoding = response.headers().get(CONTENT_ENCODING).cloned();
        let mut body = std::mem::take(response.body_mut());
        let encoded_as = encoding.clone();
        let made = async move {
            let bytes = body.bytes(largest).await.map_err(|error| match error {
                BodyError::TooLarge { limit_bytes } => RequestError::ResponseTooLarge { limit_bytes },
                other => RequestError::ResponseBroken(other),
            })?;
            aside(bytes.len(), move || transform.made(&bytes, encoded_as.as_ref(), beside, largest)).await
        };
        Ok(Ran::wait(made, move |made, exchange| {
            let Made { body, problems } = made?;
            for reason in problems {
                let api_id = &exchange.ctx.api().api_id;
                tracing::error!(api_id, reason, "the body of a response is not transformed as it should be");
            }
            if let Some(response) = exchange.response.as_mut() {
                response.set_body(body);
                if let Some(encoding) = encoding {
                    response.headers_mut().insert(CONTENT_ENCODING, encoding);
                }
            }
            Ok(Ran::On)
        }))
    }
}

impl Transform {
    fn made(&self, body: &[u8], encoding: Option<&HeaderValue>, beside: Map<String, Value>, largest: usize) -> Made {
        let mut problems = Vec::new();
        let encoding = encoding.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let data = decoded(body, encoding, largest).and_then(|body| self.read(&body)).unwrap_or_else(|reason| {
            problems.push(reason);
            Map::new()
        });
        let text = self.render(data, beside).unwrap_or_else(|error| {
            problems.push(error.reason);
            error.partial
        });
        Made { body: encoded(text.into_bytes(), encoding).into(), problems }
    }
}

#[cfg(feature = "templates")]
use super::encoding::{decoded, encoded};

/// Nothing has a template here.
#[cfg(not(feature = "templates"))]
fn decoded(body: &[u8], _encoding: &str, _largest: usize) -> Result<Vec<u8>, String> {
    Ok(body.to_vec())
}

#[cfg(not(feature = "templates"))]
fn encoded(body: Vec<u8>, _encoding: &str) -> Vec<u8> {
    body
}
