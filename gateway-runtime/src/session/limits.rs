//! What limits a session on an API, and what its counters are called.
//!
//! Source: Tyk, `gateway/session_manager.go`, `internal/rate`.

use std::time::Duration;

use gateway_model::{AccessLimit, Endpoint, Session};

use super::hash::Algorithm;

/// So many requests in so long.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    /// Zero or less means unlimited.
    pub(crate) requests: f64,
    /// The window, in seconds.
    pub(crate) per_s: f64,
}

impl Rate {
    pub(crate) fn is_limited(self) -> bool {
        self.requests > 0.0
    }
}

/// How a request waits that the rate would refuse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Throttle {
    /// Time between two attempts.
    pub(crate) interval: Duration,
    /// Attempts; none means that it is refused at once.
    pub(crate) retries: u32,
}

/// So many requests until the counter is new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Zero or less means unlimited.
    pub(crate) max: i64,
    /// How long a counter lives, in seconds; zero or less means for ever.
    pub(crate) renewal_s: i64,
    /// When the session last heard that it renews, in seconds since 1970.
    pub(crate) renews: i64,
    /// What the session last heard of what is left.
    pub(crate) remaining: i64,
}

impl Quota {
    pub(crate) fn is_limited(self) -> bool {
        self.max > 0
    }
}

/// All that limits a session on one API.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits<'s> {
    pub(crate) rate: Rate,
    pub(crate) throttle: Throttle,
    pub(crate) quota: Quota,
    /// They are those beside the API.
    pub(crate) is_own: bool,
    /// Depth allowed to a GraphQL query; zero or less means unlimited.
    pub(crate) max_query_depth: i64,
    /// Which counters they share; empty for those of the key.
    pub(crate) scope: &'s str,
    /// Rates of single endpoints, the first that matches counts.
    pub(crate) endpoints: &'s [Endpoint],
}

/// What limits a session on an API: the limits beside the API if any of them is set, else those of the session.
///
/// `None`: the session has rights, and none on this API. Nothing passes then.
pub(crate) fn limits<'s>(session: &'s Session, api_id: &str) -> Option<Limits<'s>> {
    let access = session.access_rights.get(api_id);
    if access.is_none() && !session.access_rights.is_empty() {
        return None;
    }
    let own = access.map(|access| &access.limit).filter(|limit| !limit.is_zero());
    let mut limits = own.map_or_else(|| of_session(session), of_api);
    if let Some(access) = access {
        (limits.scope, limits.endpoints) = (&access.allowance_scope, &access.endpoints);
    }
    Some(limits)
}

/// The quota of a session on an API: that beside the API if there are limits, else that of the session.
pub(crate) fn quota(session: &Session, api_id: &str) -> Quota {
    match own(session, api_id) {
        Some(limit) => quota_of_api(limit),
        None => quota_of_session(session),
    }
}

/// The limits beside an API, if any is set.
fn own<'s>(session: &'s Session, api_id: &str) -> Option<&'s AccessLimit> {
    session.access_rights.get(api_id).map(|access| &access.limit).filter(|limit| !limit.is_zero())
}

fn quota_of_session(session: &Session) -> Quota {
    Quota {
        max: session.quota_max,
        renewal_s: session.quota_renewal_rate,
        renews: session.quota_renews,
        remaining: session.quota_remaining,
    }
}

fn quota_of_api(limit: &AccessLimit) -> Quota {
    Quota {
        max: limit.quota_max,
        renewal_s: limit.quota_renewal_rate,
        renews: limit.quota_renews,
        remaining: limit.quota_remaining,
    }
}

fn of_session(session: &Session) -> Limits<'static> {
    Limits {
        rate: Rate { requests: session.rate, per_s: session.per },
        throttle: throttle(session.throttle_interval, session.throttle_retry_limit),
        quota: quota_of_session(session),
        is_own: false,
        max_query_depth: session.max_query_depth,
        scope: "",
        endpoints: &[],
    }
}

