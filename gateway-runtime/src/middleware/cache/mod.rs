//! Keeps answers of upstreams for those who ask the same. Source: Tyk, `gateway/mw_redis_cache.go`, `gateway/res_cache.go`;
//! gateway.md §5.13.
//!
//! | to find | look in |
//! |---|---|
//! | what a definition says of it | [`CacheRules`], here |
//! | who asks the same | `name.rs` |
//! | a request that is answered | `read.rs` |
//! | an answer that is kept | `write.rs` |
//! | how an answer is written | `record.rs` |

mod name;
pub(super) mod read;
mod record;
pub(super) mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_model::{CacheEntry, CacheOptions, JsonPath, SAFE_METHODS};
use gateway_sdk::{HeaderName, Method, Request};
use regex::bytes::Regex;

use crate::apis::listen_path::mistake;
use crate::apis::paths::{OnPaths, Planned};
use crate::apis::plan::Planning;

/// Methods that change nothing.
const SAFE: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];

/// Where an upstream says that its answer is kept, and for how long.
const KEEP: HeaderName = HeaderName::from_static("x-tyk-cache-action-set");
const KEEP_FOR: HeaderName = HeaderName::from_static("x-tyk-cache-action-set-ttl");

/// Which answers of an API are kept, and for how long.
pub(crate) struct CacheRules {
    all_safe: bool,
    everywhere: Keep,
    on_paths: Option<OnPaths<OnPath>>,
    /// Headers that tell apart who asks something else, as they are written and as they are looked up.
    by_headers: Vec<(String, HeaderName)>,
    /// Where upstreams say for how long, if they are asked.
    upstream: Option<HeaderName>,
    /// The version of the API that requests have chosen, if they choose.
    version: Option<String>,
    /// It was said that something is not kept.
    told: AtomicBool,
}

/// What is kept.
#[derive(Debug, Clone, PartialEq)]
struct Keep {
    /// Empty is any.
    codes: Vec<i64>,
    /// In seconds.
    ttl_s: i64,
}

/// What is kept of one path.
#[derive(Debug, Clone)]
struct OnPath {
    keep: Keep,
    /// What of a body tells apart who asks something else; `None` is all of it.
    body: Option<Regex>,
}

/// An answer that is to be kept; it travels with the request.
#[derive(Debug, Clone)]
struct Wanted {
    name: Arc<str>,
    keep: Keep,
}

/// The answer to a request is kept under no name that it was given so far: another chain has its own.
pub(crate) fn forget(request: &mut Request) {
    request.extensions_mut().remove::<Wanted>();
}

impl CacheRules {
    /// `None` where nothing is kept, or its mistakes are told.
    pub(crate) fn plan(planning: &mut Planning<'_, '_>) -> Option<Self> {
        let options = &planning.api().cache_options;
        if !options.enable_cache {
            return None;
        }
        let place = JsonPath::default().key("cache_options");
        let everywhere = Keep { codes: options.cache_response_codes.clone(), ttl_s: options.cache_timeout };
        let on_paths = on_paths(planning, &everywhere);
        let lasts = |paths: &OnPaths<OnPath>| paths.all().iter().any(|path| path.keep.ttl_s > 0);
        if options.cache_timeout <= 0 && !options.enable_upstream_cache_control && !on_paths.as_ref().is_some_and(lasts)
        {
            let reason = "is 0, so that nothing is kept; write seconds";
            planning.warn(&place.key("cache_timeout"), reason.to_owned());
        }
        if !options.cache_all_safe_requests && on_paths.is_none() {
            let reason = "has no effect: no path is in `cache` or `advance_cache_config`, and \
                          `cache_all_safe_requests` is false";
            planning.warn(&place.key("enable_cache"), reason.to_owned());
            return None;
        }
        let by_headers = by_headers(planning, &place, options);
        let upstream = upstream(planning, &place, options);
        let all_safe = options.cache_all_safe_requests;
        let version = planning.chosen().map(str::to_owned);
        Some(Self { all_safe, everywhere, on_paths, by_headers, upstream, version, told: AtomicBool::new(false) })
    }

    /// What is kept of the answer to a request, if any is, and by what of its body it is known.
    fn of(&self, request: &Request) -> Option<(&Keep, Option<&Regex>)> {
        if self.all_safe && SAFE.contains(request.method()) {
            return Some((&self.everywhere, None));
        }
        let path = self.on_paths.as_ref()?.find(request)?;
        Some((&path.keep, path.body.as_ref()))
    }

    /// Says once for each API that an answer is not kept, and why.
    fn tell(&self, api_id: &str, reason: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(api_id, reason, "an answer is not kept; this is said once until the API is another");
        }
    }
}

fn on_paths(planning: &mut Planning<'_, '_>, everywhere: &Keep) -> Option<OnPaths<OnPath>> {
    let plain = OnPath { keep: everywhere.clone(), body: None };
    let mut planned = safe(planning.planned("cache", |paths| &paths.cache, |_, _, _| Some(plain.clone())));
    let entries = planning.planned(
        "advance_cache_config",
        |paths| &paths.advance_cache_config,
        |planning, entry, place| on_path(planning, entry, place, everywhere),
    );
    for entry in entries {
        match entry.method.as_deref() {
            Some(SAFE_METHODS) => planned.extend(safe(vec![entry])),
            _ => planned.push(entry),
        }
    }
    OnPaths::new(planned, planning.listen()?)
}

/// The same, for each of [`SAFE`].
fn safe(planned: Vec<Planned<OnPath>>) -> Vec<Planned<OnPath>> {
    let each = |Planned { pattern, what, .. }: Planned<OnPath>| {
        SAFE.map(|method| Planned {
            pattern: pattern.clone(),
            method: Some(method.as_str().to_owned()),
            what: what.clone(),
        })
    };
    planned.into_iter().flat_map(each).collect()
}

fn on_path(planning: &mut Planning<'_, '_>, entry: &CacheEntry, place: &JsonPath, everywhere: &Keep) -> Option<OnPath> {
    let body = match entry.cache_key_regex.as_str() {
        "" => None,
        text => match Regex::new(text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                planning.refuse(&place.key("cache_key_regex"), mistake(&error));
                return None;
            }
        },
    };
    let codes = if entry.cache_response_codes.is_empty() { &everywhere.codes } else { &entry.cache_response_codes };
    let ttl_s = if entry.timeout > 0 { entry.timeout } else { everywhere.ttl_s };
    Some(OnPath { keep: Keep { codes: codes.clone(), ttl_s }, body })
}

fn by_headers(planning: &mut Planning<'_, '_>, place: &JsonPath, options: &CacheOptions) -> Vec<(String, HeaderName)> {
    let mut names = Vec::new();
    for (index, written) in options.cache_by_headers.iter().enumerate() {
        match written.parse() {
            Ok(name) => names.push((written.clone(), name)),
            Err(_) => {
                let reason = format!("`{written}` is no name that a header can have");
                planning.refuse(&place.key("cache_by_headers").index(index), reason);
            }
        }
    }
    names
}

fn upstream(planning: &mut Planning<'_, '_>, place: &JsonPath, options: &CacheOptions) -> Option<HeaderName> {
    let written = &options.cache_control_ttl_header;
    match written.parse() {
        _ if !options.enable_upstream_cache_control => None,
        _ if written.is_empty() => Some(KEEP_FOR),
        Ok(name) => Some(name),
        Err(_) => {
            let reason = format!("`{written}` is no name that a header can have");
            planning.refuse(&place.key("cache_control_ttl_header"), reason);
            None
        }
    }
}
