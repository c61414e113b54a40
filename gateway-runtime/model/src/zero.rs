//! Zero values as Go has them: `null` reads as one, and none is written.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the zero value, as Go's JSON does.
pub(crate) fn or_zero<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Whether a value is its type's zero value, and is left out of the output.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
