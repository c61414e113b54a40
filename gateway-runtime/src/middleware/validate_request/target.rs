//! What the texts of a parameter, or of a form, are taken for: its schema says of which types it is. Source: OpenAPI
//! 3.0.3, "Style Values"; kin-openapi, `req_resp_decoder.go`.

use std::collections::BTreeMap;

use gateway_model::OasDefinition;
use serde_json::{Map, Number, Value};

use crate::middleware::operations::type_of;

/// How deep types are looked for in the parts of a schema.
const DEEPEST: usize = 8;

/// What is made of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Plain(Kinds),
    List(Kinds),
    Map(Members),
}

/// The members of an object of which something is known.
pub(super) type Members = BTreeMap<String, Member>;

/// One of them.
#[derive(Debug, PartialEq)]
pub(super) struct Member {
    kinds: Kinds,
    is_list: bool,
}

/// The types of one value; none is any.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kinds(Vec<Kind>);

/// In the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Integer,
    Number,
    Boolean,
    Text,
}

impl Target {
    pub(super) fn of(oas: &OasDefinition, schema: &Value) -> Self {
        let parts = parts(oas, schema, 0);
        let is = |kind: &str| parts.iter().any(|part| type_of(part) == Some(kind));
        if is("array") {
            return Self::List(Member::of(oas, schema).kinds);
        }
        let has_properties = parts.iter().any(|part| part.get("properties").is_some());
        if is("object") || has_properties {
            let all = parts.iter().filter_map(|part| part.get("properties")?.as_object()).flatten();
            return Self::Map(all.map(|(name, schema)| (name.clone(), Member::of(oas, schema))).collect());
        }
        Self::Plain(Kinds::of(oas, schema))
    }
}

impl Member {
    fn of(oas: &OasDefinition, schema: &Value) -> Self {
        let parts = parts(oas, schema, 0);
        if parts.iter().any(|part| type_of(part) == Some("array")) {
            let items = parts.iter().find_map(|part| part.get("items"));
            return Self { kinds: items.map(|items| Kinds::of(oas, items)).unwrap_or_default(), is_list: true };
        }
        Self { kinds: Kinds::of(oas, schema), is_list: false }
    }
}

/// A schema, and those that it is made of.
fn parts<'d>(oas: &'d OasDefinition, schema: &'d Value, depth: usize) -> Vec<&'d Value> {
    let Ok(schema) = oas.resolve(schema) else { return Vec::new() };
    let mut all = vec![schema];
    for key in ["allOf", "anyOf", "oneOf"] {
        let inner = schema.get(key).and_then(Value::as_array).into_iter().flatten().filter(|_| depth < DEEPEST);
        all.extend(inner.flat_map(|part| parts(oas, part, depth + 1)));
    }
    all
}

/// The types that a schema means which does not say one, but what only such values can have.
fn implied(schema: &Value) -> Vec<&'static str> {
    const OF_NUMBERS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
    const OF_TEXTS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];
    let has = |keys: &[&str]| keys.iter().any(|key| schema.get(key).is_some());
    match (has(&OF_NUMBERS), has(&OF_TEXTS)) {
        (true, false) => vec!["number"],
        (false, true) => vec!["string"],
        _ => Vec::new(),
    }
}

impl Kinds {
    fn of(oas: &OasDefinition, schema: &Value) -> Self {
        let mut kinds = Vec::new();
        for part in parts(oas, schema, 0) {
            let written = match part.get("type") {
                Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
                Some(Value::String(one)) => vec![one.as_str()],
                _ => implied(part),
            };
            kinds.extend(written.into_iter().filter_map(|kind| match kind {
                "integer" => Some(Kind::Integer),
                "number" => Some(Kind::Number),
                "boolean" => Some(Kind::Boolean),
                "string" => Some(Kind::Text),
                _ => None,
            }));
        }
        kinds.sort_unstable();
        kinds.dedup();
        Self(kinds)
    }

