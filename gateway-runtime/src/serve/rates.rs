//! `X-RateLimit-*`: what a caller has left of its quota, or of its rate. Source: gateway.md §5.9.

use gateway_sdk::caller::RateNow;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{Config, RateHeaders};
use crate::session::limits;

static NAMES: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// On what an upstream answered; what it says there itself is not for our clients.
pub(crate) fn on_answer(told: RateHeaders, headers: &mut HeaderMap, exchange: &Exchange) {
    match (told, rate(exchange)) {
        (RateHeaders::Quotas, _) => write(headers, quota(exchange)),
        (RateHeaders::Rates, Some(rate)) => write(headers, rate),
        (RateHeaders::Rates, None) => NAMES.iter().for_each(|name| _ = headers.remove(name)),
    }
}

/// On the gateway's own answer, which says nothing of quotas.
pub(super) fn on_refusal(config: &Config, headers: &mut HeaderMap, exchange: &Exchange) {
    if let (RateHeaders::Rates, Some(rate)) = (config.rate_headers, rate(exchange)) {
        write(headers, rate);
    }
}

/// Zeros where there is no session.
fn quota(exchange: &Exchange) -> [i64; 3] {
    let Some(session) = exchange.caller.session() else { return [0; 3] };
    let quota = limits::quota(session, &exchange.ctx.api().api_id);
    match exchange.caller.counted().and_then(|counted| counted.quota.as_ref()) {
        Some(now) => [quota.max, now.remaining, now.renews],
        None => [quota.max, quota.remaining, quota.renews],
    }
}

/// `None` where no rate was counted.
fn rate(exchange: &Exchange) -> Option<[i64; 3]> {
    let RateNow { limit, remaining, resets } = exchange.caller.counted()?.rate?;
    Some([limit, remaining, resets])
}

fn write(headers: &mut HeaderMap, values: [i64; 3]) {
    for (name, value) in NAMES.iter().zip(values) {
        let value = if value == 0 { HeaderValue::from_static("0") } else { HeaderValue::from(value) };
        headers.insert(name.clone(), value);
    }
}
