//! Refuses a request whose URL and method the session does not list, if it lists any for this API.
//!
//! Source: Tyk, `gateway/mw_granular_access.go`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use gateway_model::{AccessSpec, Session};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{Method, Request};
use regex::Regex;

use super::{Building, Middleware, Ran, Step};
use crate::apis::listen_path::{canonical, decoded};
use crate::apis::pattern;
use crate::config::PathRules;
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "granular_access", build };

/// Patterns that a core keeps at most.
const PATTERNS: usize = 1_000;

thread_local! {
    /// Patterns come with sessions, and so while requests are served. One cache per core: no lock is taken.
    static CACHE: RefCell<Patterns> = RefCell::default();
}

struct GranularAccess {
    api_id: String,
}

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (!api.use_keyless).then(|| Box::new(GranularAccess { api_id: api.api_id.clone() }) as Box<dyn Step>)
}

impl Step for GranularAccess {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let allowed = exchange.caller.session().map_or(&[][..], |session| self.allowed(session));
        if allowed.is_empty() || CACHE.with_borrow_mut(|patterns| is_listed(allowed, &exchange.request, patterns)) {
            return Ok(Ran::On);
        }
        Err(RequestError::ResourceDenied)
    }
}

impl GranularAccess {
    /// What the session lists for this API; nothing listed is everything allowed.
    fn allowed<'s>(&self, session: &'s Session) -> &'s [AccessSpec] {
        session.access_rights.get(&self.api_id).map_or(&[], |access| &access.allowed_urls)
    }
}

fn is_listed(allowed: &[AccessSpec], request: &Request, patterns: &mut Patterns) -> bool {
    let has_method = |entry: &&AccessSpec| lists_method(entry, request.method());
    let mut candidates = allowed.iter().filter(has_method).peekable();
    if candidates.peek().is_none() {
        return false;
    }
    let spellings = spellings(request.path());
    candidates.any(|entry| {
        patterns.get(&entry.url).is_some_and(|pattern| spellings.iter().all(|path| pattern.is_match(path)))
    })
}

fn lists_method(entry: &AccessSpec, method: &Method) -> bool {
    entry.methods.iter().any(|listed| listed == method.as_str())
}

/// What an upstream may take a path for: decoded, as Tyk sees it; with `%2F` still one segment; and with what `..` comes
/// to. Each must be allowed, since the upstream chooses.
fn spellings(path: &str) -> Vec<Cow<'_, str>> {
    let plain = decoded(path);
    let clean = canonical(&plain);
    let mut spellings = Vec::with_capacity(1);
    if path.contains("%2F") || path.contains("%2f") {
        let path = path.replace("%2f", "%2F");
        let parts: Vec<_> = path.split("%2F").map(decoded).collect();
        spellings.push(parts.join("%2F").into());
    }
    if clean != plain {
        spellings.push(clean.into());
    }
    spellings.push(plain);
    spellings
}

/// Whether a path is for a URL of a session. What does not compile is for none.
pub(super) fn is_match(url: &str, path: &str) -> bool {
    CACHE.with_borrow_mut(|patterns| patterns.get(url).is_some_and(|pattern| pattern.is_match(path)))
}

/// Compiled patterns; `None` is one that does not compile, and so matches nothing.
#[derive(Default)]
struct Patterns(HashMap<String, Option<Regex>>);

