//! The schemas of an OpenAPI document, each compiled once, wherever it is in the document and whatever it refers to in it.
//!
//! Those of OpenAPI 3.0 are made into ones of draft 7 first (`converted.rs`); those of 3.1 are of draft 2020-12. What is
//! wrong with a value is told in the words of kin-openapi (`worded.rs`). Source: gateway.md §4.5; OpenAPI 3.0.3, 3.1.0,
//! "Schema Object".

#[cfg(feature = "validate")]
mod converted;
#[cfg(all(test, feature = "validate"))]
mod tests;
#[cfg(feature = "validate")]
mod worded;

#[cfg(feature = "validate")]
use std::collections::BTreeSet;

#[cfg(feature = "validate")]
use boon::{CompileError, Compiler, Draft, Format, SchemaIndex, Schemas, UrlLoader, ValidationError};
use gateway_model::JsonPath;
#[cfg(feature = "validate")]
use gateway_model::Segment;
use serde_json::Value;

/// A name for the document: what is in it is found by that.
#[cfg(feature = "validate")]
const HERE: &str = "urn:gw:document";

/// The schemas of a document, while they are compiled.
pub(crate) struct DocumentSchemas {
    #[cfg(feature = "validate")]
    compiler: Compiler,
    #[cfg(feature = "validate")]
    compiled: CompiledSchemas,
    #[cfg(feature = "validate")]
    document: Value,
    #[cfg(feature = "validate")]
    looked_at: BTreeSet<JsonPath>,
    #[cfg(not(feature = "validate"))]
    never: std::convert::Infallible,
}

/// Those that values are validated against.
pub(crate) struct CompiledSchemas {
    #[cfg(feature = "validate")]
    schemas: Schemas,
    #[cfg(not(feature = "validate"))]
    never: std::convert::Infallible,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentSchema {
    #[cfg(feature = "validate")]
    index: SchemaIndex,
    #[cfg(not(feature = "validate"))]
    never: std::convert::Infallible,
}

#[cfg(not(feature = "validate"))]
impl DocumentSchemas {
    /// # Errors
    /// Always: there are no schemas in this binary.
    pub(crate) fn of(_document: &Value) -> Result<Self, String> {
        Err(super::NO_SCHEMAS.to_owned())
    }

    /// # Errors
    /// Never: there are no schemas in this binary.
    pub(crate) fn compile(&mut self, _place: &JsonPath) -> Result<DocumentSchema, (JsonPath, String)> {
        match self.never {}
    }

    pub(crate) fn finish(self) -> CompiledSchemas {
        match self.never {}
    }
}

#[cfg(not(feature = "validate"))]
impl CompiledSchemas {
    /// # Errors
    /// Never: there are no schemas in this binary.
    pub(crate) fn validate(&self, schema: DocumentSchema, _value: &Value) -> Result<(), String> {
        match (self.never, schema.never) {}
    }
}

#[cfg(feature = "validate")]
impl DocumentSchemas {
    /// # Errors
    /// When the document is of a kind whose schemas are not known.
    pub(crate) fn of(document: &Value) -> Result<Self, String> {
        let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
        let is_30 = version.starts_with("3.0");
        if let Some(dialect) = document.get("jsonSchemaDialect").filter(|_| !is_30)
            && dialect != "https://spec.openapis.org/oas/3.1/dialect/base"
            && dialect != "https://json-schema.org/draft/2020-12/schema"
        {
            return Err(format!("schemas of `jsonSchemaDialect` {dialect} are not honoured: leave it out"));
        }
        let mut compiler = Compiler::new();
        compiler.set_default_draft(if is_30 { Draft::V7 } else { Draft::V2020_12 });
        compiler.enable_format_assertions();
        compiler.use_loader(Box::new(Nowhere));
        compiler
            .register_format(Format { name: "int32", func: |value| is_whole(value, i32::MIN.into(), i32::MAX.into()) });
        compiler.register_format(Format { name: "int64", func: |value| is_whole(value, i64::MIN, i64::MAX) });
        let schemas = if is_30 { converted::converted(document) } else { document.clone() };
        compiler.add_resource(HERE, schemas).map_err(|error| super::in_a_line(&error))?;
        let compiled = CompiledSchemas { schemas: Schemas::new() };
        Ok(Self { compiler, compiled, document: document.clone(), looked_at: BTreeSet::new() })
    }

    /// The schema at a place of the document.
    ///
    /// # Errors
    /// Why it is none, and where.
    pub(crate) fn compile(&mut self, place: &JsonPath) -> Result<DocumentSchema, (JsonPath, String)> {
        if let Some(mistake) = self.mistake(place) {
            return Err(mistake);
        }
        let at = format!("{HERE}#{}", escaped(&pointer(place)));
        match self.compiler.compile(&at, &mut self.compiled.schemas) {
            Ok(index) => Ok(DocumentSchema { index }),
            Err(error) => {
                let found = place_of(&error).map(|pointer| walked(&self.document, &pointer));
                let place = found.filter(|found| !found.segments().is_empty()).unwrap_or_else(|| place.clone());
                Err((place, reason(&error)))
            }
        }
    }

