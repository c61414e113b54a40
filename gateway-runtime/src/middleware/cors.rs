//! Lets browsers read answers across origins: answers what they ask beforehand, and marks the answers to all else.
//!
//! Source: gateway.md §5.12; Tyk, `gateway/mw_cors.go`; rs/cors 1.11.

use gateway_model::{ApiDefinition, JsonPath};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use gateway_sdk::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "cors", plan };
pub(super) const ON_RESPONSE: PlannedMiddleware =
    PlannedMiddleware { name: "cors_on_response", plan: plan_on_response };

/// Where the definition says nothing.
const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];
const HEADERS: [&str; 3] = ["accept", "content-type", "x-requested-with"];

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const BY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// The headers that are the gateway's.
const OURS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Which origins may read answers.
enum Origins {
    Any,
    Some {
        exact: Vec<String>,
        /// What comes before and after a `*`.
        wild: Vec<(String, String)>,
    },
}

struct Cors {
    origins: Origins,
    methods: Vec<String>,
    /// In lower case; `None` is any.
    headers: Option<Vec<String>>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

/// Whether the gateway itself answers what browsers ask beforehand.
pub(super) fn answers_preflight(api: &ApiDefinition) -> bool {
    api.cors.enable && !api.cors.options_passthrough
}

/// Whether a request with the method `OPTIONS` is one that a browser makes before another.
pub(super) fn is_preflight(request: &Request) -> bool {
    request.headers().get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty())
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let cors = &planning.api().cors;
    if !cors.enable {
        return None;
    }
    let place = |field: &str| JsonPath::default().key("CORS").key(field);
    for (index, origin) in cors.allowed_origins.iter().enumerate() {
        if origin != "*" && origin.matches('*').count() > 1 {
            let reason = format!("`{origin}` has more than one `*`, so no origin is like it; write one entry for each");
            planning.refuse(&place("allowed_origins").index(index), reason);
        }
    }
    let exposed: Vec<String> = cors.exposed_headers.iter().map(|name| canonical(name)).collect();
    let exposed = HeaderValue::try_from(exposed.join(", ")).ok();
    if exposed.is_none() {
        planning.refuse(&place("exposed_headers"), "are not all names of headers".to_owned());
    }
    let methods = match cors.allowed_methods.as_slice() {
        [] => METHODS.map(str::to_owned).into(),
        some => some.to_vec(),
    };
    let headers = match cors.allowed_headers.as_slice() {
        [] => Some(HEADERS.map(str::to_owned).into()),
        some if some.iter().any(|name| name == "*") => None,
        some => Some(some.iter().map(|name| name.to_ascii_lowercase()).collect()),
    };
    let max_age = match cors.max_age {
        0 => None,
        seconds => Some(HeaderValue::from(seconds.max(0))),
    };
    Some(Box::new(Cors {
        origins: Origins::of(&cors.allowed_origins),
        methods,
        headers,
        exposed: exposed.filter(|names| !names.is_empty()),
        credentials: cors.allow_credentials,
        max_age,
    }))
}

/// `x-a-b` as `X-A-B`. Source: Go, `net/textproto`.
fn canonical(name: &str) -> String {
    let capital = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + &rest.to_ascii_lowercase(),
        None => word.to_owned(),
    };
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

impl Origins {
    fn of(allowed: &[String]) -> Self {
        if allowed.is_empty() || allowed.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        let (mut exact, mut wild) = (Vec::new(), Vec::new());
        for origin in allowed.iter().map(|origin| origin.to_lowercase()) {
            match origin.split_once('*') {
                Some((before, after)) => wild.push((before.to_owned(), after.to_owned())),
                None => exact.push(origin),
            }
        }
        Self::Some { exact, wild }
    }

