//! What the macro's expansion asks of a plugin's own types, said in plain words where a type does not have it.
//!
//! Each trait is had by every type with the standard one behind it; that rustc names ours is what they are for.

use serde::de::DeserializeOwned;

use crate::config::{Config, ConfigError, ConfigSource, State};

/// The `T` of `Config<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an API definition",
    label = "is not `Deserialize`",
    note = "put `#[derive(Deserialize)]` on it, with `use serde::Deserialize;`; the types of its fields need the same"
)]
pub trait FromConfigData: Sized {
    /// Parses a plugin's configuration.
    ///
    /// # Errors
    /// As [`ConfigSource::parse`].
    fn parse(source: &ConfigSource<'_>) -> Result<Config<Self>, ConfigError>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromConfigData for T {
    fn parse(source: &ConfigSource<'_>) -> Result<Config<Self>, ConfigError> {
        source.parse()
    }
}

/// The `T` of `State<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made when an API loads",
    label = "has no `Default`",
    note = "put `#[derive(Default)]` on it; a state that needs more to be made is an `impl` block with `init`"
)]
pub trait DefaultState: Sized {
    /// The state that a plugin starts with.
    fn make() -> State<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultState for T {
    fn make() -> State<Self> {
        State::default()
    }
}

/// The type of an `impl` block without `init`.
#[diagnostic::on_unimplemented(
    message = "the gateway does not know how to make a `{Self}`",
    label = "has neither `init` nor `Default`",
    note = "write `fn init() -> Self` in the block, or put `#[derive(Default)]` on the type"
)]
pub trait DefaultPlugin: Sized {
    /// The plugin.
    fn make() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultPlugin for T {
    fn make() -> Self {
        Self::default()
    }
}
