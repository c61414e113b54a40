//! The examples that a document has of the answers to an operation; where it has none, its schemas make one. All of them
//! are made when the definition is read. Source: gateway.md §4.5; Tyk, `apidef/oas/example.go`.

use std::collections::BTreeMap;

use bytes::Bytes;
use gateway_model::oas::{FromExamples, Operation, ReferenceError};
use gateway_model::{JsonPath, OasDefinition};
use gateway_sdk::http::header::{ACCEPT, CONTENT_TYPE};
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::apis::plan::Planning;
use crate::error::{Fault, MockRefusal, RequestError};
use crate::middleware::operations::type_of;

const CODE: &str = "x-tyk-accept-example-code";
const NAME: &str = "x-tyk-accept-example-name";

/// How deep examples are that schemas make: one may be within itself.
const DEEPEST: usize = 16;

/// The examples of one operation, and which of them is the answer if a request does not say.
pub(super) struct Examples {
    code: i64,
    media_type: String,
    name: String,
    answers: BTreeMap<i64, Answers>,
}

/// Those of one status.
struct Answers {
    status: StatusCode,
    headers: HeaderMap,
    by_media_type: BTreeMap<String, Media>,
}

/// Those of one media type.
enum Media {
    One(Bytes),
    Named(BTreeMap<String, Bytes>),
}

impl Examples {
    pub(super) fn plan(
        planning: &mut Planning<'_, '_>,
        operation: &Operation<'_>,
        wanted: &FromExamples,
        at: &JsonPath,
    ) -> Option<Self> {
        let oas = planning.document()?;
        let place = operation.at().key("responses");
        let mut answers = BTreeMap::new();
        for (code, answer) in operation.what.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let place = place.key(code.as_str());
            let number = code.parse::<i64>().ok();
            let Some((code, status)) = number.and_then(|code| Some((code, super::status(code)?))) else { continue };
            match Answers::of(oas, status, answer, &place) {
                Ok(answer) => _ = answers.insert(code, answer),
                Err((place, reason)) => planning.refuse_in_document(&place, &reason),
            }
        }
        let FromExamples { code, content_type, example_name, .. } = wanted;
        let code = if *code == 0 { 200 } else { *code };
        let media_type = if content_type.is_empty() { "application/json" } else { content_type };
        let examples = Self { code, media_type: media_type.to_owned(), name: example_name.clone(), answers };
        if let Err(detail) = examples.find(code, media_type, example_name) {
            let reason = format!("{detail}; a request that does not ask for another one is answered with an error");
            planning.warn_in_document(&at.key("fromOASExamples"), &reason);
        }
        Some(examples)
    }

    /// The example that a request asks for.
    pub(super) fn answer(&self, request: &Request) -> Result<Box<Response>, RequestError> {
        let accepted = request.header(ACCEPT.as_str()).filter(|accepted| !matches!(*accepted, "" | "*/*"));
        let asked = |name| request.header(name).filter(|asked: &&str| !asked.is_empty());
        let (code, name) = (asked(CODE), asked(NAME));
        let is_asked = accepted.is_some() || code.is_some() || name.is_some();
        let refused = |detail| {
            let fault = if is_asked { Fault::Client } else { Fault::Definition };
            RequestError::Mock(Box::new(MockRefusal { detail, fault }))
        };
        let code = match code {
            None => self.code,
            Some(code) => {
                code.parse().map_err(|_| refused(format!("given code {code} is not a valid integer value")))?
            }
        };
        let media_type = accepted.unwrap_or(&self.media_type);
        let (answers, body) = self.find(code, media_type, name.unwrap_or(&self.name)).map_err(refused)?;
        let mut response = Response::new(answers.status).with_body(body.clone());
        response.headers_mut().extend(answers.headers.clone());
        if let Ok(media_type) = HeaderValue::from_str(media_type) {
            response.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        Ok(Box::new(response))
    }

    fn find(&self, code: i64, media_type: &str, name: &str) -> Result<(&Answers, &Bytes), String> {
        let none = |what: &str, which: &str| format!("there is no example response for the {what}: {which}");
        let answers = self.answers.get(&code).ok_or_else(|| none("code", &code.to_string()))?;
        let media =
            by_media_type(&answers.by_media_type, media_type).ok_or_else(|| none("content type", media_type))?;
        let body = match media {
            Media::One(body) => Some(body),
            Media::Named(bodies) if name.is_empty() => bodies.values().next(),
            Media::Named(bodies) => bodies.get(name),
        };
        body.map(|body| (answers, body)).ok_or_else(|| none("example name", name))
    }
}

/// The entry for a media type: the whole of it, or without its parameters, or a range that it is in. Source:
/// kin-openapi, `Content.Get`.
pub(in crate::middleware) fn by_media_type<'c, T>(content: &'c BTreeMap<String, T>, media_type: &str) -> Option<&'c T> {
    let bare = media_type.split(';').next().unwrap_or_default();
    let exact = content.get(media_type).or_else(|| content.get(bare));
    let range = || bare.split_once('/').and_then(|(kind, _)| content.get(&format!("{kind}/*")));
    exact.or_else(range).or_else(|| content.get("*/*").filter(|_| bare.is_empty() || bare.contains('/')))
}

/// A mistake, and its place in the document.
type Mistake = (JsonPath, String);

