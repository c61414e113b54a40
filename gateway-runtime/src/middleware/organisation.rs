//! Refuses requests to the APIs of an organisation that was switched off, or that come more often than it may.
//!
//! What cannot be looked up, or whose rate cannot be counted, passes: as with Tyk, an organisation needs no session.
//! Source: Tyk, `gateway/mw_organisation_activity.go`; gateway.md §5.3, §5.11.

use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;
use crate::keyring::{KeyError, Keyring, Known};
use crate::limiter::Limiter;
use crate::session::bucket::{BucketKey, Taken};
use crate::session::limits::{self, Limits, quota_name};
use crate::storage::{Count, Reply, StoreError};

pub(super) const STEP: Middleware = Middleware { name: "organisation", build };

struct Organisation(Arc<Monitor>);

struct Monitor {
    org_id: String,
    api_id: String,
    keyring: Arc<Keyring>,
    limiter: Arc<Limiter>,
}

fn build(Building { api, keyring, limiter, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (keyring.settings.limits_organisations && !api.org_id.is_empty()).then(|| {
        let monitor = Monitor {
            org_id: api.org_id.clone(),
            api_id: api.api_id.clone(),
            keyring: Arc::clone(keyring),
            limiter: Arc::clone(limiter),
        };
        Box::new(Organisation(Arc::new(monitor))) as Box<dyn Step>
    })
}

impl Step for Organisation {
    fn run(&self, _exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let monitor = &self.0;
        if let Some(known) = monitor.keyring.cached_organisation(&monitor.org_id) {
            return monitor.enter(known);
        }
        let (asking, then) = (Arc::clone(monitor), Arc::clone(monitor));
        let looked_up = async move { asking.keyring.look_up_organisation(&asking.org_id).await };
        Ok(Ran::wait(looked_up, move |known, _| then.conclude(known)))
    }
}

impl Monitor {
    fn conclude(self: &Arc<Self>, known: Result<Known, KeyError>) -> Result<Ran, RequestError> {
        match known {
            Ok(known) => self.enter(known),
            Err(error) => {
                tracing::error!(org_id = self.org_id, %error, "an organisation is not limited");
                Ok(Ran::On)
            }
        }
    }

    fn enter(self: &Arc<Self>, known: Known) -> Result<Ran, RequestError> {
        if known.session.is_inactive {
            return Err(RequestError::OrganisationInactive);
        }
        let Limits { rate, scope, .. } = self.limits(&known)?;
        if !rate.is_limited() || rate.per_s <= 0.0 {
            return self.count(&known);
        }
        let key = BucketKey { scope, id: &known.id, endpoint: "", last_updated: &known.session.last_updated };
        match self.limiter.take(&key, rate) {
            Reply::Ready(taken) => self.rated(taken, &known),
            Reply::Wait(taken) => {
                let then = Arc::clone(self);
                Ok(Ran::wait(taken, move |taken, _| then.rated(taken, &known)))
            }
        }
    }

    fn rated(&self, taken: Result<Taken, StoreError>, known: &Known) -> Result<Ran, RequestError> {
        match taken {
            Ok(taken) if !taken.is_allowed => return Err(RequestError::OrganisationRateLimited),
            Ok(_) => {}
            Err(error) => tracing::error!(org_id = self.org_id, %error, "the rate of an organisation is not counted"),
        }
        self.count(known)
    }

    /// Counts for the quota; one that cannot be counted is used up.
    fn count(&self, known: &Known) -> Result<Ran, RequestError> {
        let Limits { quota, scope, .. } = self.limits(known)?;
        if !quota.is_limited() {
            return Ok(Ran::On);
        }
        let window = u64::try_from(quota.renewal_s).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        match self.keyring.counters().increment(&quota_name(scope, &known.id), 1, window) {
            Reply::Ready(count) => counted(count, quota.max),
            Reply::Wait(count) => Ok(Ran::wait(count, move |count, _| counted(count, quota.max))),
        }
    }

    /// Rights without this API are no rights on it.
    fn limits<'k>(&self, known: &'k Known) -> Result<Limits<'k>, RequestError> {
        limits::limits(&known.session, &self.api_id).ok_or(RequestError::OrganisationRateLimited)
    }
}

fn counted(count: Result<Count, StoreError>, max: i64) -> Result<Ran, RequestError> {
    let count = count.map_err(RequestError::OrganisationQuotaUnknown)?;
    if count.value > max { Err(RequestError::OrganisationQuotaExceeded) } else { Ok(Ran::On) }
}
