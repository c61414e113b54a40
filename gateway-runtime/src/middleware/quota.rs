//! Refuses a session that has come as often as it may until its quota renews.
//!
//! Source: Tyk, `RedisQuotaExceeded` in `gateway/session_manager.go`; gateway.md §7.4.

use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::caller::QuotaNow;
use gateway_sdk::exchange::Exchange;

use super::rate_limit::counted_id;
use super::{Building, Middleware, Ran, Step};
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::keyring::Keyring;
use crate::session::limits::{self, Quota, quota_name};
use crate::storage::{Count, Life, Reply, StoreError};

pub(super) const STEP: Middleware = Middleware { name: "quota", build };

struct CountQuota {
    api_id: Arc<str>,
    keyring: Arc<Keyring>,
}

fn build(Building { api, keyring, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (!api.use_keyless && !api.disable_quota).then(|| {
        Box::new(CountQuota { api_id: api.api_id.as_str().into(), keyring: Arc::clone(keyring) }) as Box<dyn Step>
    })
}

impl Step for CountQuota {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let (Some(session), Some(id)) = (exchange.caller.session(), exchange.caller.id()) else { return Ok(Ran::On) };
        // Rights without this API are no rights on it.
        let limits = limits::limits(session, &self.api_id).ok_or(RequestError::RateLimited)?;
        let quota = limits.quota;
        if !quota.is_limited() {
            return Ok(Ran::On);
        }
        let name = match counted_id(session, exchange) {
            Some(counted) => quota_name(limits.scope, &self.keyring.id_of(&counted)),
            None => quota_name(limits.scope, id),
        };
        let window = u64::try_from(quota.renewal_s).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let api_id = limits.is_own.then(|| Arc::clone(&self.api_id));
        match self.keyring.counters().increment(&name, 1, window) {
            Reply::Ready(count) => conclude(count, quota, api_id, exchange),
            Reply::Wait(count) => Ok(Ran::wait(count, move |count, exchange| conclude(count, quota, api_id, exchange))),
        }
    }
}

/// A quota that cannot be counted is one that is used up.
fn conclude(
    count: Result<Count, StoreError>,
    quota: Quota,
    api_id: Option<Arc<str>>,
    exchange: &mut Exchange,
) -> Result<Ran, RequestError> {
    let Count { value, life } = count.map_err(RequestError::QuotaUnknown)?;
    let renews = match life {
        Life::Endless => quota.renews,
        Life::For(time) => unix_now().saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)),
    };
    let remaining = quota.max.saturating_sub(value).max(0);
    exchange.caller.counted_mut().quota = Some(QuotaNow { remaining, renews, api_id });
    if value > quota.max { Err(RequestError::QuotaExceeded) } else { Ok(Ran::On) }
}
