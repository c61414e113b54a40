//! Other answers in place of an upstream's errors. Source: gateway.md §5.9, §5.11.

use std::sync::Arc;

use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_ENCODING;
use gateway_sdk::{Method, StatusCode};

use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;
use crate::error::kinds::UPSTREAM_STATUS;
use crate::error::overrides::{ApiOverrides, LOOKED_AT, Seen};

pub(super) const STEP: Middleware = Middleware { name: "error_overrides", build };

struct ErrorOverrides(Arc<ApiOverrides>);

fn build(Building { overrides, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    overrides.map(|overrides| Box::new(ErrorOverrides(Arc::clone(overrides))) as Box<dyn Step>)
}

impl Step for ErrorOverrides {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let is_head = exchange.request.method() == Method::HEAD;
        let Some(response) = exchange.response.as_mut() else { return Ok(Ran::On) };
        let status = response.status();
        if status < StatusCode::BAD_REQUEST {
            return Ok(Ran::On);
        }
        // Nothing is read in a body that is packed.
        let is_legible = !is_head && !response.headers().contains_key(CONTENT_ENCODING);
        if !is_legible || !self.0.look_at_body(status) {
            apply(&self.0, exchange, b"");
            return Ok(Ran::On);
        }
        let mut body = std::mem::take(response.body_mut());
        let overrides = Arc::clone(&self.0);
        let read = async move {
            // What breaks off breaks off for the client too, unless it is told something else.
            let beginning = body.beginning(LOOKED_AT).await.unwrap_or_default();
            (beginning, body)
        };
        Ok(Ran::wait(read, move |(beginning, body), exchange| {
            if let Some(response) = exchange.response.as_mut() {
                *response.body_mut() = body;
            }
            apply(&overrides, exchange, &beginning);
            Ok(Ran::On)
        }))
    }
}

fn apply(overrides: &ApiOverrides, exchange: &mut Exchange, text: &[u8]) {
    let Some(response) = exchange.response.take() else { return };
    let status = response.status();
    let seen = Seen { status, flag: status.is_server_error().then_some(UPSTREAM_STATUS), text };
    exchange.response = Some(match overrides.find(seen) {
        Some(rule) => rule.write(&overrides.errors, exchange.request.headers(), response, None),
        None => response,
    });
}
