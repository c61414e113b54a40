//! The variables of a path: their values, and whether an operation is meant that asks for such values.

use gateway_model::oas::{Operation, ReferenceError};
use gateway_model::{JsonPath, OasDefinition};
use regex::Regex;
use serde_json::Value;

use crate::apis::listen_path::{ListenPath, decoded, mistake};
use crate::apis::pattern;
use crate::apis::plan::Planning;
use crate::config::PathRules;

/// The variables of the path of one operation.
pub(super) struct Variables {
    regex: Regex,
    names: Vec<String>,
    /// What tells the operation from others with the same pattern.
    wanted: Vec<(String, Wanted)>,
}

/// What the value of a variable has to be for its operation to be the one that is meant. Source: Tyk,
/// `gateway/mw_oas_validate_request.go`.
struct Wanted {
    kind: Option<String>,
    pattern: Option<Regex>,
    one_of: Vec<String>,
    length: std::ops::RangeInclusive<u64>,
    format: String,
}

impl Variables {
    /// `tells_apart`: there are other operations with the same pattern.
    pub(super) fn plan(
        planning: &mut Planning<'_, '_>,
        operation: &Operation<'_>,
        rules: PathRules,
        tells_apart: bool,
    ) -> Option<Self> {
        let regex = match pattern::regex(operation.path, rules) {
            Ok(regex) => regex,
            Err(error) => {
                planning.refuse_in_document(&operation.at(), &mistake(&error));
                return None;
            }
        };
        let names = pattern::variables(operation.path);
        let oas = planning.document()?;
        let mut wanted = Vec::new();
        for (at, parameter) in parameters(oas, operation).into_iter().flatten().filter(|_| tells_apart) {
            let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            let schema = parameter.get("schema").map(|schema| oas.resolve(schema));
            if let ("path", Some(Ok(schema))) = (text("in"), schema) {
                match Wanted::of(schema) {
                    Ok(asked) => wanted.push((text("name").to_owned(), asked)),
                    Err(error) => planning.refuse_in_document(&at.key("schema").key("pattern"), &mistake(&error)),
                }
            }
        }
        Some(Self { regex, names, wanted })
    }

    /// How restrictive it is.
    pub(super) fn rank(&self) -> u32 {
        self.wanted.iter().map(|(_, wanted)| wanted.rank()).sum()
    }

    /// The variables with their values, without escapes; `None` if the path is another one.
    pub(super) fn values(&self, path: &str, listen: &ListenPath) -> Option<Vec<(&str, String)>> {
        let stripped = listen.strip(path);
        let again = listen.strip(&stripped);
        let candidates = [&*stripped, &*again, path, &*decoded(&stripped), &*decoded(path)];
        let found = candidates.into_iter().find_map(|path| self.regex.captures(path))?;
        let values = found.iter().skip(1).map(|value| value.map_or("", |value| value.as_str()));
        Some(self.names.iter().map(String::as_str).zip(values.map(|value| decoded(value).into_owned())).collect())
    }

    /// Whether these values are meant for the operation.
    pub(super) fn accept(&self, values: &[(&str, String)]) -> bool {
        self.wanted.iter().all(|(name, wanted)| {
            values.iter().find(|(other, _)| other == name).is_some_and(|(_, value)| wanted.accepts(value))
        })
    }
}

/// A parameter with its place, or a reference to one that leads nowhere.
type Found<'d> = Result<(JsonPath, &'d Value), (JsonPath, ReferenceError)>;

/// The parameters of the path of an operation, and those of its own, which count where both have one.
pub(in crate::middleware) fn parameters<'d>(oas: &'d OasDefinition, operation: &Operation<'d>) -> Vec<Found<'d>> {
    let list = |of: &'d Value, at: &JsonPath| {
        let items = of.get("parameters").and_then(Value::as_array).into_iter().flatten().enumerate();
        let found = |(index, item): (usize, &'d Value)| {
            let at = at.key("parameters").index(index);
            oas.resolve_at(item, &at).map(|(parameter, at)| (at, parameter)).map_err(|error| (at, error))
        };
        items.map(found).collect::<Vec<Found<'d>>>()
    };
    let own = list(operation.what, &operation.at());
    let key = |parameter: &'d Value| (parameter.get("in"), parameter.get("name"));
    let is_own = |parameter: &'d Value| own.iter().flatten().any(|(_, other)| key(other) == key(parameter));
    let of_path = list(operation.item, &JsonPath::default().key("paths").key(operation.path));
    let mut all: Vec<Found<'d>> =
        of_path.into_iter().filter(|found| !matches!(found, Ok((_, parameter)) if is_own(parameter))).collect();
    all.extend(own);
    all
}

