//! Other answers in place of errors: rules that are found by the error's status. Source: gateway.md §5.11.
//!
//! The rules of an API are asked before those of the gateway, those of a status before those of its class.

use std::collections::HashMap;
use std::sync::Arc;

use gateway_model::{ErrorMatch, ErrorOverride, ErrorOverrides, ErrorResponse, JsonPath, Severity};
use gateway_sdk::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use regex::bytes::Regex;

use super::field::field as value_at;
use super::kinds::{FLAGS, FLAGS_ELSEWHERE};
use super::text::{Templates, Text};
use super::written::{Format, body, of_text};
use super::{Errors, final_status};
use crate::apis::listen_path::mistake;

/// In bytes: so much of a body is looked at.
pub(crate) const LOOKED_AT: usize = 4096;

/// What says where a message ends is not for rules to say.
const FRAMING: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Where mistakes are told.
pub(crate) type Tell<'t> = dyn FnMut(Severity, JsonPath, String) + 't;

/// The rules of an API or of the gateway.
#[derive(Debug)]
pub(crate) struct Overrides {
    exact: HashMap<u16, Vec<Rule>>,
    /// By the first digit.
    classes: HashMap<u16, Vec<Rule>>,
}

/// The rules for the errors of one API.
#[derive(Debug)]
pub(crate) struct ApiOverrides {
    own: Option<Overrides>,
    pub(crate) errors: Arc<Errors>,
}

/// An error, as rules look at it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) status: StatusCode,
    pub(crate) flag: Option<&'static str>,
    /// The message, or the upstream's body.
    pub(crate) text: &'a [u8],
}

/// One answer, and the errors that it is for.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `None` is all of them.
    matches: Option<Matches>,
    /// `None` is that of the error.
    status: Option<StatusCode>,
    message: String,
    told: Told,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the body is.
#[derive(Debug)]
enum Told {
    /// As it was.
    Unchanged,
    /// The message, as errors tell theirs.
    Message,
    Text {
        json: Arc<Text>,
        xml: Arc<Text>,
    },
}

/// What tells errors apart.
#[derive(Debug, Default)]
struct Matches {
    flag: Option<String>,
    /// The members and places on the way to a value, and the value as a text.
    field: Option<(Vec<String>, String)>,
    pattern: Option<Regex>,
}

impl ApiOverrides {
    /// `None` where neither the API nor the gateway has any.
    pub(crate) fn new(own: Option<Overrides>, errors: &Arc<Errors>) -> Option<Arc<Self>> {
        let has_some = own.is_some() || errors.overrides.is_some();
        has_some.then(|| Arc::new(Self { own, errors: Arc::clone(errors) }))
    }

    fn rules(&self, status: StatusCode) -> impl Iterator<Item = &Rule> {
        let all = self.own.iter().chain(&self.errors.overrides);
        all.flat_map(move |overrides| overrides.rules(status))
    }

    pub(crate) fn find(&self, seen: Seen<'_>) -> Option<&Rule> {
        self.rules(seen.status).find(|rule| rule.matches.as_ref().is_none_or(|matches| matches.are_met(seen)))
    }

    /// Whether the rules of a status look at bodies.
    pub(crate) fn look_at_body(&self, status: StatusCode) -> bool {
        let looks = |matches: &Matches| matches.field.is_some() || matches.pattern.is_some();
        self.rules(status).any(|rule| rule.matches.as_ref().is_some_and(looks))
    }
}

impl Overrides {
    /// `None` where there is none.
    pub(crate) fn plan(written: &ErrorOverrides, templates: &Templates, tell: &mut Tell<'_>) -> Option<Self> {
        let mut overrides = Self { exact: HashMap::new(), classes: HashMap::new() };
        let root = JsonPath::default().key("error_overrides");
        for (status, rules) in written {
            let place = root.key(status);
            let (map, key) = match (status.as_str(), status.parse()) {
                ("4xx", _) => (&mut overrides.classes, 4),
                ("5xx", _) => (&mut overrides.classes, 5),
                (_, Ok(status @ 400..=599)) => (&mut overrides.exact, status),
                _ => {
                    let reason = "is no status of an error: write one from `400` to `599`, or `4xx` or `5xx`";
                    tell(Severity::Error, place, reason.to_owned());
                    continue;
                }
            };
            let rules = rules.iter().enumerate();
            map.insert(
                key,
                rules.filter_map(|(at, rule)| Rule::plan(rule, &place.index(at), templates, tell)).collect(),
            );
        }
        let has_some = overrides.exact.values().chain(overrides.classes.values()).any(|rules| !rules.is_empty());
        has_some.then_some(overrides)
    }

