//! Refuses a session that comes more often than it may, or lets it wait.
//!
//! Source: Tyk, `gateway/mw_rate_limiting.go`; gateway.md §7.1 to §7.5.

use std::sync::Arc;

use gateway_model::Session;
use gateway_sdk::Request;
use gateway_sdk::caller::RateNow;
use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step, granular_access};
use crate::apis::listen_path::{ListenPath, decoded, has_escape};
use crate::error::RequestError;
use crate::limiter::{Limiter, resets};
use crate::session::bucket::{BucketKey, Taken};
use crate::session::limits::{self, Rate, Throttle};
use crate::session::pattern;
use crate::storage::{Reply, StoreError};

pub(super) const STEP: Middleware = Middleware { name: "rate_limit", build };

struct RateLimit {
    api_id: Arc<str>,
    listen: Arc<ListenPath>,
    limiter: Arc<Limiter>,
}

fn build(building: &Building<'_>) -> Option<Box<dyn Step>> {
    let Building { api, listen, limiter, .. } = building;
    (!api.use_keyless && !api.disable_rate_limit).then(|| {
        let step =
            RateLimit { api_id: api.api_id.as_str().into(), listen: Arc::clone(listen), limiter: Arc::clone(limiter) };
        Box::new(step) as Box<dyn Step>
    })
}

impl Step for RateLimit {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let (Some(session), Some(id)) = (exchange.caller.session(), exchange.caller.id()) else { return Ok(Ran::On) };
        let limits = limits::limits(session, &self.api_id).ok_or(RequestError::RateLimited)?;
        let endpoint = match limits.endpoints {
            [] => None,
            all => limits::endpoint(all, exchange.request.method().as_str(), |url| self.is_for(&exchange.request, url)),
        };
        let rate = endpoint.as_ref().map_or(limits.rate, |endpoint| endpoint.rate);
        if !rate.is_limited() {
            return Ok(Ran::On);
        }
        let counted = pattern::counted(session, |name| context(exchange, name));
        let key = BucketKey {
            scope: limits.scope,
            id: counted.as_deref().unwrap_or(id),
            endpoint: endpoint.as_ref().map_or("", |endpoint| &endpoint.hash),
            last_updated: &session.last_updated,
        };
        let told = self.limiter.tells().then_some(rate);
        match self.limiter.take(&key, rate) {
            Reply::Ready(Ok(taken)) if taken.is_allowed => {
                tell(exchange, told, &taken);
                Ok(Ran::On)
            }
            Reply::Ready(Ok(_)) if limits.throttle.retries > 0 => Ok(self.throttled(&key, rate, limits.throttle)),
            Reply::Ready(taken) => conclude(taken, exchange, told),
            Reply::Wait(taken) => {
                let again = (limits.throttle.retries > 0).then(|| self.again(&key, rate, limits.throttle));
                Ok(Ran::wait(taken, move |taken, exchange| match (taken, again) {
                    (Ok(taken), Some(again)) if !taken.is_allowed => Ok(again.wait(told)),
                    (taken, _) => conclude(taken, exchange, told),
                }))
            }
        }
    }
}

impl RateLimit {
    /// Whether a request is for a URL of the session. How it is spelled leads around no limit.
    fn is_for(&self, request: &Request, url: &str) -> bool {
        let path = self.listen.strip(request.path());
        granular_access::is_match(url, &path) || (has_escape(&path) && granular_access::is_match(url, &decoded(&path)))
    }

    fn throttled(&self, key: &BucketKey<'_>, rate: Rate, throttle: Throttle) -> Ran {
        self.again(key, rate, throttle).wait(self.limiter.tells().then_some(rate))
    }

    fn again(&self, key: &BucketKey<'_>, rate: Rate, throttle: Throttle) -> Again {
        let own = |text: &str| text.to_owned();
        Again {
            limiter: Arc::clone(&self.limiter),
            key: [own(key.scope), own(key.id), own(key.endpoint), own(key.last_updated)],
            rate,
            throttle,
        }
    }
}

/// A request that is tried again.
struct Again {
    limiter: Arc<Limiter>,
    /// The parts of a [`BucketKey`].
    key: [String; 4],
    rate: Rate,
    throttle: Throttle,
}

impl Again {
    fn wait(self, told: Option<Rate>) -> Ran {
        Ran::wait(self.attempts(), move |taken, exchange| conclude(taken, exchange, told))
    }

    /// Tries until it passes, or until it was tried often enough. Only who would pass is counted.
    async fn attempts(self) -> Result<Taken, StoreError> {
        let Self { limiter, key: [scope, id, endpoint, last_updated], rate, throttle } = self;
        let key = BucketKey { scope: &scope, id: &id, endpoint: &endpoint, last_updated: &last_updated };
        let mut last = Taken { is_allowed: false, remaining: 0, resets_in: throttle.interval };
        for _ in 0..throttle.retries {
            tokio::time::sleep(throttle.interval).await;
            // What is asked for is asked for before it is waited for: a key is not held meanwhile.
            let is_spent = limiter.is_spent(&key, rate);
            if is_spent.wait().await? {
                continue;
            }
            let taken = limiter.take(&key, rate);
            last = taken.wait().await?;
            if last.is_allowed {
                break;
            }
        }
        Ok(last)
    }
}

fn conclude(
    taken: Result<Taken, StoreError>,
    exchange: &mut Exchange,
    told: Option<Rate>,
) -> Result<Ran, RequestError> {
    let taken = taken.map_err(RequestError::RateUnknown)?;
    tell(exchange, told, &taken);
    if taken.is_allowed { Ok(Ran::On) } else { Err(RequestError::RateLimited) }
}

/// Keeps what is left, for who is told.
pub(super) fn tell(exchange: &mut Exchange, told: Option<Rate>, taken: &Taken) {
    if let Some(rate) = told {
        #[expect(clippy::cast_possible_truncation, reason = "the nearest number that there is")]
        let limit = rate.requests as i64;
        let remaining = i64::try_from(taken.remaining).unwrap_or(i64::MAX);
        exchange.caller.counted_mut().rate = Some(RateNow { limit, remaining, resets: resets(taken) });
    }
}

/// A variable of the request, for patterns. Source: gateway.md §5.7.
pub(super) fn context(exchange: &Exchange, name: &str) -> Option<String> {
    let request = &exchange.request;
    match name.strip_prefix("headers_") {
        Some(header) => {
            let value = request.header(header).or_else(|| request.header(&header.replace('_', "-")));
            value.map(str::to_owned)
        }
        None if name == "path" => Some(request.path().to_owned()),
        None if name == "remote_addr" => exchange.ctx.client_addr().map(|address| address.ip().to_string()),
        None => None,
    }
}

/// Whom a session's counters count for.
pub(crate) fn counted_id(session: &Session, exchange: &Exchange) -> Option<String> {
    pattern::counted(session, |name| context(exchange, name))
}
