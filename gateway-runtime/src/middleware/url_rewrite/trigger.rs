//! Triggers: conditions on a request that decide where it is rewritten to, and what of it their expressions matched.

use std::collections::BTreeMap;

use bytes::Bytes;
use gateway_model::{JsonPath, RewriteTrigger, ValueMatch};
use gateway_sdk::HeaderName;
use gateway_sdk::exchange::Exchange;
use regex::{Captures, Regex};

use super::expression;
use crate::apis::listen_path::decoded;
use crate::apis::plan::Planning;
use crate::variables;

/// What was matched, by the names of the variables for it.
pub(super) type Matched = BTreeMap<String, String>;

/// One trigger.
pub(super) struct Trigger {
    pub(super) to: Box<str>,
    /// One match is enough.
    is_any: bool,
    /// In the order in which they are asked.
    groups: Vec<(Kind, Vec<Named>)>,
    payload: Option<Match>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Headers,
    Query,
    PathParts,
    Session,
    Context,
}

/// An expression for what has a name.
struct Named {
    name: String,
    wanted: Match,
}

struct Match {
    regex: Regex,
    /// It matches what the expression does not.
    is_reversed: bool,
}

impl Match {
    fn plan(planning: &mut Planning<'_, '_>, wanted: &ValueMatch, place: &JsonPath) -> Option<Self> {
        let regex = expression(planning, &place.key("match_rx"), &wanted.match_rx)?;
        Some(Self { regex, is_reversed: wanted.reverse })
    }

    /// Whether a text matches; `told` is given what the expression found in it.
    fn is_in(&self, text: &str, told: impl FnOnce(&Captures<'_>)) -> bool {
        let found = self.regex.captures(text);
        if let Some(found) = &found {
            told(found);
        }
        found.is_some() != self.is_reversed
    }
}

impl Trigger {
    pub(super) fn plan(planning: &mut Planning<'_, '_>, trigger: &RewriteTrigger, place: &JsonPath) -> Option<Self> {
        let options = &trigger.options;
        let place = place.key("options");
        let lists = [
            (Kind::Headers, "header_matches", &options.header_matches),
            (Kind::Query, "query_val_matches", &options.query_val_matches),
            (Kind::PathParts, "path_part_matches", &options.path_part_matches),
            (Kind::Session, "session_meta_matches", &options.session_meta_matches),
            (Kind::Context, "request_context_matches", &options.request_context_matches),
        ];
        let mut is_whole = true;
        let mut groups = Vec::new();
        for (kind, list, entries) in lists.into_iter().filter(|(_, _, entries)| !entries.is_empty()) {
            let mut group = Vec::new();
            for (name, wanted) in entries {
                match Match::plan(planning, wanted, &place.key(list).key(name)) {
                    Some(wanted) => group.push(Named { name: name.clone(), wanted }),
                    None => is_whole = false,
                }
            }
            groups.push((kind, group));
        }
        let payload = &options.payload_matches;
        let asks = !payload.match_rx.is_empty();
        let payload = asks.then(|| Match::plan(planning, payload, &place.key("payload_matches")));
        is_whole &= !matches!(payload, Some(None));
        let (to, is_any) = (trigger.rewrite_to.as_str().into(), trigger.on == "any");
        is_whole.then(|| Self { to, is_any, groups, payload: payload.flatten() })
    }

    pub(super) fn reads_body(&self) -> bool {
        self.payload.is_some()
    }

    /// Whether the trigger, the `at`-th of its rule, fires for a request. `body` is `None` where it could not be read.
    pub(super) fn fires(&self, at: usize, exchange: &Exchange, body: Option<&Bytes>, matched: &mut Matched) -> bool {
        let is_enough = |matches: usize, entries: usize| matches > 0 && (self.is_any || matches >= entries);
        for (kind, group) in &self.groups {
            let fired = is_enough(kind.matches(at, group, exchange, matched), group.len());
            if fired == self.is_any {
                return fired;
            }
        }
        match &self.payload {
            Some(wanted) => body.is_some_and(|body| in_payload(wanted, at, body, matched)),
            // Of `all` that are asked, none has failed.
            None => !self.is_any,
        }
    }
}

impl Kind {
    /// How many values match.
    fn matches(self, at: usize, group: &[Named], exchange: &Exchange, matched: &mut Matched) -> usize {
        let request = &exchange.request;
        let mut count = 0;
        for Named { name, wanted } in group {
            match self {
                Self::Headers => {
                    let Ok(header) = name.parse::<HeaderName>() else { continue };
                    let name = variables::canonical(header.as_str());
                    for (index, value) in request.headers().get_all(&header).iter().enumerate() {
                        let text = String::from_utf8_lossy(value.as_bytes());
                        let key = format!("trigger-{at}-{name}-{index}");
                        count += usize::from(wanted.is_in(&text, |found| note(matched, &key, found)));
                    }
                }
                Self::Query => {
                    let query = request.uri().query().unwrap_or_default();
                    let values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| *key == **name);
                    for (index, (_, text)) in values.enumerate() {
                        let key = format!("trigger-{at}-{name}-{index}");
                        count += usize::from(wanted.is_in(&text, |found| note(matched, &key, found)));
                    }
                }
                Self::PathParts => {
                    for part in decoded(request.path()).split('/') {
                        let key = format!("trigger-{at}-{name}-{count}");
                        count += usize::from(wanted.is_in(part, |found| note(matched, &key, found)));
                    }
                }
                Self::Session | Self::Context => {
                    let text = match self {
                        Self::Session => meta(exchange, name),
                        _ => matched.get(name).cloned().or_else(|| variables::context_text(exchange, name)),
                    };
                    let key = format!("trigger-{at}-{name}");
                    let is_in = text.is_some_and(|text| wanted.is_in(&text, |found| note(matched, &key, found)));
                    count += usize::from(is_in);
                }
            }
        }
        count
    }
}

/// What the key has under a name, if that is a text.
fn meta(exchange: &Exchange, name: &str) -> Option<String> {
    exchange.caller.session()?.meta_data.get(name)?.as_str().map(str::to_owned)
}

/// Every match of a body is remembered, and the first under the name of all.
fn in_payload(wanted: &Match, at: usize, body: &Bytes, matched: &mut Matched) -> bool {
    let text = String::from_utf8_lossy(body);
    let key = format!("trigger-{at}-payload");
    let mut is_found = false;
    for (index, found) in wanted.regex.captures_iter(&text).enumerate() {
        is_found = true;
        matched.entry(key.clone()).or_insert_with(|| found[0].to_owned());
        note(matched, &format!("{key}-{index}"), &found);
    }
    is_found != wanted.is_reversed
}

/// Remembers a match under `key`, and its groups, which are counted from 0.
fn note(matched: &mut Matched, key: &str, found: &Captures<'_>) {
    matched.insert(key.to_owned(), found[0].to_owned());
    for (index, group) in found.iter().skip(1).enumerate() {
        let text = group.map_or_else(String::new, |group| group.as_str().to_owned());
        matched.insert(format!("{key}-{index}"), text);
    }
}
