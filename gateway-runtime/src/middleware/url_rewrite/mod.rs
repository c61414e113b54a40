//! Chooses another URL for the upstream; [`dispatch`](super::dispatch) gives it to the request, so that every step in
//! between sees the client's.
//!
//! | to find | look in |
//! |---|---|
//! | when a trigger fires, and what it remembers | `trigger.rs` |
//! | what a rewritten text means: a path, another upstream, another API | `rewritten.rs` |
//!
//! Source: gateway.md §5.6; Tyk, `gateway/mw_url_rewrite.go`.

pub(super) mod rewritten;
mod trigger;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gateway_model::{JsonPath, UrlRewrite};
use gateway_sdk::exchange::Exchange;
use regex::{Captures, Regex};

use self::rewritten::Rewritten;
use self::trigger::Trigger;
use super::{PlannedMiddleware, Ran, Step};
use crate::apis::listen_path::{decoded, has_escape, mistake};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;
use crate::variables::{self, Form, Variable};

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "url_rewrite", plan };

/// A body that triggers look into is no larger, in bytes; a larger one matches nothing.
const LARGEST_BODY: usize = 1024 * 1024;

struct Rewrites(Arc<OnPaths<Rule>>);

/// One entry of `url_rewrites`.
struct Rule {
    pattern: Regex,
    to: Box<str>,
    triggers: Box<[Trigger]>,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let rules = planning.on_paths("url_rewrites", |paths| &paths.url_rewrites, Rule::plan)?;
    Some(Box::new(Rewrites(Arc::new(rules))))
}

/// An expression of a definition; a wrong one is told, and refuses the API.
fn expression(planning: &mut Planning<'_, '_>, place: &JsonPath, text: &str) -> Option<Regex> {
    Regex::new(text).map_err(|error| planning.refuse(place, mistake(&error))).ok()
}

impl Rule {
    fn plan(planning: &mut Planning<'_, '_>, entry: &UrlRewrite, place: &JsonPath) -> Option<Self> {
        let pattern = expression(planning, &place.key("match_pattern"), &entry.match_pattern);
        let place = place.key("triggers");
        let triggers = entry.triggers.iter().enumerate();
        let triggers: Vec<_> =
            triggers.map(|(index, trigger)| Trigger::plan(planning, trigger, &place.index(index))).collect();
        let triggers = triggers.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Self { pattern: pattern?, to: entry.rewrite_to.as_str().into(), triggers: triggers.into() })
    }

    /// What the request's URL becomes; `None`: what it is.
    fn rewrite(&self, body: Option<&Bytes>, exchange: &mut Exchange) -> Option<Rewritten> {
        let to = self.target(body, exchange);
        let url = exchange.request.uri().path_and_query().map_or("/", |url| url.as_str()).to_owned();
        let plain = if has_escape(&url) { decoded(&url) } else { Cow::Borrowed("") };
        let groups = self.pattern.captures(&url).or_else(|| {
            let retried = has_escape(&url).then_some(&*plain)?;
            self.pattern.captures(retried)
        })?;
        let text = fill(to, &groups, exchange);
        Rewritten::of(&text).map_err(|error| refused(exchange, &text, &error)).ok()
    }

    /// Where to, as the first trigger says that fires. What the triggers up to that one matched is remembered.
    fn target(&self, body: Option<&Bytes>, exchange: &mut Exchange) -> &str {
        if self.triggers.is_empty() {
            return &self.to;
        }
        let mut matched = BTreeMap::new();
        let mut triggers = self.triggers.iter().enumerate();
        let fired = triggers.find(|(at, trigger)| trigger.fires(*at, exchange, body, &mut matched));
        if !matched.is_empty() {
            variables::remember_matches(exchange, matched);
        }
        fired.map_or(&self.to, |(_, trigger)| &trigger.to)
    }
}

/// The text with what was matched and the variables filled in.
fn fill(to: &str, groups: &Captures<'_>, exchange: &Exchange) -> String {
    let filled = variables::fill(to, |variable| match variable {
        Variable::Group(group) => Some(groups.get(group).map_or_else(String::new, |group| group.as_str().to_owned())),
        other => variables::value(other, exchange, Form::Escaped),
    });
    filled.into_owned()
}

#[cold]
fn refused(exchange: &Exchange, url: &str, error: &rewritten::NoUrl) {
    let api_id = &exchange.ctx.api().api_id;
    tracing::warn!(api_id, url, %error, "a rewritten URL is none, so that the client's own is kept");
}

impl Step for Rewrites {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some((at, rule)) = self.0.find_with_place(&exchange.request) else { return Ok(Ran::On) };
        let asks_for_body = rule.triggers.iter().any(Trigger::reads_body);
        let held = if asks_for_body { exchange.request.body().buffered() } else { None };
        if !asks_for_body || held.is_some() {
            store(rule, held.as_ref(), exchange);
            return Ok(Ran::On);
        }
        let rules = Arc::clone(&self.0);
        let mut body = std::mem::take(exchange.request.body_mut());
        let read = async move { (body.bytes(LARGEST_BODY).await, body) };
        Ok(Ran::wait(read, move |(read, body), exchange| {
            *exchange.request.body_mut() = body;
            store(&rules.all()[at], read.ok().as_ref(), exchange);
            Ok(Ran::On)
        }))
    }
}

fn store(rule: &Rule, body: Option<&Bytes>, exchange: &mut Exchange) {
    if let Some(rewritten) = rule.rewrite(body, exchange) {
        exchange.request.extensions_mut().insert(rewritten);
    }
}
