//! The body of a request. One that cannot be made anew goes on as it came, and the log says why.

use std::sync::Arc;

use gateway_sdk::exchange::Exchange;

use super::{Transform, entry};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;
use crate::middleware::body::{LARGEST, aside};
use crate::middleware::{PlannedMiddleware, Ran, Step};

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "transform", plan };

struct TransformRequest(OnPaths<Arc<Transform>>);

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let entries = planning.on_paths("transform", |paths| &paths.transform, entry)?;
    Some(Box::new(TransformRequest(entries)))
}

impl Step for TransformRequest {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some(transform) = self.0.find(&exchange.request).map(Arc::clone) else { return Ok(Ran::On) };
        let beside = transform.beside(exchange);
        let mut body = std::mem::take(exchange.request.body_mut());
        let made = async move {
            let made = match body.bytes(LARGEST).await {
                Ok(bytes) => {
                    let length = bytes.len();
                    let make = move || {
                        let data = transform.read(&bytes)?;
                        transform.render(data, beside).map_err(|error| error.reason)
                    };
                    aside(length, make).await
                }
                Err(error) => Ok(Err(error.to_string())),
            };
            (made, body)
        };
        Ok(Ran::wait(made, |(made, body), exchange| {
            *exchange.request.body_mut() = body;
            match made? {
                Ok(text) => exchange.request.set_body(text),
                Err(reason) => {
                    let api_id = &exchange.ctx.api().api_id;
                    tracing::error!(api_id, reason, "the body of a request is not transformed: it goes on as it came");
                }
            }
            Ok(Ran::On)
        }))
    }
}
