//! Answers a request by what was kept. Plugins of the hook `post` do not see it then. Source: gateway.md §5.13, §12.12.

use std::sync::Arc;

use bytes::Bytes;
use gateway_sdk::analytics::AnsweredBy;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{ETAG, IF_NONE_MATCH, RANGE};
use gateway_sdk::{Body, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::{CacheRules, Wanted, name, record};
use crate::clock::unix_now;
use crate::config::RateHeaders;
use crate::error::RequestError;
use crate::middleware::{Building, Middleware, Ran, Step};
use crate::responses::Responses;
use crate::serve::rates;
use crate::storage::{Reply, StoreError};

pub(in crate::middleware) const STEP: Middleware = Middleware { name: "response_cache", build };

/// Tells a client that its answer was kept.
const CACHED: HeaderName = HeaderName::from_static("x-tyk-cached-response");

/// The body of a request that is looked at as a whole, in bytes: the answer to a larger one is not kept.
const LARGEST_QUESTION: usize = 1 << 20;

#[derive(Clone)]
struct Read(Arc<Reading>);

struct Reading {
    rules: Arc<CacheRules>,
    responses: Arc<Responses>,
    /// Which entry of `X-Forwarded-For` is the client's.
    depth: i64,
    rate_headers: RateHeaders,
}

fn build(building: &Building<'_>) -> Option<Box<dyn Step>> {
    let rules = building.caching.clone()?;
    let (responses, depth, rate_headers) = (Arc::clone(building.responses), building.depth, building.rate_headers);
    Some(Box::new(Read(Arc::new(Reading { rules, responses, depth, rate_headers }))))
}

impl Step for Read {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &mut exchange.request;
        // What is asked for a part must not be taken for the whole.
        if self.0.rules.of(request).is_none() || request.headers().contains_key(RANGE) {
            return Ok(Ran::On);
        }
        if !name::needs_body(request) || request.body().is_buffered() {
            let body = request.body().buffered().unwrap_or_default();
            return self.ask(&body, exchange);
        }
        let (this, mut body) = (self.clone(), std::mem::take(request.body_mut()));
        let read = async move {
            let bytes = body.bytes(LARGEST_QUESTION).await;
            (body, bytes)
        };
        Ok(Ran::wait(read, move |(body, bytes), exchange| {
            *exchange.request.body_mut() = body;
            match bytes {
                Ok(bytes) => this.ask(&bytes, exchange),
                // Whoever reads on has the same error, or a larger bound.
                Err(error) => {
                    let api_id = &exchange.ctx.api().api_id;
                    this.0.rules.tell(api_id, &format!("the request that it is for cannot be read: {error}"));
                    Ok(Ran::On)
                }
            }
        }))
    }
}

impl Read {
    /// Looks for the answer to a request with this body.
    fn ask(&self, body: &[u8], exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Reading { rules, responses, depth, .. } = &*self.0;
        let Some((keep, part)) = rules.of(&exchange.request) else { return Ok(Ran::On) };
        let Some(who) = name::who(exchange, *depth) else {
            rules.tell(&exchange.ctx.api().api_id, "its caller has no `key_id` that tells it from others");
            return Ok(Ran::On);
        };
        let body = name::needs_body(&exchange.request).then_some((body, part));
        let name: Arc<str> = name::name(rules, exchange, &who, body).into();
        let found = responses.get(&name);
        let wanted = Wanted { name, keep: keep.clone() };
        exchange.request.extensions_mut().insert(wanted);
        match found {
            Reply::Ready(found) => Ok(self.found(found, exchange)),
            Reply::Wait(found) => {
                let this = self.clone();
                Ok(Ran::wait(found, move |found, exchange| Ok(this.found(found, exchange))))
            }
        }
    }

    fn found(&self, found: Result<Option<Bytes>, StoreError>, exchange: &mut Exchange) -> Ran {
        let to_head = exchange.request.method() == Method::HEAD;
        let kept = match found {
            Ok(kept) => kept.and_then(|kept| record::read(&kept, unix_now(), to_head)),
            Err(error) => {
                let api_id = &exchange.ctx.api().api_id;
                tracing::debug!(api_id, %error, "kept answers cannot be asked for");
                None
            }
        };
        let Some(kept) = kept else { return Ran::On };
        if let Some(draft) = &mut exchange.draft {
            draft.answered = AnsweredBy::Cache;
        }
        Ran::Answer(Box::new(self.answer(kept, exchange)))
    }

    fn answer(&self, mut response: Response, exchange: &Exchange) -> Response {
        rates::on_answer(self.0.rate_headers, response.headers_mut(), exchange);
        response.headers_mut().insert(CACHED, HeaderValue::from_static("1"));
        if is_known(&exchange.request, &response) {
            response.set_status(StatusCode::NOT_MODIFIED);
            *response.body_mut() = Body::empty();
        }
        response
    }
}

/// Whether the client has this answer already.
fn is_known(request: &Request, response: &Response) -> bool {
    let etag = response.header(ETAG.as_str()).filter(|etag| !etag.is_empty());
    etag.zip(request.header(IF_NONE_MATCH.as_str())).is_some_and(|(etag, known)| known.contains(etag))
}
