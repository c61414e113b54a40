//! One parameter of an operation: where its text is in a request, what that says, and whether it is what it should be.
//! Source: OpenAPI 3.0.3, "Parameter Object"; kin-openapi, `ValidateParameter`.

use std::borrow::Cow;
use std::cell::OnceCell;

use gateway_model::JsonPath;
use gateway_sdk::Request;
use gateway_sdk::http::header::COOKIE;
use serde_json::Value;

use super::target::{self, Target};
use super::{Compiling, Mistake};
use crate::json_schema::document::{CompiledSchemas, DocumentSchema};

/// A parameter.
pub(super) struct Parameter {
    name: String,
    place: Place,
    is_required: bool,
    may_be_empty: bool,
    form: Form,
    schema: DocumentSchema,
}

/// Where parameters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

/// How a value is written.
enum Form {
    /// As JSON.
    Json,
    Styled {
        target: Target,
        style: Style,
        explodes: bool,
    },
}

/// Source: OpenAPI 3.0.3, "Style Values".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Of paths and headers: `3,4`.
    Simple,
    /// Of queries and cookies: `x=3&x=4`, or `x=3,4`.
    Form,
    /// `x=3%204`.
    Spaces,
    /// `x=3|4`.
    Pipes,
    /// `x[a]=3&x[b]=4`.
    Deep,
}

/// The texts of a request, as far as they were asked for.
pub(super) struct Sources<'r> {
    request: &'r Request,
    path: &'r [(&'r str, String)],
    query: OnceCell<Pairs<'r>>,
    cookies: OnceCell<Pairs<'r>>,
}

type Pairs<'r> = Vec<(Cow<'r, str>, Cow<'r, str>)>;

/// What a request has for a parameter.
enum Found {
    Nothing,
    Empty,
    /// This, or one of these, if its text may be taken for several things.
    Values(Vec<Value>),
}

impl Place {
    fn of(written: &str) -> Option<Self> {
        Some(match written {
            "path" => Self::Path,
            "query" => Self::Query,
            "header" => Self::Header,
            "cookie" => Self::Cookie,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

impl Style {
    fn of(written: Option<&str>, place: Place) -> Option<Self> {
        Some(match (written, place) {
            (None | Some("simple"), Place::Path | Place::Header) => Self::Simple,
            (None | Some("form"), Place::Query | Place::Cookie) => Self::Form,
            (Some("spaceDelimited"), Place::Query) => Self::Spaces,
            (Some("pipeDelimited"), Place::Query) => Self::Pipes,
            (Some("deepObject"), Place::Query) => Self::Deep,
            _ => return None,
        })
    }
}

impl Parameter {
    /// `None` where anything is right.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(super) fn plan(compiling: &mut Compiling<'_>, written: &Value, at: &JsonPath) -> Result<Option<Self>, Mistake> {
        let text = |key: &str| written.get(key).and_then(Value::as_str);
        let is_on = |key: &str| written.get(key) == Some(&Value::Bool(true));
        let name = text("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| (at.clone(), "a parameter needs a `name`".to_owned()))?;
        let place = text("in").and_then(Place::of);
        let place = place
            .ok_or_else(|| (at.clone(), "a parameter is `in` one of `path`, `query`, `header`, `cookie`".to_owned()))?;
        let (form, schema_at) = match (written.get("schema"), written.get("content").and_then(Value::as_object)) {
            (Some(schema), _) => {
                let style = Style::of(text("style"), place).ok_or_else(|| {
                    let style = text("style").unwrap_or_default();
                    let reason = format!("style `{style}` in {} is not honoured by this gateway", place.as_str());
                    (at.key("style"), reason)
                })?;
                let explodes = written.get("explode").and_then(Value::as_bool).unwrap_or(style == Style::Form);
                (Form::Styled { target: Target::of(compiling.oas, schema), style, explodes }, at.key("schema"))
            }
            (None, Some(content)) => {
                let Some((media_type, media)) = content.iter().next() else { return Ok(None) };
                let at = at.key("content").key(media_type.as_str());
                if !super::body::is_json(media_type) {
                    return Err((at, "`content` of a parameter is honoured as JSON alone".to_owned()));
                }
                if media.get("schema").is_none() {
                    return Ok(None);
                }
                (Form::Json, at.key("schema"))
            }
            (None, None) => return Ok(None),
        };
        let schema = compiling.schemas.compile(&schema_at)?;
        let (is_required, may_be_empty) = (is_on("required") || place == Place::Path, is_on("allowEmptyValue"));
        Ok(Some(Self { name: name.to_owned(), place, is_required, may_be_empty, form, schema }))
    }

    /// # Errors
    /// What is wrong with its value in a request.
    pub(super) fn check(&self, schemas: &CompiledSchemas, sources: &mut Sources<'_>) -> Result<(), String> {
        let told =
            |reason: String| format!("parameter \"{}\" in {} has an error: {reason}", self.name, self.place.as_str());
        match self.find(sources).map_err(told)? {
            Found::Nothing if self.is_required => Err(told("value is required but missing".to_owned())),
            Found::Empty if !self.may_be_empty => Err(told("empty value is not allowed".to_owned())),
            Found::Nothing | Found::Empty => Ok(()),
            Found::Values(values) => {
                let mut wrong = None;
                for value in &values {
                    match schemas.validate(self.schema, value) {
                        Ok(()) => return Ok(()),
                        Err(reason) => wrong = Some(reason),
                    }
                }
                wrong.map_or(Ok(()), |reason| Err(told(reason)))
            }
        }
    }

    fn find(&self, sources: &Sources<'_>) -> Result<Found, String> {
        let one = |value| Ok(Found::Values(vec![value]));
        match &self.form {
            Form::Json => match sources.text(self.place, &self.name).as_deref() {
                None => Ok(Found::Nothing),
                Some("") => Ok(Found::Empty),
                Some(text) => match serde_json::from_str(text) {
                    Ok(value) => one(value),
                    Err(error) => Err(format!("value {text}: an invalid JSON: {error}")),
                },
            },
            Form::Styled { target: Target::Map(kinds), style, explodes } => {
                let members = sources.members(self, *style, *explodes, kinds.keys().map(String::as_str))?;
                if members.is_empty() {
                    return Ok(Found::Nothing);
                }
                let members = members.iter().map(|(name, text)| (&**name, &**text));
                one(target::map(kinds, members)?)
            }
            Form::Styled { target: Target::List(kinds), style, explodes } => {
                let texts = sources.elements(self, *style, *explodes);
                match texts.as_slice() {
                    [] => Ok(Found::Nothing),
                    [only] if only.is_empty() => Ok(Found::Empty),
                    texts => one(target::list(kinds, texts.iter().map(|text| &**text))?),
                }
            }
            Form::Styled { target: Target::Plain(kinds), .. } => {
                match sources.text(self.place, &self.name).as_deref() {
                    None => Ok(Found::Nothing),
                    Some("") => Ok(Found::Empty),
                    Some(text) => kinds.read(text).map(Found::Values),
                }
            }
        }
    }
}

impl<'r> Sources<'r> {
    pub(super) fn new(request: &'r Request, path: &'r [(&'r str, String)]) -> Self {
        Self { request, path, query: OnceCell::new(), cookies: OnceCell::new() }
    }

    fn query(&self) -> &Pairs<'r> {
        let read = || form_urlencoded::parse(self.request.uri().query().unwrap_or_default().as_bytes()).collect();
        self.query.get_or_init(read)
    }

    fn cookies(&self) -> &Pairs<'r> {
        self.cookies.get_or_init(|| {
            let headers = self.request.headers().get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
            let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value.trim_matches('"')))).collect()
        })
    }

    /// The values that are given under a name, in their order. Several headers of one name are one.
    fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>> {
        let of = |pairs: &'_ Pairs<'r>| {
            let own = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone());
            own.collect::<Vec<_>>()
        };
        match place {
            Place::Path => {
                let own = self.path.iter().filter(|(other, _)| *other == name);
                own.map(|(_, value)| Cow::Borrowed(value.as_str())).collect()
            }
            Place::Query => of(self.query()),
            Place::Cookie => of(self.cookies()),
            Place::Header => {
                let values = self.request.headers().get_all(name).iter();
                let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
                if values.len() > 1 { vec![values.join(",").into()] } else { values }
            }
        }
    }

