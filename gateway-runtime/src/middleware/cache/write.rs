//! Keeps an answer, after all others have had it: it meets the response's chain once. Source: gateway.md §5.9, §5.13.

use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{BodyError, Response};

use super::{CacheRules, KEEP, Wanted, record};
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::middleware::{Building, Middleware, Ran, Step};
use crate::responses::Responses;
use crate::storage::Reply;

pub(in crate::middleware) const STEP: Middleware = Middleware { name: "response_cache_write", build };

/// An answer that is kept, in bytes: a larger one is not.
const LARGEST_ANSWER: usize = 4 << 20;

#[derive(Clone)]
struct Write {
    rules: Arc<CacheRules>,
    responses: Arc<Responses>,
}

fn build(building: &Building<'_>) -> Option<Box<dyn Step>> {
    let rules = building.caching.clone()?;
    Some(Box::new(Write { rules, responses: Arc::clone(building.responses) }))
}

impl Step for Write {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let wanted = exchange.request.extensions_mut().remove::<Wanted>();
        let (Some(wanted), Some(response)) = (wanted, &exchange.response) else { return Ok(Ran::On) };
        let Some(ttl_s) = self.ttl(&wanted, response) else { return Ok(Ran::On) };
        // It may never end.
        if response.header(CONTENT_TYPE.as_str()).is_some_and(|media_type| media_type.starts_with("text/event-stream"))
        {
            return Ok(Ran::On);
        }
        let Some(mut response) = exchange.response.take() else { return Ok(Ran::On) };
        let this = self.clone();
        let read = async move {
            let body = response.body_bytes(LARGEST_ANSWER).await;
            (response, body)
        };
        Ok(Ran::wait(read, move |(response, body), exchange| {
            match body {
                Ok(body) => this.keep(&wanted, &response, &body, ttl_s, exchange),
                // What was read of it goes to the client, and so does the error, if it broke off.
                Err(BodyError::OfResponse(error)) if matches!(*error, BodyError::TooLarge { .. }) => {
                    this.rules.tell(&exchange.ctx.api().api_id, &error.to_string());
                }
                Err(_) => {}
            }
            exchange.response = Some(response);
            Ok(Ran::On)
        }))
    }
}

impl Write {
    /// How long an answer is kept, in seconds; `None` if it is not.
    fn ttl(&self, wanted: &Wanted, response: &Response) -> Option<u32> {
        let Wanted { keep, .. } = wanted;
        let is_listed = keep.codes.is_empty() || keep.codes.contains(&response.status().as_u16().into());
        let Some(header) = &self.rules.upstream else {
            return Some(keep.ttl_s).filter(|_| is_listed).and_then(in_seconds);
        };
        let is_asked = response.headers().get(KEEP).is_some_and(|asked| !asked.is_empty());
        let said = response.headers().get(header).and_then(|said| said.to_str().ok()?.trim().parse().ok());
        Some(said.unwrap_or(keep.ttl_s)).filter(|_| is_listed || is_asked).and_then(in_seconds)
    }

    fn keep(&self, wanted: &Wanted, response: &Response, body: &[u8], ttl_s: u32, exchange: &Exchange) {
        let answer = record::written(response, body, unix_now().saturating_add(ttl_s.into()));
        let put = self.responses.put(&wanted.name, answer, Duration::from_secs(ttl_s.into()));
        let (rules, api_id) = (Arc::clone(&self.rules), exchange.ctx.api().api_id.clone());
        match put {
            Reply::Ready(Ok(())) => {}
            Reply::Ready(Err(error)) => rules.tell(&api_id, &error.to_string()),
            // The client does not wait for it.
            put => drop(tokio::task::spawn(async move {
                if let Err(error) = put.wait().await {
                    rules.tell(&api_id, &error.to_string());
                }
            })),
        }
    }
}

/// What is over before it begins is not kept.
fn in_seconds(ttl_s: i64) -> Option<u32> {
    u32::try_from(ttl_s.min(u32::MAX.into())).ok().filter(|ttl_s| *ttl_s > 0)
}