impl Patterns {
    fn get(&mut self, url: &str) -> Option<&Regex> {
        if !self.0.contains_key(url) {
            if self.0.len() >= PATTERNS {
                self.0.clear();
            }
            self.0.insert(url.to_owned(), pattern::regex(url, PathRules::default()).ok());
        }
        self.0.get(url).and_then(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::AccessDefinition;
    use gateway_sdk::{Body, http};

    use super::*;

    fn entry(url: &str, methods: &[&str]) -> AccessSpec {
        AccessSpec { url: url.into(), methods: methods.iter().map(|method| (*method).to_owned()).collect() }
    }

    fn allows(allowed: &[AccessSpec], method: &str, path: &str) -> bool {
        let request = http::Request::builder().method(method).uri(path).body(()).expect("a request");
        let request = Request::from_parts(request.into_parts().0, Body::empty());
        is_listed(allowed, &request, &mut Patterns::default())
    }

    #[test]
    fn an_entry_lists_a_url_and_its_methods() {
        let allowed = [entry("/orders", &["GET", "HEAD"]), entry("/carts/{id}$", &["POST"])];
        assert!(allows(&allowed, "GET", "/shop/orders/7?x=1"));
        assert!(!allows(&allowed, "POST", "/shop/orders/7"));
        assert!(allows(&allowed, "POST", "/shop/carts/7"));
        assert!(!allows(&allowed, "POST", "/shop/carts/7/items"));
        assert!(!allows(&allowed, "GET", "/shop/users"));
    }

    #[test]
    fn a_method_is_listed_exactly_or_not_at_all() {
        assert!(!allows(&[entry("/", &["get"])], "GET", "/"));
        assert!(!allows(&[entry("/", &[])], "GET", "/"));
    }

    #[test]
    fn the_listen_path_belongs_to_the_url() {
        assert!(allows(&[entry("^/shop/orders", &["GET"])], "GET", "/shop/orders"));
        assert!(!allows(&[entry("^/orders", &["GET"])], "GET", "/shop/orders"));
    }

    #[test]
    fn a_pattern_that_does_not_compile_matches_nothing() {
        assert!(!allows(&[entry("/a(", &["GET"])], "GET", "/a("));
        assert!(allows(&[entry("/a(", &["GET"]), entry("/a", &["GET"])], "GET", "/a"));
    }

    #[test]
    fn an_escaped_path_is_what_it_means() {
        assert!(allows(&[entry("^/my docs/ä$", &["GET"])], "GET", "/my%20docs/%C3%A4"));
        assert!(!allows(&[entry("^/%61$", &["GET"])], "GET", "/%61"));
    }

    #[test]
    fn an_escape_opens_no_way_around() {
        assert!(!allows(&[entry("^/a/[^/]+$", &["GET"])], "GET", "/a/b%2Fsecret"), "the upstream may decode it");
        assert!(!allows(&[entry("^/a/b/", &["GET"])], "GET", "/a/b%2fsecret"), "the upstream may not decode it");
        assert!(!allows(&[entry("^/public/", &["GET"])], "GET", "/public/%2e%2e/admin"));
        assert!(!allows(&[entry("^/public/", &["GET"])], "GET", "/public%2F..%2Fadmin"));
        assert!(allows(&[entry("^/a", &["GET"])], "GET", "/a/b%2Fc"));
    }

    #[test]
    fn nothing_listed_for_this_api_is_everything_allowed() {
        let step = GranularAccess { api_id: "shop".into() };
        let access = AccessDefinition { allowed_urls: vec![entry("/", &["GET"])], ..AccessDefinition::default() };
        let rights = |api: &str, access: AccessDefinition| Session {
            access_rights: [(api.to_owned(), access)].into(),
            ..Session::default()
        };
        assert!(step.allowed(&Session::default()).is_empty());
        assert!(step.allowed(&rights("other", access.clone())).is_empty());
        assert!(step.allowed(&rights("shop", AccessDefinition::default())).is_empty());
        assert_eq!(step.allowed(&rights("shop", access)).len(), 1);
    }

    #[test]
    fn only_so_many_patterns_are_kept() {
        let mut patterns = Patterns::default();
        for n in 0..=PATTERNS {
            assert!(patterns.get(&format!("/{n}")).is_some());
            assert!(patterns.0.len() <= PATTERNS);
        }
        assert!(patterns.get("/a(").is_none() && patterns.0.contains_key("/a("));
    }
}