impl Answers {
    fn of(oas: &OasDefinition, status: StatusCode, answer: &Value, at: &JsonPath) -> Result<Self, Mistake> {
        let resolved = |part, at: &JsonPath| oas.resolve(part).map_err(|error| (at.clone(), error.to_string()));
        let answer = resolved(answer, at)?;
        let members = |key: &str| answer.get(key).and_then(Value::as_object).into_iter().flatten();
        let mut headers = HeaderMap::new();
        for (name, header) in members("headers") {
            let at = at.key("headers").key(name.as_str());
            let example = match resolved(header, &at)?.get("schema") {
                Some(schema) => made(oas, schema, 0).map_err(|error| (at.clone(), error.to_string()))?,
                None => Value::Null,
            };
            let value = match example {
                Value::Null => continue,
                Value::String(text) => text,
                other => other.to_string(),
            };
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(&value).ok());
            let (name, value) = header.ok_or_else(|| (at, format!("`{name}: {value}` cannot be sent as a header")))?;
            headers.insert(name, value);
        }
        let mut by_media_type = BTreeMap::new();
        for (media_type, media) in members("content") {
            let at = at.key("content").key(media_type.as_str());
            by_media_type.insert(media_type.clone(), Media::of(oas, media, &at)?);
        }
        Ok(Self { status, headers, by_media_type })
    }
}

impl Media {
    fn of(oas: &OasDefinition, media: &Value, at: &JsonPath) -> Result<Self, Mistake> {
        let bytes = |example: &Value| Bytes::from(example.to_string());
        let told = |at: &JsonPath, error: ReferenceError| (at.clone(), error.to_string());
        if let Some(example) = media.get("example").filter(|example| !example.is_null()) {
            return Ok(Self::One(bytes(example)));
        }
        let mut named = BTreeMap::new();
        for (name, example) in media.get("examples").and_then(Value::as_object).into_iter().flatten() {
            let at = at.key("examples").key(name.as_str());
            let example = oas.resolve(example).map_err(|error| told(&at, error))?;
            named.insert(name.clone(), bytes(example.get("value").unwrap_or(&Value::Null)));
        }
        if !named.is_empty() {
            return Ok(Self::Named(named));
        }
        let schema = media.get("schema").unwrap_or(&Value::Null);
        made(oas, schema, 0).map(|example| Self::One(bytes(&example))).map_err(|error| told(&at.key("schema"), error))
    }
}

/// The example of a schema: its own, or one that is made of those of its parts.
fn made(oas: &OasDefinition, schema: &Value, depth: usize) -> Result<Value, ReferenceError> {
    let schema = oas.resolve(schema)?;
    if let Some(example) = schema.get("example").filter(|example| !example.is_null()) {
        return Ok(example.clone());
    }
    if depth == DEEPEST {
        return Ok(Value::Null);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let kind = type_of(schema).or(properties.map(|_| "object"));
    match kind {
        Some("object") => {
            let mut object = Map::new();
            for (name, property) in properties.into_iter().flatten() {
                object.insert(name.clone(), made(oas, property, depth + 1)?);
            }
            Ok(object.into())
        }
        Some("array") => Ok(json!([made(oas, schema.get("items").unwrap_or(&Value::Null), depth + 1)?])),
        kind => {
            let first = schema.get("enum").and_then(|values| values.get(0)).cloned();
            Ok(first.unwrap_or_else(|| match kind {
                Some("string") => "string".into(),
                Some("integer" | "number") => 0.into(),
                Some("boolean") => true.into(),
                _ => Value::Null,
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_make_examples_of_their_parts() {
        let oas = OasDefinition::new(json!({"components": {"schemas": {
            "pet": {"type": "object", "properties": {
                "id": {"type": "integer"}, "name": {"type": "string", "example": "Rex"},
                "tags": {"type": "array", "items": {"type": "string"}}, "kind": {"enum": ["dog", "cat"]},
                "is_good": {"type": "boolean"}, "any": {},
            }},
            "loop": {"properties": {"next": {"$ref": "#/components/schemas/loop"}}},
        }}}));
        let of = |name: &str| made(&oas, &json!({"$ref": format!("#/components/schemas/{name}")}), 0);
        let pet = json!({"id": 0, "name": "Rex", "tags": ["string"], "kind": "dog", "is_good": true, "any": null});
        assert_eq!(of("pet"), Ok(pet));
        assert!(of("loop").is_ok_and(|example| example.is_object()), "it ends");
        assert!(of("nowhere").is_err());
    }

    #[test]
    fn a_media_type_is_found_by_its_parts() {
        let content =
            |types: &[&'static str]| types.iter().map(|name| ((*name).to_owned(), *name)).collect::<BTreeMap<_, _>>();
        let all = content(&["application/json", "application/json;v=2", "text/*", "*/*"]);
        for (asked, expected) in [
            ("application/json;v=2", "application/json;v=2"),
            ("application/json; charset=utf-8", "application/json"),
            ("text/html", "text/*"),
            ("image/png", "*/*"),
            ("", "*/*"),
        ] {
            assert_eq!(by_media_type(&all, asked), Some(&expected), "{asked}");
        }
        assert_eq!(by_media_type(&content(&["application/json"]), "text/html"), None);
    }
}