    /// All that a text may be taken for, the most particular first.
    ///
    /// # Errors
    /// When it is nothing of what it should be.
    pub(super) fn read(&self, text: &str) -> Result<Vec<Value>, String> {
        const ANY: [Kind; 4] = [Kind::Integer, Kind::Number, Kind::Boolean, Kind::Text];
        let kinds = if self.0.is_empty() { &ANY[..] } else { &self.0[..] };
        let values: Vec<Value> = kinds.iter().filter_map(|kind| kind.read(text)).collect();
        match (values.is_empty(), kinds.first()) {
            (true, Some(kind)) => Err(format!("value {text}: an invalid {}: invalid syntax", kind.word())),
            _ => Ok(values),
        }
    }

    /// The most particular of these.
    pub(super) fn first(&self, text: &str) -> Result<Value, String> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        self.read(text).map(|values| values.into_iter().next().unwrap_or_default())
    }
}

impl Kind {
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => {
                let whole = text.parse::<i64>().ok().map(Value::from);
                whole.or_else(|| text.parse().ok().and_then(Number::from_f64).map(Value::Number))
            }
            Self::Boolean => text.parse::<bool>().ok().map(Value::from),
            Self::Text => Some(text.into()),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Text => "string",
        }
    }
}

/// The elements of a list, each read as it should be.
pub(super) fn list<'t>(kinds: &Kinds, texts: impl Iterator<Item = &'t str>) -> Result<Value, String> {
    let read = |(at, text)| kinds.first(text).map_err(|reason| format!("path {at}: {reason}"));
    texts.enumerate().map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// The members of an object, each read as it should be; those of which nothing is known are texts. A list has all that
/// are given under its name, the others the first.
pub(super) fn map<'t>(known: &Members, given: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Value, String> {
    let mut object = Map::new();
    for (name, text) in given {
        let told = |reason| format!("path {name}: {reason}");
        let member = known.get(name);
        let value = match member {
            Some(member) => member.kinds.first(text).map_err(told)?,
            None => text.into(),
        };
        match (object.get_mut(name), member.is_some_and(|member| member.is_list)) {
            (Some(Value::Array(values)), true) => values.push(value),
            (Some(_), _) => {}
            (None, true) => _ = object.insert(name.to_owned(), Value::Array(vec![value])),
            (None, false) => _ = object.insert(name.to_owned(), value),
        }
    }
    Ok(object.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_says_what_a_text_is_taken_for() {
        let oas = OasDefinition::new(json!({"components": {"schemas": {"id": {"type": "integer"}}}}));
        let target = |schema: Value| Target::of(&oas, &schema);
        let kinds = |kinds: &[Kind]| Kinds(kinds.to_vec());
        assert_eq!(target(json!({"$ref": "#/components/schemas/id"})), Target::Plain(kinds(&[Kind::Integer])));
        let either = json!({"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/id"}]});
        assert_eq!(target(either), Target::Plain(kinds(&[Kind::Integer, Kind::Text])));
        let list = json!({"type": "array", "items": {"type": "number"}});
        assert_eq!(target(list), Target::List(kinds(&[Kind::Number])));
        let object = json!({"allOf": [{"properties": {"a": {"type": "boolean"}}}]});
        assert_eq!(
            target(object),
            Target::Map(BTreeMap::from([("a".to_owned(), Member { kinds: kinds(&[Kind::Boolean]), is_list: false })]))
        );
        assert_eq!(target(json!({})), Target::Plain(kinds(&[])));
        assert_eq!(target(json!({"minimum": 1})), Target::Plain(kinds(&[Kind::Number])));
        assert_eq!(target(json!({"minLength": 1})), Target::Plain(kinds(&[Kind::Text])));
    }

    #[test]
    fn a_text_is_read_as_what_it_should_be() {
        let read = |kinds: &[Kind], text: &str| Kinds(kinds.to_vec()).read(text);
        assert_eq!(read(&[Kind::Integer], "7"), Ok(vec![json!(7)]));
        assert_eq!(read(&[Kind::Integer], "7.5"), Err("value 7.5: an invalid integer: invalid syntax".to_owned()));
        assert_eq!(read(&[Kind::Number], "nan"), Err("value nan: an invalid number: invalid syntax".to_owned()));
        assert_eq!(read(&[Kind::Integer, Kind::Text], "7"), Ok(vec![json!(7), json!("7")]));
        assert_eq!(read(&[], "true"), Ok(vec![json!(true), json!("true")]));
    }
}