    fn rules(&self, status: StatusCode) -> impl Iterator<Item = &Rule> {
        let of = [self.exact.get(&status.as_u16()), self.classes.get(&(status.as_u16() / 100))];
        of.into_iter().flatten().flatten()
    }
}

impl Rule {
    fn plan(written: &ErrorOverride, place: &JsonPath, templates: &Templates, tell: &mut Tell<'_>) -> Option<Self> {
        let ErrorOverride { matches, response } = written;
        let matches = match matches {
            Some(matches) => Some(Matches::plan(matches, &place.key("match"), tell)?),
            None => None,
        };
        let place = place.key("response");
        let ErrorResponse { status_code, message, headers, .. } = response;
        let status = final_status(*status_code)
            .map_err(|reason| tell(Severity::Error, place.key("status_code"), reason))
            .ok()?;
        let told = Told::plan(response, &place, templates, tell)?;
        let mut set = Vec::new();
        for (name, value) in headers {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), _) if FRAMING.contains(&name) => {
                    let reason = format!("`{name}` is the gateway's own business; leave it out");
                    tell(Severity::Error, place.key("headers").key(name.as_str()), reason);
                    return None;
                }
                (Ok(name), Ok(value)) => set.push((name, value)),
                _ => {
                    let reason = format!("`{name}` with the value `{value}` is no header");
                    tell(Severity::Error, place.key("headers").key(name), reason);
                    return None;
                }
            }
        }
        Some(Self { matches, status, message: message.clone(), told, headers: set })
    }

    /// The answer in place of an error. `own` is the message of the gateway's own; `None` where `response` is an
    /// upstream's. `request` are the client's headers.
    pub(crate) fn write(
        &self,
        errors: &Errors,
        request: &HeaderMap,
        mut response: Response,
        own: Option<&str>,
    ) -> Response {
        if let Some(status) = self.status {
            response.set_status(status);
        }
        let message = if self.message.is_empty() { own.unwrap_or_default() } else { &self.message };
        let mut response = match &self.told {
            Told::Unchanged => match own {
                Some(message) => body(errors, request, response, message),
                None => response,
            },
            Told::Message => body(errors, request, bare(response), message),
            Told::Text { json, xml } => {
                let format = Format::of(request);
                let text = if matches!(format, Format::Json) { json } else { xml };
                of_text(errors, bare(response), format, text, message)
            }
        };
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

/// Without what is said of a body that it has no more.
fn bare(mut response: Response) -> Response {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG] {
        response.headers_mut().remove(name);
    }
    response
}

impl Told {
    fn plan(written: &ErrorResponse, place: &JsonPath, templates: &Templates, tell: &mut Tell<'_>) -> Option<Self> {
        let ErrorResponse { body, message, template, .. } = written;
        if !body.is_empty() {
            let wrong = |error: crate::template::CompileError| {
                tell(Severity::Error, place.key("body"), error.to_string());
            };
            let text = Arc::new(Text::compile(body).map_err(wrong).ok()?);
            return Some(Self::Text { json: Arc::clone(&text), xml: text });
        }
        if !template.is_empty() {
            let [json, xml] = ["json", "xml"].map(|extension| templates.named(template, extension));
            return match (json.clone().or(xml.clone()), xml.or(json)) {
                (Some(json), Some(xml)) => Some(Self::Text { json, xml }),
                _ => {
                    let reason = format!(
                        "neither `{template}.json`, `{template}.xml` nor `{template}` is in the folder `template_path` of \
                         the gateway's configuration; put one there, with a name that begins with `error`"
                    );
                    tell(Severity::Error, place.key("template"), reason);
                    None
                }
            };
        }
        Some(if message.is_empty() { Self::Unchanged } else { Self::Message })
    }
}

