//! What is decided on single paths before anybody is asked who they are: what only the gateway itself may ask for, what
//! it answers itself, where nobody is asked, what is refused, and what is let through.
//!
//! Of all entries in the order of `internal`, `mock_response`, `ignored`, `black_list` and `white_list`, the first that
//! matches path and method counts. Source: gateway.md §3.4, §5.4; Tyk, `gateway/mw_version_check.go`.

use std::collections::BTreeMap;

use bytes::Bytes;
use gateway_model::{ApiDefinition, ExtendedPaths, JsonPath, ListedPath, MethodAction, OlderPaths, Version};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::version_check::{VersionError, default_version};
use super::{PlannedMiddleware, Ran, Step, cors};
use crate::apis::paths::{OnPaths, Planned};
use crate::apis::plan::Planning;
use crate::chain::{Ignored, Journey};
use crate::config::RateHeaders;
use crate::error::RequestError;
use crate::serve::rates;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "lists", plan };

/// What an answer is that says nothing of its kind. Source: Go, `net/http`.
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What an entry comes to.
#[derive(Clone)]
enum Verdict {
    Reply(Reply),
    Ignore,
    Refuse,
    Let,
}

/// An answer of the gateway's own.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An entry, with its place among all of them.
type Entry = (usize, Verdict);

struct Lists {
    internal: Option<OnPaths<()>>,
    /// Those whose case counts, and those whose case does not: an automaton knows one of them.
    exact: Option<OnPaths<Entry>>,
    folded: Option<OnPaths<Entry>>,
    /// What is not listed is refused.
    is_closed: bool,
    /// What browsers ask beforehand is not for the lists.
    passes_preflight: bool,
    /// What mocks tell of limits.
    rate_headers: RateHeaders,
}

/// Whether there are paths on which nobody is asked who they are.
pub(crate) fn ignores(api: &ApiDefinition) -> bool {
    let Ok(Some((_, version))) = default_version(&api.version_data) else { return false };
    match version {
        Version { use_extended_paths: true, extended_paths, .. } => {
            extended_paths.ignored.iter().any(|entry| !entry.disabled)
        }
        Version { paths, .. } => !paths.ignored.is_empty(),
    }
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let internal = planning.on_paths("internal", |paths| &paths.internal, |_, _, _| Some(()));
    let mut all = mocks(planning);
    all.extend(listed(planning, "ignored", |paths| &paths.ignored, |paths| &paths.ignored, &Verdict::Ignore));
    all.extend(listed(planning, "black_list", |paths| &paths.black_list, |paths| &paths.black_list, &Verdict::Refuse));
    let refused = all.len();
    all.extend(listed(planning, "white_list", |paths| &paths.white_list, |paths| &paths.white_list, &Verdict::Let));
    let is_closed = all.len() > refused;
    let (mut exact, mut folded) = (Vec::new(), Vec::new());
    for (place, Planned { pattern, method, what }) in all.into_iter().enumerate() {
        let of_case = if pattern.folds() { &mut folded } else { &mut exact };
        of_case.push(Planned { pattern, method, what: (place, what) });
    }
    let listen = planning.listen()?;
    let (exact, folded) = (OnPaths::new(exact, listen), OnPaths::new(folded, listen));
    let is_asked = internal.is_some() || exact.is_some() || folded.is_some();
    let passes_preflight = cors::answers_preflight(planning.api());
    let rate_headers = planning.ground().rate_headers;
    let lists = Lists { internal, exact, folded, is_closed, passes_preflight, rate_headers };
    is_asked.then(|| Box::new(lists) as Box<dyn Step>)
}

fn mocks(planning: &mut Planning<'_, '_>) -> Vec<Planned<Verdict>> {
    planning.planned(
        "mock_response",
        |paths| &paths.mock_response,
        |planning, entry, place| reply(planning, place, entry.code, &entry.body, &entry.headers).map(Verdict::Reply),
    )
}

