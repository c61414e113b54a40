//! Remembers a request as it is, for the variables in texts of the definition.
//!
//! Source: gateway.md §5.7; Tyk, `gateway/mw_context_vars.go`.

use std::sync::Arc;

use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{HeaderValue, Method, Request};

use super::credential::{Places, without_scheme};
use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::client_ip::client_ip;
use crate::error::RequestError;
use crate::variables::{self, Context};

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "context_vars", plan };

/// A form whose fields are looked at is no larger, in bytes.
const LARGEST_FORM: usize = 1024 * 1024;

struct ContextVars(Arc<Sources>);

/// Where a request says who is calling.
struct Sources {
    token: Option<Places>,
    jwt: Option<Places>,
    /// Which entry of `X-Forwarded-For` is the client's.
    depth: i64,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let api = planning.api();
    api.enable_context_vars.then(|| {
        let is_keyed = !api.use_keyless;
        let token = (is_keyed && api.asks_for_token()).then(|| Places::of(api.token_source()));
        let jwt = (is_keyed && api.enable_jwt).then(|| Places::of(api.source_of("jwt")));
        let depth = planning.ground().trust.xff_depth;
        Box::new(ContextVars(Arc::new(Sources { token, jwt, depth }))) as Box<dyn Step>
    })
}

impl Step for ContextVars {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        if !is_form(&exchange.request) {
            self.0.remember(exchange, Vec::new());
            return Ok(Ran::On);
        }
        let sources = Arc::clone(&self.0);
        let mut body = std::mem::take(exchange.request.body_mut());
        let read = async move { (body.bytes(LARGEST_FORM).await, body) };
        Ok(Ran::wait(read, move |(read, body), exchange| {
            *exchange.request.body_mut() = body;
            // One that is too large, or broke off, goes to the upstream as it is, and says nothing here.
            let read = read.unwrap_or_default();
            sources.remember(exchange, form_urlencoded::parse(&read).into_owned().collect());
            Ok(Ran::On)
        }))
    }
}

/// Whether the fields of the body are looked at. Source: Go, `net/http`, `ParseForm`.
fn is_form(request: &Request) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        && media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

impl Sources {
    fn remember(&self, exchange: &mut Exchange, form: Vec<(String, String)>) {
        let request = &exchange.request;
        let shown = |places: &Option<Places>| {
            places.as_ref().and_then(|places| places.find(request)).map(|found| without_scheme(&found).to_owned())
        };
        let context = Context {
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            form,
            client: client_ip(exchange, self.depth),
            request_id: uuid(exchange.ctx.request_id()),
            token: shown(&self.token),
            jwt: shown(&self.jwt),
        };
        variables::remember(exchange, context);
    }
}

/// The name of a request, which is 32 digits, in the form of a UUID.
fn uuid(id: &str) -> String {
    let part = |from, to| id.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_has_the_form_of_a_uuid() {
        assert_eq!(uuid("0123456789abcdef0123456789abcdef"), "01234567-89ab-4def-8123-456789abcdef");
    }
}