impl Matches {
    fn plan(written: &ErrorMatch, place: &JsonPath, tell: &mut Tell<'_>) -> Option<Self> {
        let ErrorMatch { flag, message_pattern, body_field, body_value } = written;
        if FLAGS_ELSEWHERE.contains(&flag.as_str()) {
            tell(Severity::Warning, place.key("flag"), format!("no error of this gateway is told as `{flag}`"));
        } else if !flag.is_empty() && !FLAGS.contains(&flag.as_str()) {
            let reason = format!("`{flag}` is no kind of error; kinds are {}", FLAGS.join(", "));
            tell(Severity::Error, place.key("flag"), reason);
            return None;
        }
        let pattern = match message_pattern.as_str() {
            "" => None,
            pattern => {
                let wrong = |error| tell(Severity::Error, place.key("message_pattern"), mistake(&error));
                Some(Regex::new(pattern).map_err(wrong).ok()?)
            }
        };
        let has_field = !body_field.is_empty() && !body_value.is_empty();
        let way = || body_field.split('.').map(str::to_owned).collect();
        let field = has_field.then(|| (way(), body_value.clone()));
        Some(Self { flag: Some(flag.clone()).filter(|flag| !flag.is_empty()), field, pattern })
    }

    /// One of them is enough, and none at all is too.
    fn are_met(&self, seen: Seen<'_>) -> bool {
        let Self { flag, field, pattern } = self;
        if flag.is_none() && field.is_none() && pattern.is_none() {
            return true;
        }
        let text = seen.text.get(..LOOKED_AT).unwrap_or(seen.text);
        flag.is_some() && flag.as_deref() == seen.flag
            || field.as_ref().is_some_and(|(field, value)| value_at(text, field).is_some_and(|found| found == *value))
            || pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, flag: Option<&'static str>, text: &'static str) -> Seen<'static> {
        Seen { status: StatusCode::from_u16(status).expect("a status"), flag, text: text.as_bytes() }
    }

    /// The message of the rule that is found first.
    fn found(written: &str, seen: Seen<'_>) -> Option<String> {
        let written = serde_json::from_str(written).expect("overrides");
        let own = Overrides::plan(&written, &Templates::default(), &mut |_, path, reason| panic!("{path}: {reason}"));
        let overrides = ApiOverrides::new(own, &Arc::default()).expect("overrides");
        overrides.find(seen).map(|rule| rule.message.clone())
    }

    /// Source: gateway.md §5.11.
    #[test]
    fn an_exact_status_comes_before_its_class() {
        let written = r#"{"4xx": [{"response": {"message": "class"}}],
            "404": [{"match": {"flag": "RLT"}, "response": {"message": "exact"}}]}"#;
        assert_eq!(found(written, seen(404, Some("RLT"), "")).as_deref(), Some("exact"));
        assert_eq!(found(written, seen(404, None, "")).as_deref(), Some("class"));
        assert_eq!(found(written, seen(500, None, "")), None);
    }

    /// Source: gateway.md §5.11.
    #[test]
    fn one_of_what_tells_errors_apart_is_enough() {
        let written = r#"{"5xx": [{"match": {"flag": "DNS", "message_pattern": "^no", "body_field": "a.0.b", "body_value": "7"},
            "response": {"message": "met"}}]}"#;
        for met in [seen(500, Some("DNS"), ""), seen(503, None, "not here"), seen(500, None, r#"{"a":[{"b":7}]}"#)] {
            assert!(found(written, met).is_some());
        }
        assert_eq!(found(written, seen(500, Some("UCF"), r#"{"a":[{"b":8}]}"#)), None);
    }

    #[test]
    fn what_means_nothing_is_told_with_its_place() {
        let written = r#"{"404": [{"match": {"flag": "XYZ"}}, {"match": {"message_pattern": "("}},
            {"response": {"status_code": 99}}, {"response": {"template": "error_mine"}},
            {"response": {"headers": {"a b": "c"}}}], "3xx": []}"#;
        let mut told = Vec::new();
        let written = serde_json::from_str(written).expect("overrides");
        let planned = Overrides::plan(&written, &Templates::default(), &mut |_, path, _| told.push(path.to_string()));
        assert!(planned.is_none());
        told.sort();
        let fields = ["[0].match.flag", "[1].match.message_pattern", "[2].response.status_code"];
        for field in fields.into_iter().chain(["[3].response.template"]) {
            assert!(told.iter().any(|path| path.ends_with(field)), "{field}: {told:?}");
        }
        assert_eq!(told.len(), 6, "{told:?}");
    }
}
