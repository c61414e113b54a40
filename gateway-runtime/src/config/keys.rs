//! What the configuration says of keys and limits. Source: gateway.md §1.2.

use std::time::Duration;

use serde::Deserialize;

use super::Raw;
use super::remark::Remarks;
use crate::keyring::Settings;
use crate::limiter::{self, Algorithm as Way};
use crate::session::bucket::THRESHOLD;
use crate::session::hash::Algorithm;
use crate::session::key::KeyRules;
use crate::session::nodes::FORGOTTEN_AFTER;
use crate::session::password::PasswordHash;
use crate::telling;

/// Tyk's own: a key is at least so long.
const MIN_TOKEN_LENGTH: usize = 3;

/// Seconds between two notices of a gateway's; Tyk's own.
const NOTICES: u64 = 2;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawCache {
    disable_cached_session_state: bool,
}

/// What `X-RateLimit-*` tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum RateHeaders {
    /// What is left of the quota.
    #[default]
    Quotas,
    /// What is left of the rate.
    Rates,
}

pub(super) fn settings(raw: &Raw, remarks: &mut Remarks<'_>) -> Settings {
    let function = Some(raw.hash_key_function.as_str()).filter(|name| !name.is_empty());
    let function = function.map(|name| algorithm(name, "hash_key_function", remarks));
    let named = |(at, name): (usize, &String)| algorithm(name, &format!("hash_key_function_fallback[{at}]"), remarks);
    let fallbacks = raw.hash_key_function_fallback.iter().enumerate().map(named).collect();
    let min_length = if raw.min_token_length == 0 { MIN_TOKEN_LENGTH } else { raw.min_token_length };
    Settings {
        rules: KeyRules { hash_keys: raw.hash_keys, function, fallbacks, min_length },
        forced_lifetime_s: raw.force_global_session_lifetime.then_some(raw.global_session_lifetime),
        respects_expiry: raw.session_lifetime_respects_key_expiration,
        never_kept: raw.local_session_cache.disable_cached_session_state,
        allows_master: raw.allow_master_keys,
        lists_hashed: raw.enable_hashed_keys_listing,
        refuses_names: raw.disable_key_actions_by_username,
        password_hash: password_hash(raw, remarks),
        limits_organisations: raw.enforce_org_quotas,
        refuses_unknown_organisations: raw.suppress_default_org_store,
        takes_unsafe_tokens: raw.security.allow_unsafe_dynamic_mtls_token,
    }
}

/// Tyk takes `murmur64` for what it does not know, and so do its keys.
fn algorithm(name: &str, path: &str, remarks: &mut Remarks<'_>) -> Algorithm {
    Algorithm::named(name).unwrap_or_else(|error| {
        remarks.warning(path, format!("{error}; keys are hashed by `murmur64`, as with Tyk"));
        Algorithm::Murmur64
    })
}

/// Tyk takes bcrypt for what it does not know.
fn password_hash(raw: &Raw, remarks: &mut Remarks<'_>) -> PasswordHash {
    match raw.basic_auth_hash_key_function.as_str() {
        "" => PasswordHash::Bcrypt,
        name => PasswordHash::named(name).unwrap_or_else(|error| {
            remarks.warning(
                "basic_auth_hash_key_function",
                format!("{error}; passwords are hashed by `bcrypt`, as with Tyk"),
            );
            PasswordHash::Bcrypt
        }),
    }
}

pub(super) fn rate_headers(raw: &Raw, remarks: &mut Remarks<'_>) -> RateHeaders {
    match raw.rate_limit_response_headers.as_str() {
        "" | "quotas" => RateHeaders::Quotas,
        "rate_limits" => RateHeaders::Rates,
        other => {
            let reason = format!("`{other}` is not one of `quotas`, `rate_limits`");
            remarks.error("rate_limit_response_headers", reason);
            RateHeaders::Quotas
        }
    }
}

/// The first way that is asked for. Source: gateway.md §7.2.
pub(super) fn rates(raw: &Raw, headers: RateHeaders, remarks: &mut Remarks<'_>) -> limiter::Settings {
    let asked = [
        (raw.enable_fixed_window_rate_limiter, Way::FixedWindow),
        (raw.enable_sentinel_rate_limiter, Way::Sentinel),
        (raw.enable_redis_rolling_limiter, Way::Rolling),
    ];
    let algorithm = asked.into_iter().find(|(is_asked, _)| *is_asked).map_or_else(Way::default, |(_, way)| way);
    let threshold = match raw.drl_threshold {
        0.0 => THRESHOLD,
        below if below < 0.0 => {
            remarks.error("drl_threshold", format!("`{below}` is below zero: write requests per second, such as 5"));
            THRESHOLD
        }
        threshold => threshold,
    };
    limiter::Settings { algorithm, threshold, tells: headers == RateHeaders::Rates }
}

/// How gateways on one store know of each other. Source: gateway.md §7.2.
pub(super) fn cluster(raw: &Raw, remarks: &mut Remarks<'_>) -> telling::Settings {
    let seconds = if raw.drl_notification_frequency == 0 { NOTICES } else { raw.drl_notification_frequency };
    let every = Duration::from_secs(seconds);
    if every >= FORGOTTEN_AFTER {
        let reason = format!(
            "a gateway that is not heard of for {} s is taken for gone: write 1, 2 or 3",
            FORGOTTEN_AFTER.as_secs()
        );
        remarks.warning("drl_notification_frequency", reason);
    }
    telling::Settings { every: every.min(super::LONGEST), is_silent: raw.management_node }
}