impl Wanted {
    fn of(schema: &Value) -> Result<Self, regex::Error> {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let number = |key: &str| schema.get(key).and_then(Value::as_u64);
        let one_of = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let one_of = one_of.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        Ok(Self {
            kind: type_of(schema).map(str::to_owned),
            pattern: text("pattern").map(Regex::new).transpose()?,
            one_of,
            length: number("minLength").unwrap_or(0)..=number("maxLength").unwrap_or(u64::MAX),
            format: text("format").unwrap_or_default().to_owned(),
        })
    }

    /// Source: gateway.md §4.5.
    fn rank(&self) -> u32 {
        let is_plain =
            self.pattern.is_none() && self.one_of.is_empty() && self.length == (0..=u64::MAX) && self.format.is_empty();
        match self.kind.as_deref() {
            Some("integer") => 7,
            Some("number") => 6,
            Some("boolean") => 5,
            Some("array") => 4,
            Some("object") => 3,
            _ if !is_plain => 2,
            _ => 0,
        }
    }

    fn accepts(&self, value: &str) -> bool {
        let is_kind = match self.kind.as_deref() {
            Some("integer") => value.parse::<i64>().is_ok(),
            Some("number") => value.parse::<f64>().is_ok(),
            Some("boolean") => matches!(value, "true" | "false"),
            _ => true,
        };
        is_kind
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value))
            && (self.one_of.is_empty() || self.one_of.iter().any(|one| one == value))
            && self.length.contains(&(value.chars().count() as u64))
            && has_format(value, &self.format)
    }
}

/// Whether a text is of a format, as far as that is known.
fn has_format(value: &str, format: &str) -> bool {
    let is_digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = |value: &str| {
        let parts: Vec<&str> = value.split('-').collect();
        matches!(parts[..], [year, month, day] if is_digits(year, 4) && is_digits(month, 2) && is_digits(day, 2))
    };
    match format {
        "date" => is_date(value),
        "date-time" => value.split_once(['T', 't']).is_some_and(|(date, _)| is_date(date)),
        "email" => value.contains('@'),
        "uuid" => {
            let lengths: Vec<usize> = value.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        }
        _ => true,
    }
}

/// The type of a schema; of several the first that is not `null`.
pub(in crate::middleware) fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Source: gateway.md §4.5.
    #[test]
    fn the_most_restrictive_comes_first() {
        let rank = |schema: Value| Wanted::of(&schema).expect("a schema").rank();
        let of = |kind: &str| rank(json!({"type": kind}));
        let ranks = ["integer", "number", "boolean", "array", "object", "string"].map(of);
        assert_eq!(ranks, [7, 6, 5, 4, 3, 0]);
        assert_eq!(rank(json!({"type": "string", "maxLength": 3})), 2);
        assert_eq!(rank(json!({"type": ["null", "integer"]})), 7);
    }

    #[test]
    fn a_value_is_meant_for_a_schema_or_not() {
        let accepts = |schema: Value, value: &str| Wanted::of(&schema).expect("a schema").accepts(value);
        for (schema, right, wrong) in [
            (json!({"type": "integer"}), "-7", "7.5"),
            (json!({"type": "number"}), "7.5", "x"),
            (json!({"type": "boolean"}), "true", "yes"),
            (json!({"pattern": "^a"}), "ab", "b"),
            (json!({"enum": ["a", 2]}), "2", "b"),
            (json!({"minLength": 2, "maxLength": 3}), "ééé", "é"),
            (json!({"format": "date"}), "2026-01-02", "2026-1-2"),
            (json!({"format": "date-time"}), "2026-01-02T00:00:00Z", "2026-01-02"),
            (json!({"format": "email"}), "a@b", "a"),
            (json!({"format": "uuid"}), "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810"),
        ] {
            assert!(accepts(schema.clone(), right) && !accepts(schema.clone(), wrong), "{schema}");
        }
    }
}
