//! What of the extension is read at all; the rest is told, and what of it guards access closes the API.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::form::Form;
use super::rule::{Notes, Rule, get, is_on, join};
use super::{EXTENSION, authentication, events, global, info, operations, schemes, server, upstream};
use crate::finding::Severity;
use crate::json_path::JsonPath;
use crate::meaning::Mistake;
use crate::nearest::nearest;
use crate::unhonoured::{NO_EFFECT, REFUSED, is_idle};

/// What of a value is read.
#[derive(Default)]
pub(super) enum Shape {
    /// All of it, or what is wrong in it is told elsewhere.
    #[default]
    Any,
    /// The same, and it is of this type of JSON.
    Of(&'static str),
    /// The same, and it is like this.
    Like(Box<Shape>),
    Members(BTreeMap<&'static str, Shape>),
    /// Each element of a list, or the thing itself.
    Each(Box<Shape>),
    /// Each member, whatever its key.
    Every(Box<Shape>),
}

/// A reason for every part of the extension that nothing reads, once for all elements of lists, and every part that is
/// no object and should be one.
pub(super) fn unknown(document: &Value) -> Vec<Mistake> {
    let mut walk = Walk { notes: Notes::default(), told: BTreeSet::new() };
    if let Some(extension) = document.get(EXTENSION) {
        let at = JsonPath::default().key(EXTENSION);
        walk.value(extension, (&at, &at), &extension_shape());
    }
    walk.notes.mistakes
}

/// What guards access on paper only: an API that has such a guard refuses requests.
pub(super) fn guards(document: &Value) -> Vec<Mistake> {
    let Some(extension) = document.get(EXTENSION) else { return Vec::new() };
    let at = JsonPath::default().key(EXTENSION);
    let mut found = Vec::new();
    let authentication = get(extension, authentication::AT).filter(|value| is_on(get(value, "enabled")));
    if let Some(authentication) = authentication {
        let at = join(&at, authentication::AT);
        if is_on(get(authentication, "certificateAuth.enabled")) {
            found.push(join(&at, "certificateAuth.enabled"));
        }
        let schemes = get(authentication, schemes::AT).and_then(Value::as_object).into_iter().flatten();
        for (name, scheme) in schemes.filter(|(_, scheme)| is_on(get(scheme, "enabled"))) {
            let asked = schemes::UNENFORCED.iter().filter(|key| schemes::asks(scheme, key));
            found.extend(asked.map(|key| at.key(schemes::AT).key(name.as_str()).key(*key)));
        }
    }
    let operations = get(extension, operations::AT).and_then(Value::as_object).into_iter().flatten();
    for (id, _) in operations.filter(|(_, operation)| is_on(get(operation, "scopeCheck.enabled"))) {
        found.push(join(&at, operations::AT).key(id.as_str()).key("scopeCheck"));
    }
    found.into_iter().map(|path| (Severity::Warning, path, REFUSED.to_owned())).collect()
}

struct Walk {
    notes: Notes,
    told: BTreeSet<JsonPath>,
}

impl Walk {
    /// `pattern` is `at` without the numbers and names that differ between things of one kind.
    fn value(&mut self, value: &Value, (at, pattern): (&JsonPath, &JsonPath), shape: &Shape) {
        match (shape, value) {
            (Shape::Any | Shape::Of(_) | Shape::Like(_), _) | (_, Value::Null) => {}
            (Shape::Each(shape), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, (&at.index(index), &pattern.index(0)), shape);
                }
            }
            // That it is no list is told by whoever reads it.
            (Shape::Each(_), _) => {}
            (Shape::Members(shapes), Value::Object(members)) => {
                for (key, value) in members {
                    let (at, pattern) = (at.key(key.as_str()), pattern.key(key.as_str()));
                    match shapes.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
                        Some((_, shape)) => self.value(value, (&at, &pattern), shape),
                        None => self.unknown((key, value), (at, pattern), shapes),
                    }
                }
            }
            (Shape::Every(shape), Value::Object(members)) => {
                for (key, value) in members {
                    self.value(value, (&at.key(key.as_str()), &pattern.key("*")), shape);
                }
            }
            (Shape::Members(_) | Shape::Every(_), other) => {
                self.notes.wrong_type::<()>(at, other, "an object");
            }
        }
    }

    fn unknown(
        &mut self,
        (key, value): (&str, &Value),
        (at, pattern): (JsonPath, JsonPath),
        known: &BTreeMap<&'static str, Shape>,
    ) {
        let is_off = get(value, "enabled") == Some(&Value::Bool(false));
        if is_off || is_idle(value) || !self.told.insert(pattern) {
            return;
        }
        let names: Vec<&str> = known.keys().copied().collect();
        let reason = match nearest(key, &names) {
            Some(nearest) => format!("{NO_EFFECT}; did you mean `{nearest}`?"),
            None => NO_EFFECT.to_owned(),
        };
        self.notes.warning(at, reason);
    }
}

