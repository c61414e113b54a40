//! One rule: where a value is in the OpenAPI form, where in the classic form, and how each writes it. Both ways of the
//! mapping are made of the same rules.

use serde_json::{Map, Value};

use super::form::Form;
use super::places::Places;
use crate::json_path::JsonPath;
use crate::meaning::Mistake;

/// One value in both forms. Paths are keys joined by dots.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) oas: &'static str,
    /// An older path in the OpenAPI form: read where the newer is empty, and never written.
    pub(super) older: &'static str,
    pub(super) classic: &'static str,
    pub(super) form: Form,
}

/// A value that is the same in both forms.
pub(super) const fn same(oas: &'static str, classic: &'static str) -> Rule {
    rule(oas, classic, Form::Same)
}

/// A switch that says the opposite in the classic form.
pub(super) const fn not(oas: &'static str, classic: &'static str) -> Rule {
    rule(oas, classic, Form::Not)
}

/// A switch of something whose classic form has a flag that leaves it out.
pub(super) const fn off(oas: &'static str, classic: &'static str) -> Rule {
    rule(oas, classic, Form::Off)
}

pub(super) const fn rule(oas: &'static str, classic: &'static str, form: Form) -> Rule {
    Rule { oas, older: "", classic, form }
}

impl Rule {
    pub(super) const fn or(self, older: &'static str) -> Self {
        Self { older, ..self }
    }

    /// The value in the OpenAPI form, and its place.
    fn find<'v>(&self, from: &'v Value, at: &JsonPath) -> (Option<&'v Value>, JsonPath) {
        let newer = get(from, self.oas);
        if !self.older.is_empty()
            && newer.is_none_or(is_zero)
            && let Some(older) = get(from, self.older).filter(|value| !is_zero(value))
        {
            return (Some(older), join(at, self.older));
        }
        (newer, join(at, self.oas))
    }
}

/// What came of the document beside the classic form: where its parts are from, and what is wrong.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) places: Places,
    pub(super) mistakes: Vec<Mistake>,
}

/// Puts what the rules say of `from`, which is at `at`, into the classic object `into`, which is at `to`.
pub(super) fn extract(
    rules: &[Rule],
    (from, at): (&Value, &JsonPath),
    (into, to): (&mut Value, &JsonPath),
    notes: &mut Notes,
) {
    for rule in rules {
        let (value, place) = rule.find(from, at);
        let to = join(to, rule.classic);
        if let Some(value) = rule.form.extract(value, &place, &to, notes) {
            notes.places.add(to, place, matches!(rule.form, Form::Same));
            put(into, rule.classic, value);
        }
    }
}

/// Puts what the rules say of a classic object into the OpenAPI form.
pub(super) fn fill(rules: &[Rule], classic: &Value, into: &mut Value) {
    let (flags, values): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| matches!(rule.form, Form::Off));
    for rule in values {
        match rule.form.fill(get(classic, rule.classic)).filter(|value| !is_zero(value)) {
            Some(value) => put(into, rule.oas, value),
            None => remove(into, rule.oas),
        }
        if !rule.older.is_empty() {
            remove(into, rule.older);
        }
    }
    for rule in flags {
        remove(into, rule.oas);
        if holder(into, rule.oas).is_some() {
            put(into, rule.oas, Value::Bool(!is_on(get(classic, rule.classic))));
        }
    }
    // What has a switch says how it stands, and a plugin says which function it is.
    for rule in rules {
        let zero = match rule.oas.rsplit('.').next() {
            Some("enabled") => Value::Bool(false),
            Some("functionName") => Value::String(String::new()),
            _ => continue,
        };
        if get(into, rule.oas).is_none() && (!rule.oas.contains('.') || holder(into, rule.oas).is_some()) {
            put(into, rule.oas, zero);
        }
    }
}

/// Moves what is in older places to the newer ones.
pub(super) fn renew(rules: &[Rule], value: &mut Value) {
    for rule in rules {
        if !rule.older.is_empty() {
            let older = get(value, rule.older).filter(|older| !is_zero(older)).cloned();
            if let Some(older) = older
                && get(value, rule.oas).is_none_or(is_zero)
            {
                put(value, rule.oas, older);
            }
            remove(value, rule.older);
        }
        if let Form::Items(rules) | Form::First(rules) = rule.form
            && let Some(Value::Array(items)) = get_mut(value, rule.oas)
        {
            items.iter_mut().for_each(|item| renew(rules, item));
        }
    }
}

/// The object that a path ends in, if it is there and not empty.
fn holder<'v>(value: &'v Value, path: &str) -> Option<&'v Map<String, Value>> {
    let (outer, _) = path.rsplit_once('.')?;
    get(value, outer)?.as_object().filter(|members| !members.is_empty())
}

pub(super) fn join(at: &JsonPath, path: &str) -> JsonPath {
    path.split('.').filter(|key| !key.is_empty()).fold(at.clone(), |at, key| at.key(key))
}

/// The value at a path, whatever the case of its keys; `null` is nothing. Source: Go, `encoding/json`.
pub(super) fn get<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let found = path.split('.').try_fold(value, |value, key| member(value.as_object()?, key));
    found.filter(|value| !value.is_null())
}

pub(super) fn member<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    object.get(key).or_else(|| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
}

fn get_mut<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    path.split('.').try_fold(value, |value, key| {
        let object = value.as_object_mut()?;
        let name = written(object, key)?;
        object.get_mut(&name)
    })
}

/// A key as an object has it.
fn written(object: &Map<String, Value>, key: &str) -> Option<String> {
    let folded = || object.keys().find(|name| name.eq_ignore_ascii_case(key));
    object.get_key_value(key).map(|(name, _)| name).or_else(folded).cloned()
}

/// Sets the value at a path; what is on the way becomes an object.
pub(super) fn put(into: &mut Value, path: &str, value: Value) {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let object = object(into);
    let name = written(object, key).unwrap_or_else(|| key.to_owned());
    let inner = object.entry(name).or_insert(Value::Null);
    if rest.is_empty() { *inner = value } else { put(inner, rest, value) }
}

/// Takes the value at a path away, and what is empty without it.
pub(super) fn remove(from: &mut Value, path: &str) {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(object) = from.as_object_mut() else { return };
    let Some(name) = written(object, key) else { return };
    if !rest.is_empty()
        && let Some(inner) = object.get_mut(&name)
    {
        remove(inner, rest);
    }
    let is_empty = object.get(&name).and_then(Value::as_object).is_some_and(Map::is_empty);
    if rest.is_empty() || is_empty {
        object.remove(&name);
    }
}

/// A value as an object, which it becomes if it is none.
pub(super) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(members) => members,
        _ => unreachable!("made an object above"),
    }
}

pub(super) fn is_on(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

/// Whether a value is the one that an absent value stands for.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}