/// The entries of a list, in whichever of its forms counts. One with actions is an entry for each of their methods.
fn listed<'a>(
    planning: &mut Planning<'_, 'a>,
    list: &'static str,
    entries: fn(&'a ExtendedPaths) -> &'a [ListedPath],
    older: fn(&'a OlderPaths) -> &'a [String],
    verdict: &Verdict,
) -> Vec<Planned<Verdict>> {
    let planned = planning.planned(list, entries, |planning, entry, place| {
        let by_method = entry.method_actions.iter().filter_map(|(method, action)| {
            let place = place.key("method_actions").key(method);
            let verdict = acted(planning, &place, action, verdict)?;
            Some((Some(method.clone()), verdict))
        });
        let by_method: Vec<_> = by_method.collect();
        let own = (!entry.method.is_empty()).then(|| entry.method.clone());
        Some(if entry.method_actions.is_empty() { vec![(own, verdict.clone())] } else { by_method })
    });
    let of_entries = planned.into_iter().flat_map(|Planned { pattern, what, .. }| {
        what.into_iter().map(move |(method, what)| Planned { pattern: pattern.clone(), method, what })
    });
    let mut all: Vec<_> = of_entries.collect();
    let patterns = planning.older(list, older).into_iter();
    all.extend(patterns.map(|pattern| Planned { pattern, method: None, what: verdict.clone() }));
    all
}

/// What an action comes to; one that is not known refuses.
fn acted(
    planning: &mut Planning<'_, '_>,
    place: &JsonPath,
    action: &MethodAction,
    verdict: &Verdict,
) -> Option<Verdict> {
    match action.action.as_str() {
        MethodAction::NONE => Some(verdict.clone()),
        MethodAction::REPLY => reply(planning, place, action.code, &action.data, &action.headers).map(Verdict::Reply),
        _ => Some(Verdict::Refuse),
    }
}

/// An answer, if it can be sent; what cannot is refused, with its place.
fn reply(
    planning: &mut Planning<'_, '_>,
    place: &JsonPath,
    code: i64,
    body: &str,
    headers: &BTreeMap<String, String>,
) -> Option<Reply> {
    let status = u16::try_from(code).ok().filter(|code| (200..=599).contains(code)).map(StatusCode::from_u16);
    let Some(Ok(status)) = status else {
        let reason = format!("`{code}` is not a status that an answer can have; write one from 200 to 599");
        planning.refuse(&place.key("code"), reason);
        return None;
    };
    let mut written = HeaderMap::new();
    for (name, value) in headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => _ = written.append(name, value),
            _ => planning.refuse(
                &place.key("headers").key(name),
                format!("`{name}: {value}` is not a header: a name is a word without spaces, a value is one line"),
            ),
        }
    }
    if !body.is_empty() && !written.contains_key(CONTENT_TYPE) {
        written.insert(CONTENT_TYPE, TEXT);
    }
    Some(Reply { status, headers: written, body: Bytes::copy_from_slice(body.as_bytes()) })
}

impl Reply {
    pub(super) fn response(&self) -> Box<Response> {
        let mut response = Response::new(self.status).with_body(self.body.clone());
        response.headers_mut().extend(self.headers.clone());
        Box::new(response)
    }
}

impl Step for Lists {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &exchange.request;
        if self.passes_preflight && request.method() == Method::OPTIONS && cors::is_preflight(request) {
            return Ok(Ran::On);
        }
        let is_internal = self.internal.as_ref().is_some_and(|internal| internal.find(request).is_some());
        if is_internal && Journey::of(request).loops == 0 {
            return Err(VersionError::Forbidden.into());
        }
        match self.first(request) {
            Some(Verdict::Reply(reply)) => {
                // Source: gateway.md §8.1.
                exchange.draft = None;
                let mut response = reply.response();
                // Source: gateway.md §5.9.
                rates::on_answer(self.rate_headers, response.headers_mut(), exchange);
                return Ok(Ran::Answer(response));
            }
            Some(Verdict::Refuse) => return Err(VersionError::Forbidden.into()),
            Some(Verdict::Ignore) => Ignored::set(&mut exchange.request),
            None if self.is_closed && !is_internal => return Err(VersionError::Forbidden.into()),
            Some(Verdict::Let) | None => {}
        }
        Ok(Ran::On)
    }
}

impl Lists {
    fn first(&self, request: &Request) -> Option<&Verdict> {
        let found = [&self.exact, &self.folded].into_iter().filter_map(|entries| entries.as_ref()?.find(request));
        found.min_by_key(|(place, _)| *place).map(|(_, verdict)| verdict)
    }
}
