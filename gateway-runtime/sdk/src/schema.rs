//! What is known of the type of a plugin's configuration: its name, and its JSON Schema if it has one.
//!
//! A type has one if it is `schemars::JsonSchema` and the feature `schemars` of this crate is on. The macro cannot ask
//! whether a type has a trait, so it calls a method that two traits have: the compiler takes [`Known`], which needs fewer
//! references, where it applies, and else [`Unknown`].

use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

/// One type that a plugin takes as its `Config<T>`.
pub struct ConfigType {
    /// The type as its author wrote it.
    pub name: &'static str,
    #[doc(hidden)]
    pub schema: fn() -> Option<Value>,
}

impl ConfigType {
    /// Its JSON Schema, if it has one.
    #[must_use]
    pub fn schema(&self) -> Option<Value> {
        (self.schema)()
    }
}

impl fmt::Debug for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigType").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The schema of a `T`, for the macro.
#[doc(hidden)]
pub struct SchemaOf<T>(PhantomData<T>);

impl<T> SchemaOf<T> {
    /// Asks for it.
    #[must_use]
    pub const fn ask() -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for SchemaOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchemaOf")
    }
}

/// A type with a schema.
#[doc(hidden)]
pub trait Known {
    fn schema(&self) -> Option<Value>;
}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema> Known for SchemaOf<T> {
    fn schema(&self) -> Option<Value> {
        Some(schemars::schema_for!(T).to_value())
    }
}

/// Any other.
#[doc(hidden)]
pub trait Unknown {
    fn schema(&self) -> Option<Value> {
        None
    }
}

impl<T> Unknown for &SchemaOf<T> {}