    /// What an answer to a page of `origin` says; `None`: the page may not read it.
    fn told(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let Self::Some { exact, wild } = self else { return Some(ANY) };
        let text = origin.to_str().ok()?.to_lowercase();
        let is_like = |(before, after): &(String, String)| {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        };
        (exact.contains(&text) || wild.iter().any(is_like)).then(|| origin.clone())
    }
}

impl Cors {
    /// What an answer says to the page that asked; `None`: the page may not read it.
    fn origin(&self, request: &Request) -> Option<HeaderValue> {
        self.origins.told(request.headers().get(ORIGIN).filter(|origin| !origin.is_empty())?)
    }

    fn allows_method(&self, method: &str) -> bool {
        method == "OPTIONS" || self.methods.iter().any(|allowed| allowed == method)
    }

    fn allows_headers(&self, asked: &HeaderValue) -> bool {
        let Some(allowed) = &self.headers else { return true };
        let Ok(asked) = asked.to_str() else { return false };
        let mut names = asked.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
        names.all(|name| allowed.contains(&name))
    }

    /// The answer to what a browser asks beforehand.
    fn preflight(&self, request: &Request) -> Response {
        let mut response = Response::new(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        headers.insert(VARY, BY_PREFLIGHT);
        let asked = request.headers();
        let (method, names) = (
            asked.get(ACCESS_CONTROL_REQUEST_METHOD),
            asked.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|it| !it.is_empty()),
        );
        let (Some(origin), Some(method)) = (self.origin(request), method) else { return response };
        let is_allowed = method.to_str().is_ok_and(|method| self.allows_method(method));
        if !is_allowed || !names.is_none_or(|names| self.allows_headers(names)) {
            return response;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(names) = names {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        if let Some(age) = &self.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        response
    }

    /// What the answer to any other request says.
    fn mark(&self, request: &Request, headers: &mut HeaderMap) {
        headers.append(VARY, BY_ORIGIN);
        let Some(origin) = self.origin(request) else { return };
        if !self.allows_method(request.method().as_str()) {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if let Some(exposed) = &self.exposed {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
    }
}

impl Step for Cors {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &exchange.request;
        if request.method() != Method::OPTIONS {
            self.mark(request, &mut exchange.ctx.asked_mut().response_headers);
            return Ok(Ran::On);
        }
        if is_preflight(request) {
            return Ok(Ran::Answer(Box::new(self.preflight(request))));
        }
        let mut response = Response::new(StatusCode::OK);
        self.mark(request, response.headers_mut());
        Ok(Ran::Answer(Box::new(response)))
    }
}

/// What the upstream says of these things is not for our clients.
struct OnResponse;

fn plan_on_response(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    planning.api().cors.enable.then(|| Box::new(OnResponse) as Box<dyn Step>)
}

impl Step for OnResponse {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Exchange { response, ctx, .. } = exchange;
        if let Some(response) = response {
            let set = &ctx.asked_mut().response_headers;
            for name in OURS.iter().filter(|name| set.contains_key(*name)) {
                response.headers_mut().remove(name);
            }
        }
        Ok(Ran::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_no_case_and_at_most_one_star() {
        let told = |allowed: &[&str], origin: &'static str| {
            let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
            Origins::of(&allowed).told(&HeaderValue::from_static(origin))
        };
        assert_eq!(told(&[], "http://a"), Some(ANY));
        assert_eq!(told(&["http://b", "*"], "http://a"), Some(ANY));
        assert_eq!(told(&["HTTP://a"], "http://A"), Some(HeaderValue::from_static("http://A")));
        assert_eq!(told(&["http://*.a"], "http://x.y.a"), Some(HeaderValue::from_static("http://x.y.a")));
        assert_eq!(told(&["http://*.a"], "http://a"), None);
        assert_eq!(told(&["ab*ba"], "aba"), None, "what is before and after the star is not the same text");
    }

    #[test]
    fn names_of_headers_are_written_as_go_does() {
        assert_eq!(canonical("x-rate-LIMIT"), "X-Rate-Limit");
        assert_eq!(canonical(""), "");
    }
}