impl Shape {
    fn of(rules: &[Rule]) -> Self {
        let mut shape = Self::default();
        shape.extend(rules);
        shape
    }

    fn extend(&mut self, rules: &[Rule]) {
        for rule in rules {
            let of = || match rule.form {
                Form::Items(rules) | Form::First(rules) => Self::Each(Box::new(Self::of(rules))),
                Form::Pairs(a, b) | Form::Joined(a, b) => Self::each(&[a, b]),
                Form::Weights => Self::each(&["url", "weight"]),
                Form::Not | Form::Off => Self::Of("boolean"),
                Form::Seconds | Form::Tls => Self::Of("string"),
                Form::Same if rule.oas.ends_with("enabled") => Self::Of("boolean"),
                Form::Same | Form::FirstText => Self::Any,
            };
            for path in [rule.oas, rule.older].into_iter().filter(|path| !path.is_empty()) {
                self.put(path, of());
            }
        }
    }

    fn each(keys: &[&'static str]) -> Self {
        let mut shape = Self::default();
        keys.iter().for_each(|key| shape.put(key, Self::Any));
        Self::Each(Box::new(shape))
    }

    fn put(&mut self, path: &'static str, inner: Self) {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        if !matches!(self, Self::Members(_)) {
            *self = Self::Members(BTreeMap::new());
        }
        let Self::Members(members) = self else { return };
        let member = members.entry(key).or_default();
        if !rest.is_empty() {
            member.put(rest, inner);
        } else if matches!(member, Self::Any | Self::Of(_)) {
            *member = inner;
        }
    }

    /// The member at a path, which is made if it is not there.
    fn at(&mut self, path: &'static str) -> &mut Self {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        if !matches!(self, Self::Members(_)) {
            *self = Self::Members(BTreeMap::new());
        }
        match self {
            Self::Members(members) => {
                let member = members.entry(key).or_default();
                if rest.is_empty() { member } else { member.at(rest) }
            }
            other => other,
        }
    }
}

pub(super) fn extension_shape() -> Shape {
    let mut shape = Shape::default();
    let rules = [
        info::RULES,
        info::VERSIONING,
        server::RULES,
        global::RULES,
        global::VERSION,
        upstream::RULES,
        upstream::VERSION,
    ];
    rules.iter().for_each(|rules| shape.extend(rules));
    shape.extend(upstream::PROXY);
    shape.put(upstream::PROXY_SWITCH, Shape::Any);
    shape.put(events::AT, Shape::Each(Box::new(handler())));
    let authentication = shape.at(authentication::AT);
    authentication.extend(authentication::RULES);
    authentication.extend(authentication::LIFETIME);
    for key in [authentication::LIFETIME_SWITCH, "security", "securityProcessingMode", "certificateAuth"] {
        authentication.put(key, Shape::Any);
    }
    for (kind, _) in authentication::WITH_SOURCES {
        authentication.at(kind).extend(authentication::SOURCES);
    }
    authentication.put(schemes::AT, Shape::Every(Box::new(scheme())));
    shape.put(operations::AT, Shape::Every(Box::new(operation())));
    shape
}

fn handler() -> Shape {
    let mut shape = Shape::default();
    events::TYPES.iter().for_each(|(_, _, rules)| shape.extend(rules));
    ["trigger", "type", "name"].iter().for_each(|key| shape.put(key, Shape::Any));
    shape
}

fn scheme() -> Shape {
    let mut shape = Shape::of(authentication::SOURCES);
    for way in &schemes::WAYS {
        shape.extend(way.rules);
        shape.extend(way.config);
    }
    schemes::UNENFORCED.iter().for_each(|key| shape.put(key, Shape::Any));
    shape.put("enabled", Shape::Any);
    shape
}

fn operation() -> Shape {
    let mut shape = Shape::default();
    for kind in operations::KINDS {
        let mut inner = Shape::of(kind.rules);
        match kind.shape {
            operations::Shape::Source(..) => ["path", "body"].iter().for_each(|key| inner.put(key, Shape::Any)),
            operations::Shape::Rewrite => inner.put("triggers", Shape::Any),
            operations::Shape::Plain => {}
            operations::Shape::List => inner = Shape::Each(Box::new(inner)),
        }
        shape.put(kind.oas, inner);
    }
    shape.put("mockResponse", Shape::Like(Box::new(mock())));
    shape.put("scopeCheck", Shape::Any);
    shape
}

/// What is wrong in it is told where it is read.
fn mock() -> Shape {
    let mut shape = Shape::default();
    for (key, kind) in [("enabled", "boolean"), ("code", "integer"), ("body", "string")] {
        shape.put(key, Shape::Of(kind));
    }
    shape.put("headers", Shape::each(&["name", "value"]));
    let examples = [("enabled", "boolean"), ("code", "integer"), ("contentType", "string"), ("exampleName", "string")];
    for (key, kind) in examples {
        shape.at("fromOASExamples").put(key, Shape::Of(kind));
    }
    shape
}
