//! `<listen path>/tyk/rate-limits/`: what limits a caller, and what is left of it. Only who is calling is asked; nothing
//! is counted for the caller, and no plugin but `auth_check` runs.
//!
//! Source: gateway.md §2.9; Tyk, `userRatesCheck` in `gateway/session_manager.go`.

use std::sync::Arc;

use gateway_sdk::exchange::{BoxFuture, Exchange};
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::{Link, Stop, run_request};
use crate::apis::listen_path::ListenPath;
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::keyring::Keyring;
use crate::middleware::counted_id;
use crate::session::limits::{self, Limits, quota_name};
use crate::storage::Life;

/// Where it is, under the listen path.
const PATH: &str = "/tyk/rate-limits/";

/// What says who is calling.
pub(crate) struct LimitsReport(pub(crate) Vec<Link>);

#[derive(Serialize)]
struct Report {
    quota: Quota,
    rate_limit: Rate,
}

#[derive(Serialize)]
struct Quota {
    quota_max: i64,
    quota_remaining: i64,
    quota_renews: i64,
}

#[derive(Serialize)]
struct Rate {
    requests: f64,
    /// In seconds.
    per_unit: f64,
}

impl LimitsReport {
    #[inline]
    pub(super) fn is_asked(&self, exchange: &Exchange, listen: &ListenPath) -> bool {
        let path = exchange.request.path();
        path.ends_with(PATH) && listen.strip(path) == PATH
    }

    /// What the client gets: the report, or why not.
    pub(super) fn run<'a>(
        &'a self,
        exchange: &'a mut Exchange,
        listen: &'a ListenPath,
        keyring: &'a Arc<Keyring>,
    ) -> BoxFuture<'a, Stop> {
        Box::pin(async move {
            if let Err(stop) = run_request(&self.0, exchange, listen, keyring).await {
                return stop;
            }
            match report(exchange, keyring).await {
                Ok(report) => answer(&report),
                Err(error) => error.into(),
            }
        })
    }
}

async fn report(exchange: &Exchange, keyring: &Keyring) -> Result<Report, RequestError> {
    let (Some(session), Some(id)) = (exchange.caller.session(), exchange.caller.id()) else {
        return Err(RequestError::SessionMissing);
    };
    let Limits { rate, quota, scope, .. } =
        limits::limits(session, &exchange.ctx.api().api_id).ok_or(RequestError::AccessDenied)?;
    let (mut remaining, mut renews) = (quota.remaining, quota.renews);
    if quota.is_limited() {
        let name = match counted_id(session, exchange) {
            Some(counted) => quota_name(scope, &keyring.id_of(&counted)),
            None => quota_name(scope, id),
        };
        let count = keyring.counters().read(&name);
        let count = count.wait().await.map_err(RequestError::QuotaUnknown)?;
        remaining = quota.max.saturating_sub(count.map_or(0, |count| count.value)).max(0);
        if let Some(Life::For(time)) = count.map(|count| count.life) {
            renews = unix_now().saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        }
    }
    let quota = Quota { quota_max: quota.max, quota_remaining: remaining, quota_renews: renews };
    Ok(Report { quota, rate_limit: Rate { requests: rate.requests, per_unit: rate.per_s } })
}

fn answer(report: &Report) -> Stop {
    // Numbers alone, which can be written.
    let mut body = serde_json::to_vec(report).unwrap_or_default();
    body.push(b'\n');
    let response = Response::new(StatusCode::OK);
    let response = response.with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Stop::Reply(Box::new(response.with_body(body)))
}
