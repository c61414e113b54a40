//! Which answers are kept for those who ask the same, and for how long.

use serde::{Deserialize, Serialize};

/// Of an API as a whole. Source: Tyk, `CacheOptions` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct CacheOptions {
    /// Without it nothing is kept.
    pub enable_cache: bool,
    /// How long, in seconds.
    pub cache_timeout: i64,
    /// The answers to all requests with `GET`, `HEAD` and `OPTIONS`.
    pub cache_all_safe_requests: bool,
    /// The status codes of answers that are kept; empty is any.
    pub cache_response_codes: Vec<i64>,
    /// An upstream may say that an answer is kept, by the header `x-tyk-cache-action-set`, and for how long.
    pub enable_upstream_cache_control: bool,
    /// The header in which it says how long, in seconds; empty is `x-tyk-cache-action-set-ttl`.
    pub cache_control_ttl_header: String,
    /// Headers of requests: those who send others do not ask the same.
    pub cache_by_headers: Vec<String>,
}

/// The method of an entry that is for `GET`, `HEAD` and `OPTIONS`.
pub const SAFE_METHODS: &str = "SAFE_METHODS";

/// Of one path and method. Source: Tyk, `CacheMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct CacheEntry {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for, or [`SAFE_METHODS`].
    pub method: String,
    /// What of the body of a `POST`, `PUT` or `PATCH` tells apart who asks something else; empty is all of it.
    pub cache_key_regex: String,
    /// The status codes of answers that are kept, in place of those of the API; empty is those.
    pub cache_response_codes: Vec<i64>,
    /// How long, in seconds, in place of the API's; zero is that.
    pub timeout: i64,
}
