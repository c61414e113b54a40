//! Refuses requests when an API, or one of its paths, is called more often than it may be by all callers together.
//!
//! Source: Tyk, `gateway/mw_api_rate_limit.go`; gateway.md §7.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_sdk::exchange::Exchange;

use super::rate_limit::tell;
use super::{Building, Middleware, Ran, Step};
use crate::apis::paths::OnPaths;
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::limiter::Limiter;
use crate::session::bucket::{BucketKey, Taken};
use crate::session::limits::{EndpointLimit, Rate, api_limit_key};
use crate::storage::{Reply, StoreError};

pub(super) const STEP: Middleware = Middleware { name: "api_rate_limit", build };

/// APIs that were loaded: each has counters of its own.
static LOADED: AtomicU64 = AtomicU64::new(0);

struct ApiRateLimit {
    global: Option<(Rate, String)>,
    endpoints: Option<Arc<OnPaths<EndpointLimit>>>,
    /// By the place in `endpoints`, what stands in the place of a key.
    ids: Vec<String>,
    loaded: String,
    limiter: Arc<Limiter>,
}

fn build(building: &Building<'_>) -> Option<Box<dyn Step>> {
    let Building { api, keyring, limiter, rates, .. } = building;
    let id = |endpoint: Option<&str>| keyring.id_of(&api_limit_key(&api.org_id, &api.api_id, endpoint)).into_owned();
    let global = &api.global_rate_limit;
    let rate = Rate { requests: global.rate, per_s: global.per };
    let global = (!global.disabled && rate.is_limited() && rate.per_s > 0.0).then(|| (rate, id(None)));
    let endpoints = rates.clone();
    if api.disable_rate_limit || (global.is_none() && endpoints.is_none()) {
        return None;
    }
    let ids = endpoints.iter().flat_map(|rates| rates.all()).map(|endpoint| id(Some(&endpoint.hash))).collect();
    Some(Box::new(ApiRateLimit {
        global,
        endpoints,
        ids,
        loaded: format!("{}.{}", unix_now(), LOADED.fetch_add(1, Ordering::Relaxed)),
        limiter: Arc::clone(limiter),
    }))
}

impl ApiRateLimit {
    /// The rate that a request counts for, and what stands in the place of a key. That of its path comes before that of
    /// all.
    fn of(&self, exchange: &Exchange) -> Option<(Rate, &str)> {
        let endpoint = self.endpoints.as_ref().and_then(|rates| rates.find_with_place(&exchange.request));
        match endpoint {
            Some((at, endpoint)) => Some((endpoint.rate, self.ids.get(at)?)),
            None => self.global.as_ref().map(|(rate, id)| (*rate, id.as_str())),
        }
    }
}

impl Step for ApiRateLimit {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some((rate, id)) = self.of(exchange) else { return Ok(Ran::On) };
        let key = BucketKey { scope: "", id, endpoint: "", last_updated: &self.loaded };
        let told = self.limiter.tells().then_some(rate);
        match self.limiter.take(&key, rate) {
            Reply::Ready(taken) => conclude(taken, exchange, told),
            Reply::Wait(taken) => Ok(Ran::wait(taken, move |taken, exchange| conclude(taken, exchange, told))),
        }
    }
}

/// What cannot be counted passes: no caller is known to have come too often. Source: gateway.md §7.2.
fn conclude(
    taken: Result<Taken, StoreError>,
    exchange: &mut Exchange,
    told: Option<Rate>,
) -> Result<Ran, RequestError> {
    match taken {
        Ok(taken) => {
            tell(exchange, told, &taken);
            if taken.is_allowed { Ok(Ran::On) } else { Err(RequestError::ApiRateLimited) }
        }
        Err(error) => {
            tracing::error!(api_id = exchange.ctx.api().api_id, %error, "the rate of an API is not counted");
            Ok(Ran::On)
        }
    }
}
