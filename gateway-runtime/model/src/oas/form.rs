//! How one value is written in the OpenAPI form and in the classic form.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rule::{self, Notes, Rule, get, is_on};
use crate::duration::duration;
use crate::finding::Severity;
use crate::json_path::JsonPath;

/// More targets than these are a slip of the pen: each one is an entry of a list, as often as its weight says.
const MOST_TARGETS: u64 = 10_000;

/// The two ways to write a value, named for the OpenAPI form.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Both write it alike.
    Same,
    /// A switch; the classic one says the opposite, and is on where this one is absent.
    Not,
    /// The same, but it is not there without the values that it switches.
    Off,
    /// A time such as `1m30s`; whole seconds.
    Seconds,
    /// A version of TLS such as `1.2`; its number.
    Tls,
    /// A list of objects with these two members; an object.
    Pairs(&'static str, &'static str),
    /// The same, where the second is a list of texts; they are joined by commas.
    Joined(&'static str, &'static str),
    /// Upstreams with weights; a list that names each as often as its weight says.
    Weights,
    /// A list of objects; one by one by rules of their own.
    Items(&'static [Rule]),
    /// A list of which the first object counts, by rules of its own; an object.
    First(&'static [Rule]),
    /// A list of texts of which the first counts; a text.
    FirstText,
}

impl Form {
    /// The classic form of a value; `None` where it says nothing.
    pub(super) fn extract(
        self,
        value: Option<&Value>,
        at: &JsonPath,
        to: &JsonPath,
        notes: &mut Notes,
    ) -> Option<Value> {
        match self {
            Self::Same => value.cloned(),
            Self::Not | Self::Off => {
                if let Some(other) = value.filter(|value| !value.is_boolean()) {
                    notes.wrong_type::<()>(at, other, "a boolean");
                }
                Some(Value::Bool(!is_on(value)))
            }
            Self::Seconds => seconds(value?, at, notes),
            Self::Tls => match value? {
                Value::String(text) if text.is_empty() => None,
                Value::String(text) => tls(text).map(Value::from).or_else(|| {
                    notes.error(at.clone(), format!("`{text}` is no version of TLS: write `1.2` or `1.3`"));
                    None
                }),
                other => notes.wrong_type(at, other, "a string such as `1.2`"),
            },
            Self::Pairs(name, value_of) => pairs(notes.list(value?, at)?, (name, value_of), at, notes),
            Self::Joined(name, values) => joined(notes.list(value?, at)?, (name, values), at, notes),
            Self::Weights => weights(notes.list(value?, at)?, at, notes),
            Self::Items(rules) => {
                let items = notes.list(value?, at)?.iter().enumerate();
                Some(
                    items
                        .map(|(index, item)| object(rules, item, (&at.index(index), &to.index(index)), notes))
                        .collect(),
                )
            }
            Self::First(rules) => {
                let items = notes.list(value?, at)?;
                notes.only_the_first(items, at);
                items.first().map(|item| object(rules, item, (&at.index(0), to), notes))
            }
            Self::FirstText => {
                let items = notes.list(value?, at)?;
                notes.only_the_first(items, at);
                items.first().cloned()
            }
        }
    }

    /// The OpenAPI form of a classic value; `None` where it says nothing.
    pub(super) fn fill(self, value: Option<&Value>) -> Option<Value> {
        match self {
            Self::Same => value.cloned(),
            Self::Not | Self::Off => Some(Value::Bool(!is_on(value))),
            Self::Seconds => value?.as_f64().filter(|seconds| *seconds > 0.0).map(|seconds| written(seconds).into()),
            Self::Tls => Some(match value?.as_u64()? {
                769 => "1.0".into(),
                770 => "1.1".into(),
                771 => "1.2".into(),
                772 => "1.3".into(),
                _ => return None,
            }),
            Self::Pairs(name, value_of) => {
                Some(value?.as_object()?.iter().map(|(key, value)| json!({name: key, value_of: value})).collect())
            }
            Self::Joined(name, values) => {
                let split = |text: &Value| -> Vec<Value> {
                    let parts = text.as_str().unwrap_or_default().split(',').map(str::trim);
                    parts.filter(|part| !part.is_empty()).map(Value::from).collect()
                };
                Some(value?.as_object()?.iter().map(|(key, value)| json!({name: key, values: split(value)})).collect())
            }
            Self::Weights => {
                let mut targets: Vec<(&str, u64)> = Vec::new();
                for url in value?.as_array()?.iter().filter_map(Value::as_str) {
                    match targets.iter_mut().find(|(known, _)| *known == url) {
                        Some((_, weight)) => *weight += 1,
                        None => targets.push((url, 1)),
                    }
                }
                Some(targets.into_iter().map(|(url, weight)| json!({"url": url, "weight": weight})).collect())
            }
            Self::Items(rules) => Some(value?.as_array()?.iter().map(|item| filled(rules, item)).collect()),
            Self::First(rules) => {
                let item =
                    value.filter(|value| value.as_object().is_some_and(|members| !members.values().all(rule::is_zero)));
                item.map(|item| json!([filled(rules, item)]))
            }
            // The one text is written where there was one before there were lists.
            Self::FirstText => None,
        }
    }
}

fn filled(rules: &[Rule], classic: &Value) -> Value {
    let mut item = Value::Object(Map::new());
    rule::fill(rules, classic, &mut item);
    item
}

fn object(rules: &[Rule], item: &Value, (at, to): (&JsonPath, &JsonPath), notes: &mut Notes) -> Value {
    if !item.is_object() {
        notes.wrong_type::<()>(at, item, "an object");
    }
    let mut made = Value::Object(Map::new());
    notes.places.add(to.clone(), at.clone(), false);
    rule::extract(rules, (item, at), (&mut made, to), notes);
    made
}

fn seconds(value: &Value, at: &JsonPath, notes: &mut Notes) -> Option<Value> {
    let text = match value {
        Value::Number(_) => return Some(value.clone()),
        Value::String(text) => text,
        other => return notes.wrong_type(at, other, "a time such as `1m30s`"),
    };
    match duration(text) {
        Ok(time) if time.is_zero() => None,
        Ok(time) if time.subsec_nanos() == 0 => Some(time.as_secs().into()),
        Ok(time) => Some(time.as_secs_f64().into()),
        Err(error) => {
            notes.error(at.clone(), error.to_string());
            None
        }
    }
}

/// Seconds as Go writes them, as `1h30m0s` is.
fn written(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whole = time.as_secs();
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    let mut text = String::new();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if minutes > 0 {
        text += &format!("{minutes}m");
    }
    if time.subsec_nanos() > 0 {
        text += &format!("{}s", rest as f64 + f64::from(time.subsec_nanos()) / 1e9);
    } else if rest > 0 || text.is_empty() {
        text += &format!("{rest}s");
    }
    text
}

fn tls(version: &str) -> Option<u64> {
    ["1.0", "1.1", "1.2", "1.3"].iter().zip(769..).find(|(name, _)| **name == version).map(|(_, number)| number)
}

fn pairs(items: &[Value], (name, value_of): (&str, &str), at: &JsonPath, notes: &mut Notes) -> Option<Value> {
    let mut members = Map::new();
    for (index, item) in items.iter().enumerate() {
        let Some(key) = notes.text(item, &at.index(index), name) else { continue };
        members.insert(key, get(item, value_of).cloned().unwrap_or_else(|| "".into()));
    }
    Some(members.into())
}

fn joined(items: &[Value], (name, values): (&str, &str), at: &JsonPath, notes: &mut Notes) -> Option<Value> {
    let mut members = Map::new();
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let Some(key) = notes.text(item, &at, name) else { continue };
        let parts = get(item, values).and_then(|list| notes.list(list, &at.key(values)));
        let parts: Vec<&str> = parts.unwrap_or_default().iter().filter_map(Value::as_str).collect();
        members.insert(key, parts.join(",").into());
    }
    Some(members.into())
}