fn of_api(limit: &AccessLimit) -> Limits<'static> {
    Limits {
        rate: Rate { requests: limit.rate, per_s: limit.per },
        throttle: throttle(limit.throttle_interval, limit.throttle_retry_limit),
        quota: quota_of_api(limit),
        is_own: true,
        max_query_depth: limit.max_query_depth,
        scope: "",
        endpoints: &[],
    }
}

fn throttle(interval_s: f64, retries: i64) -> Throttle {
    Throttle {
        // Below zero, or more than any time: none.
        interval: Duration::try_from_secs_f64(interval_s).unwrap_or_default(),
        retries: u32::try_from(retries).unwrap_or_default(),
    }
}

/// The limit of one endpoint, and what tells its counter from others.
#[derive(Debug, PartialEq)]
pub(crate) struct EndpointLimit {
    pub(crate) rate: Rate,
    pub(crate) hash: String,
}

/// The limit of the first endpoint that has the method, and whose pattern `matches` the path after the listen path.
pub(crate) fn endpoint(
    endpoints: &[Endpoint],
    method: &str,
    mut matches: impl FnMut(&str) -> bool,
) -> Option<EndpointLimit> {
    endpoints.iter().find_map(|endpoint| {
        let found = endpoint.methods.iter().find(|known| known.name.eq_ignore_ascii_case(method))?;
        let rate = Rate { requests: found.limit.rate, per_s: found.limit.per };
        matches(&endpoint.path).then(|| EndpointLimit { rate, hash: endpoint_hash(&found.name, &endpoint.path) })
    })
}

/// What tells the counter of an endpoint from others. Method and path are as they are configured.
pub(crate) fn endpoint_hash(method: &str, path: &str) -> String {
    Algorithm::Murmur32.hash(&format!("{method}:{path}"))
}