    pub(crate) fn finish(self) -> CompiledSchemas {
        self.compiled
    }

    /// The first pattern within a schema that is none (boon takes one in a schema of 2020-12 for a mistake of its own),
    /// or reference that leads nowhere. What was looked at once is right.
    fn mistake(&mut self, place: &JsonPath) -> Option<(JsonPath, String)> {
        let mut places = vec![(place.clone(), 0_usize)];
        while let Some((place, depth)) = places.pop() {
            let Some(value) = at(&self.document, &place).filter(|_| depth < converted::DEEPEST) else { continue };
            if !self.looked_at.insert(place.clone()) {
                continue;
            }
            if let Some(pattern) = value.get("pattern").and_then(Value::as_str)
                && let Err(reason) = super::JsonSchema::compile(&serde_json::json!({"pattern": pattern}))
            {
                return Some((place.key("pattern"), reason));
            }
            if let Some(reference) = value.get("$ref").and_then(Value::as_str)
                && let Some(pointer) = reference.strip_prefix('#').map(unescaped)
                && pointer.starts_with('/')
            {
                if self.document.pointer(&pointer).is_none() {
                    let reason = format!(
                        "`{reference}` refers to nothing in this document, where all that is referred to has to be"
                    );
                    return Some((place.key("$ref"), reason));
                }
                places.push((walked(&self.document, &pointer), depth));
            }
            places.extend(converted::parts(value, &place).into_iter().map(|place| (place, depth + 1)));
        }
        None
    }
}

#[cfg(feature = "validate")]
impl CompiledSchemas {
    /// # Errors
    /// What is wrong with the value: the first that is, by its place.
    pub(crate) fn validate(&self, schema: DocumentSchema, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, schema.index).map_err(|error| worded::first(&error))
    }
}

/// Nothing outside of the document is read.
#[cfg(feature = "validate")]
struct Nowhere;

#[cfg(feature = "validate")]
impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("`{url}` is not in the document, and nothing is fetched").into())
    }
}

#[cfg(feature = "validate")]
fn is_whole(value: &Value, least: i64, most: i64) -> Result<(), Box<dyn std::error::Error>> {
    match value {
        Value::Number(number) if !number.as_i64().is_some_and(|number| (least..=most).contains(&number)) => {
            Err("it is too large, or no whole number".into())
        }
        _ => Ok(()),
    }
}

/// A path as a JSON pointer. Source: RFC 6901.
#[cfg(feature = "validate")]
fn pointer(place: &JsonPath) -> String {
    let segment = |segment: &Segment| match segment {
        Segment::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Index(index) => format!("/{index}"),
    };
    place.segments().iter().map(segment).collect()
}

/// A JSON pointer as the fragment of a URL.
#[cfg(feature = "validate")]
fn escaped(pointer: &str) -> String {
    percent_encoding::utf8_percent_encode(pointer, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(feature = "validate")]
fn unescaped(fragment: &str) -> String {
    percent_encoding::percent_decode_str(fragment).decode_utf8_lossy().into_owned()
}

#[cfg(feature = "validate")]
fn at<'d>(document: &'d Value, place: &JsonPath) -> Option<&'d Value> {
    document.pointer(&pointer(place))
}

/// The path of what a JSON pointer leads to, as far as it leads.
#[cfg(feature = "validate")]
fn walked(document: &Value, pointer: &str) -> JsonPath {
    let (mut place, mut here) = (JsonPath::default(), document);
    for token in pointer.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        let (next, inner) = match here {
            Value::Array(items) => match key.parse().ok().and_then(|index: usize| Some((index, items.get(index)?))) {
                Some((index, item)) => (place.index(index), item),
                None => break,
            },
            other => match other.get(&key) {
                Some(member) => (place.key(key), member),
                None => break,
            },
        };
        (place, here) = (next, inner);
    }
    place
}

/// A JSON pointer to what is wrong.
#[cfg(feature = "validate")]
fn place_of(error: &CompileError) -> Option<String> {
    let within = |url: &str| url.strip_prefix(HERE).map(|rest| unescaped(rest.trim_start_matches('#')));
    match error {
        CompileError::ValidationError { url, src } => {
            let innermost = innermost(src);
            Some(format!("{}{}", within(url)?, innermost.instance_location))
        }
        CompileError::InvalidRegex { url, .. } => within(url),
        _ => None,
    }
}

/// What a mistake comes down to.
#[cfg(feature = "validate")]
fn innermost<'e>(error: &'e ValidationError<'static, 'static>) -> &'e ValidationError<'static, 'static> {
    error.causes.first().map_or(error, innermost)
}

#[cfg(feature = "validate")]
fn reason(error: &CompileError) -> String {
    match error {
        CompileError::ValidationError { src, .. } => format!("it is no schema: {}", innermost(src).kind),
        other => super::in_a_line(other),
    }
}
