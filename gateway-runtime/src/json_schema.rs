//! JSON schemas: compiled when a definition is read, and what they find wrong told in the words of Tyk's library.
//!
//! Drafts 4, 6 and 7. Nothing is fetched for one: what it refers to is in it. A gateway without the feature `validate`
//! compiles none. Source: gateway.md §3.4, §5.11; gojsonschema.

pub(crate) mod document;
#[cfg(all(test, feature = "validate"))]
mod tests;
#[cfg(feature = "validate")]
mod told;

#[cfg(feature = "validate")]
use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value;

/// What to do about a gateway that has no schemas in it.
#[cfg(not(feature = "validate"))]
const NO_SCHEMAS: &str =
    "JSON schemas are not in this binary: build one that has them with `cargo xtask build --features validate`";

/// A name for the schema itself: what it refers to is found by it.
#[cfg(feature = "validate")]
const HERE: &str = "urn:gw:schema";

/// A schema.
pub(crate) struct JsonSchema {
    #[cfg(feature = "validate")]
    schemas: Schemas,
    #[cfg(feature = "validate")]
    root: SchemaIndex,
    #[cfg(not(feature = "validate"))]
    never: std::convert::Infallible,
}

#[cfg(not(feature = "validate"))]
impl JsonSchema {
    /// # Errors
    /// Always: there are no schemas in this binary.
    pub(crate) fn compile(_schema: &Value) -> Result<Self, String> {
        Err(NO_SCHEMAS.to_owned())
    }

    /// # Errors
    /// Never: there are no schemas in this binary.
    pub(crate) fn validate(&self, _value: &Value) -> Result<(), String> {
        match self.never {}
    }
}

#[cfg(feature = "validate")]
impl JsonSchema {
    /// A schema that does not say its draft is one of 7, or else of 4.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        match schema.get("$schema").map(|draft| draft.as_str().and_then(draft_of)) {
            Some(Some(draft)) => Self::of(schema, draft),
            Some(None) => Err("`$schema` is not that of draft 4, 6 or 7".to_owned()),
            None => Self::of(schema, Draft::V7).or_else(|error| Self::of(schema, Draft::V4).map_err(|_| error)),
        }
    }

    fn of(schema: &Value, draft: Draft) -> Result<Self, String> {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(draft);
        compiler.use_loader(Box::new(Nowhere));
        compiler.add_resource(HERE, schema.clone()).map_err(|error| in_a_line(&error))?;
        let mut schemas = Schemas::new();
        let root = compiler.compile(HERE, &mut schemas).map_err(|error| in_a_line(&error))?;
        Ok(Self { schemas, root })
    }

    /// # Errors
    /// What is wrong with the value: all of it, joined by `; `.
    pub(crate) fn validate(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.root).map_err(|error| {
            let mut mistakes = Vec::new();
            told::tell(&error, &mut mistakes);
            mistakes.join("; ")
        })
    }
}

/// Nothing outside of the schema is read.
#[cfg(feature = "validate")]
struct Nowhere;

#[cfg(feature = "validate")]
impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("`{url}` is not in the schema, and nothing is fetched").into())
    }
}

#[cfg(feature = "validate")]
fn draft_of(url: &str) -> Option<Draft> {
    let (_, path) = url.trim_end_matches('#').split_once("://json-schema.org/")?;
    match path {
        "draft-04/schema" => Some(Draft::V4),
        "draft-06/schema" => Some(Draft::V6),
        "draft-07/schema" | "schema" => Some(Draft::V7),
        _ => None,
    }
}

#[cfg(feature = "validate")]
fn in_a_line(error: &boon::CompileError) -> String {
    // The alternate form tells what is wrong with the schema itself.
    let told = format!("{error:#}");
    told.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