fn weights(items: &[Value], at: &JsonPath, notes: &mut Notes) -> Option<Value> {
    let mut targets: Vec<Value> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let Some(url) = notes.text(item, &at, "url") else { continue };
        let weight = match get(item, "weight") {
            None => 1,
            Some(weight) => match weight.as_u64().filter(|weight| targets.len() as u64 + weight <= MOST_TARGETS) {
                Some(weight) => weight,
                None => {
                    let reason = format!(
                        "`{weight}` is no weight: write a whole number; all together are at most {MOST_TARGETS}"
                    );
                    notes.error(at.key("weight"), reason);
                    continue;
                }
            },
        };
        targets.extend((0..weight).map(|_| Value::from(url.as_str())));
    }
    if targets.is_empty() && !items.is_empty() && notes.mistakes.is_empty() {
        // Source: Tyk, `apidef/validator.go`.
        let reason = "all load balancing targets have weight 0, at least one target must have weight > 0";
        notes.error(at.clone(), reason.to_owned());
    }
    Some(targets.into())
}

impl Notes {
    pub(super) fn error(&mut self, at: JsonPath, reason: String) {
        self.mistakes.push((Severity::Error, at, reason));
    }

    pub(super) fn warning(&mut self, at: JsonPath, reason: String) {
        self.mistakes.push((Severity::Warning, at, reason));
    }

    pub(super) fn wrong_type<T>(&mut self, at: &JsonPath, value: &Value, expected: &str) -> Option<T> {
        self.error(at.clone(), format!("invalid type: {}, expected {expected}", kind(value)));
        None
    }

    pub(super) fn list<'v>(&mut self, value: &'v Value, at: &JsonPath) -> Option<&'v [Value]> {
        match value {
            Value::Array(items) => Some(items),
            other => self.wrong_type(at, other, "a sequence"),
        }
    }

    /// The text that a member of an object has to be.
    pub(super) fn text(&mut self, item: &Value, at: &JsonPath, key: &str) -> Option<String> {
        if !item.is_object() {
            return self.wrong_type(at, item, "an object");
        }
        match get(item, key) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => self.wrong_type(&at.key(key), other, "a string"),
            None => {
                self.error(at.clone(), format!("has no `{key}`"));
                None
            }
        }
    }

    fn only_the_first(&mut self, items: &[Value], at: &JsonPath) {
        if items.len() > 1 {
            self.warning(at.index(1), "has no effect: the first of the list counts alone".to_owned());
        }
    }
}

/// What serde calls a value.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) if number.is_f64() => format!("floating point `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {text:?}"),
        Value::Array(_) => "sequence".to_owned(),
        Value::Object(_) => "map".to_owned(),
    }
}