/// The name of a counter for a rate. The `id` is that under which the key is stored.
pub(crate) fn rate_name(scope: &str, id: &str, endpoint: Option<&str>) -> String {
    let parts = ["rate-limit", scope, id, endpoint.unwrap_or_default()];
    parts.map(|part| part.trim_matches('-')).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The name of what stands in the way of those who have come too often, by the name of their counter.
pub(crate) fn blocked_name(rate: &str) -> String {
    format!("{rate}.BLOCKED")
}

/// The name of a counter for a quota. The `id` is that under which the key is stored.
pub(crate) fn quota_name(scope: &str, id: &str) -> String {
    if scope.is_empty() { format!("quota-{id}") } else { format!("quota-{scope}-{id}") }
}

/// What stands in the place of a key for the limit of an API as a whole, or of one of its endpoints; it is stored as
/// keys are. Source: Tyk, `gateway/mw_api_rate_limit.go`.
pub(crate) fn api_limit_key(org_id: &str, api_id: &str, endpoint: Option<&str>) -> String {
    match endpoint {
        None => format!("apilimiter-{org_id}{api_id}"),
        Some(hash) => format!("apilimiter-{org_id}{api_id}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn session(document: &Value) -> Session {
        serde_json::from_value(document.clone()).expect("a session")
    }

    const ROOT: &str = r#"{"rate": 5, "per": 60, "quota_max": 7, "quota_renewal_rate": 3600, "quota_renews": 9,
        "throttle_interval": 1.5, "throttle_retry_limit": 2, "max_query_depth": 3}"#;

    fn root_with(rights: Value) -> Session {
        let mut document: Value = serde_json::from_str(ROOT).expect("JSON");
        document["access_rights"] = rights;
        session(&document)
    }

    #[test]
    fn limits_beside_the_api_replace_all_of_the_sessions() {
        let own = root_with(json!({"a": {"limit": {"quota_max": 1}, "allowance_scope": "s"}}));
        let found = limits(&own, "a").expect("limits");
        assert_eq!((found.rate, found.quota.max, found.scope), (Rate::default(), 1, "s"));
        assert_eq!((found.throttle, found.quota.renewal_s), (Throttle::default(), 0));
    }

    #[test]
    fn without_them_the_limits_are_the_sessions() {
        for rights in [json!({}), json!({"a": {}}), json!({"a": {"limit": {"rate": 0}}})] {
            let session = root_with(rights);
            let found = limits(&session, "a").expect("limits");
            assert_eq!(found.rate, Rate { requests: 5.0, per_s: 60.0 });
            assert_eq!(found.quota, Quota { max: 7, renewal_s: 3600, renews: 9, remaining: 0 });
            assert_eq!(found.throttle, Throttle { interval: Duration::from_millis(1500), retries: 2 });
            assert_eq!((found.max_query_depth, found.scope), (3, ""));
        }
    }

    #[test]
    fn rights_without_the_api_are_no_limits_but_a_refusal() {
        assert_eq!(limits(&root_with(json!({"b": {}})), "a"), None);
    }

    #[test]
    fn zero_and_below_are_unlimited() {
        for (value, is_limited) in [(-1.0, false), (0.0, false), (0.5, true), (1.0, true)] {
            assert_eq!(Rate { requests: value, per_s: 1.0 }.is_limited(), is_limited, "{value}");
        }
        for (max, is_limited) in [(-1, false), (0, false), (1, true)] {
            assert_eq!(Quota { max, ..Quota::default() }.is_limited(), is_limited, "{max}");
        }
        for interval in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(throttle(interval, -1), Throttle::default(), "{interval}");
        }
    }

    #[test]
    fn the_first_endpoint_with_the_method_and_a_matching_path_counts() {
        let session = root_with(json!({"a": {"endpoints": [
            {"path": "/users", "methods": [{"name": "POST", "limit": {"rate": 1, "per": 1}}]},
            {"path": "/user", "methods": [
                {"name": "GET", "limit": {"rate": 2, "per": 1}}, {"name": "get", "limit": {"rate": 9, "per": 1}},
            ]},
            {"path": "/", "methods": [{"name": "GET", "limit": {"rate": 3, "per": 1}}]},
        ]}}));
        let endpoints = limits(&session, "a").expect("limits").endpoints;
        let found = |method: &str, path: &str| {
            endpoint(endpoints, method, |pattern| path.contains(pattern)).map(|found| (found.rate.requests, found.hash))
        };
        assert_eq!(found("GET", "/users"), Some((2.0, endpoint_hash("GET", "/user"))));
        assert_eq!(found("get", "/users"), Some((2.0, endpoint_hash("GET", "/user"))));
        assert_eq!(found("POST", "/users/7"), Some((1.0, endpoint_hash("POST", "/users"))));
        assert_eq!(found("GET", "/x"), Some((3.0, endpoint_hash("GET", "/"))));
        assert_eq!(found("PUT", "/users"), None);
        assert_eq!(endpoint_hash("GET", "/user"), Algorithm::Murmur32.hash("GET:/user"));
    }

    #[test]
    fn a_counters_name_is_made_of_scope_key_and_endpoint() {
        for (scope, id, endpoint, expected) in [
            ("", "248bfa47", None, "rate-limit-248bfa47"),
            ("api", "248bfa47", None, "rate-limit-api-248bfa47"),
            ("api", "248bfa47", Some("149bbb7f"), "rate-limit-api-248bfa47-149bbb7f"),
            ("-api-", "-k-", Some("-e"), "rate-limit-api-k-e"),
            ("", "", None, "rate-limit"),
        ] {
            assert_eq!(rate_name(scope, id, endpoint), expected);
        }
        assert_eq!(quota_name("", "248bfa47"), "quota-248bfa47");
        assert_eq!(quota_name("api", "248bfa47"), "quota-api-248bfa47");
        assert_eq!(api_limit_key("org", "api", None), "apilimiter-orgapi");
        assert_eq!(api_limit_key("org", "api", Some("149bbb7f")), "apilimiter-orgapi-149bbb7f");
    }
}