    fn text(&self, place: Place, name: &str) -> Option<Cow<'_, str>> {
        self.all(place, name).into_iter().next()
    }

    /// The elements of a list.
    fn elements(&self, of: &Parameter, style: Style, explodes: bool) -> Vec<Cow<'_, str>> {
        let all = self.all(of.place, &of.name);
        let divider = match style {
            Style::Spaces if !explodes => ' ',
            Style::Pipes if !explodes => '|',
            _ if of.place == Place::Query && explodes => return all,
            _ => ',',
        };
        let split = |text: &Cow<'_, str>| text.split(divider).map(|part| part.trim().to_owned().into()).collect();
        all.first().map(split).unwrap_or_default()
    }

    /// The members of an object, as far as they are there.
    fn members<'k>(
        &self,
        of: &Parameter,
        style: Style,
        explodes: bool,
        known: impl Iterator<Item = &'k str>,
    ) -> Result<Pairs<'_>, String> {
        let pairs = match of.place {
            Place::Cookie => self.cookies(),
            _ => self.query(),
        };
        if style == Style::Deep {
            let member =
                |name: &str| Some(name.strip_prefix(&of.name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
            let found = pairs.iter().filter_map(|(name, value)| Some((member(name)?.into(), value.clone())));
            return Ok(found.collect());
        }
        if style == Style::Form && explodes {
            let known: Vec<&str> = known.collect();
            return Ok(pairs.iter().filter(|(name, _)| known.contains(&&**name)).cloned().collect());
        }
        let Some(text) = self.text(of.place, &of.name) else { return Ok(Vec::new()) };
        let parts: Vec<&str> = text.split(',').collect();
        let owned = |(name, value): (&str, &str)| (name.to_owned().into(), value.to_owned().into());
        if explodes {
            let pairs = parts.iter().map(|part| part.split_once('=').map(owned));
            return pairs
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| format!("value {text}: it is no list of `name=value`"));
        }
        if parts.len() % 2 == 1 {
            return Err(format!("value {text}: it has a name without a value"));
        }
        Ok(parts.chunks_exact(2).map(|pair| owned((pair[0], pair[1]))).collect())
    }
}
