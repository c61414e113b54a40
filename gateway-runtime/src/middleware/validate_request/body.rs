//! The body of a request: of which media type it may be, and what its schema says. Source: OpenAPI 3.0.3, "Request Body
//! Object"; kin-openapi, `ValidateRequestBody`.

use std::collections::BTreeMap;

use gateway_model::JsonPath;
use gateway_model::oas::Operation;
use gateway_sdk::Request;
use gateway_sdk::http::header::CONTENT_TYPE;
use serde_json::Value;

use super::target::{self, Members, Target};
use super::{Compiling, Mistake};
use crate::json_schema::document::{CompiledSchemas, DocumentSchema};
use crate::middleware::mock_response::by_media_type;

/// What the body of a request has to be.
pub(super) struct Body {
    is_required: bool,
    by_media_type: BTreeMap<String, Content>,
}

/// What a body of one media type has to be.
struct Content {
    /// With what a form is read as; `None`: anything is right.
    schema: Option<(DocumentSchema, Target)>,
    /// How messages name the schema.
    name: String,
}

/// How a body is read.
#[derive(Clone, Copy)]
enum Kind {
    Json,
    Form,
    Text,
}

impl Body {
    /// What an operation says of it, and the media types whose bodies are not looked into.
    ///
    /// # Errors
    /// What is wrong in the document, and where.
    pub(super) fn plan(
        compiling: &mut Compiling<'_>,
        operation: &Operation<'_>,
    ) -> Result<(Option<Self>, Vec<Mistake>), Mistake> {
        let Some(written) = operation.what.get("requestBody") else { return Ok((None, Vec::new())) };
        let at = operation.at().key("requestBody");
        let oas = compiling.oas;
        let (written, at) = oas.resolve_at(written, &at).map_err(|error| (at.clone(), error.to_string()))?;
        let is_required = written.get("required") == Some(&Value::Bool(true));
        let (mut by_media_type, mut unread) = (BTreeMap::new(), Vec::new());
        for (media_type, media) in written.get("content").and_then(Value::as_object).into_iter().flatten() {
            let at = at.key("content").key(media_type.as_str()).key("schema");
            let content = match media.get("schema") {
                None => Content { schema: None, name: String::new() },
                Some(schema) => Content::plan(compiling, schema, &at)?,
            };
            if content.schema.is_some() && !media_type.contains('*') && Kind::of(media_type).is_none() {
                let told = format!(
                    "bodies of `{media_type}` are not looked into: that there is one, and of which kind, is all that is \
                     validated"
                );
                unread.push((at, told));
            }
            by_media_type.insert(media_type.clone(), content);
        }
        Ok((Some(Self { is_required, by_media_type }), unread))
    }

    /// Of which media type a request says that its body is.
    pub(super) fn media_type(request: &Request) -> String {
        request.header(CONTENT_TYPE.as_str()).unwrap_or_default().to_owned()
    }

    /// # Errors
    /// What is wrong with a body.
    pub(super) fn check(&self, schemas: &CompiledSchemas, media_type: &str, body: &[u8]) -> Result<(), String> {
        let told = |reason: String| format!("request body has an error: {reason}");
        if body.is_empty() {
            return if self.is_required { Err(told("value is required but missing".to_owned())) } else { Ok(()) };
        }
        if self.by_media_type.is_empty() {
            return Ok(());
        }
        let content = by_media_type(&self.by_media_type, media_type)
            .ok_or_else(|| told(format!("header Content-Type has unexpected value {media_type:?}")))?;
        let (Some((schema, target)), Some(kind)) = (&content.schema, Kind::of(media_type)) else { return Ok(()) };
        let value = kind.read(target, body);
        let value = value.map_err(|reason| told(format!("failed to decode request body: {reason}")))?;
        let wrong = |reason| told(format!("doesn't match schema{}: {reason}", content.name));
        schemas.validate(*schema, &value).map_err(wrong)
    }
}

impl Content {
    fn plan(compiling: &mut Compiling<'_>, schema: &Value, at: &JsonPath) -> Result<Self, Mistake> {
        let name = schema.get("$ref").and_then(Value::as_str).map(|name| format!(" {name}")).unwrap_or_default();
        let compiled = compiling.schemas.compile(at)?;
        Ok(Self { schema: Some((compiled, Target::of(compiling.oas, schema))), name })
    }
}

/// Whether a media type is one of JSON.
pub(super) fn is_json(media_type: &str) -> bool {
    let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    bare == "application/json" || bare.ends_with("+json")
}

impl Kind {
    /// How bodies of a media type are read; `None`: they are not.
    fn of(media_type: &str) -> Option<Self> {
        let bare = media_type.split(';').next().unwrap_or_default().trim();
        match bare {
            bare if is_json(bare) => Some(Self::Json),
            "application/x-www-form-urlencoded" => Some(Self::Form),
            bare if bare.starts_with("text/") => Some(Self::Text),
            _ => None,
        }
    }

    fn read(self, target: &Target, body: &[u8]) -> Result<Value, String> {
        match self {
            Self::Json => serde_json::from_slice(body).map_err(|error| error.to_string()),
            Self::Text => std::str::from_utf8(body).map(Value::from).map_err(|error| error.to_string()),
            Self::Form => form(target, body),
        }
    }
}

/// A form, as an object.
fn form(target: &Target, body: &[u8]) -> Result<Value, String> {
    let pairs: Vec<_> = form_urlencoded::parse(body).collect();
    let nothing = Members::new();
    let known = if let Target::Map(known) = target { known } else { &nothing };
    target::map(known, pairs.iter().map(|(name, value)| (&**name, &**value)))
}

#[cfg(test)]
mod tests {
    use gateway_model::OasDefinition;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_an_object_of_what_its_schema_says() {
        let schema = json!({"type": "object", "properties": {
            "tags": {"type": "array", "items": {"type": "integer"}}, "n": {"type": "integer"}, "name": {"type": "string"}, "is_on": {"type": "boolean"},
        }});
        let target = Target::of(&OasDefinition::default(), &schema);
        let read = |body: &str| form(&target, body.as_bytes());
        assert_eq!(read("n=7&name=7&is_on=true&x=1"), Ok(json!({"n": 7, "name": "7", "is_on": true, "x": "1"})));
        assert_eq!(read("tags=1&n=1&tags=2&n=2"), Ok(json!({"tags": [1, 2], "n": 1})));
        assert_eq!(read("n=x"), Err("path n: value x: an invalid integer: invalid syntax".to_owned()));
    }

    #[test]
    fn json_has_many_names() {
        for name in
            ["application/json", "application/json; charset=utf-8", "application/problem+json", "APPLICATION/JSON"]
        {
            assert!(is_json(name), "{name}");
        }
        assert!(!is_json("text/plain"));
    }
}
