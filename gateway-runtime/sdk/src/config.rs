//! [`Config`] and [`State`]: what a plugin gets once per API load.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::Deref;

use gateway_model::ApiDefinition;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A plugin's configuration, parsed once, when the API loads.
///
/// It is `config_data["<plugin name>"]` of the definition if there is such a member, else the whole `config_data`
/// (`{}` if there is none). `config_data_disabled` does not hide it from plugins. Source: Tyk, `ctx/ctx.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Config<T>(T);

impl<T> Config<T> {
    /// A configuration, for tests.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Config<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a free function keeps between calls: made by `T::default()` once per API, and kept while the API's definition
/// does not change. A plugin with a constructor is an `impl` block with `init` instead.
#[derive(Debug, Default)]
pub struct State<T>(T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Where a plugin's configuration stands in a definition.
#[derive(Debug)]
pub struct ConfigSource<'a> {
    path: &'a str,
    name: Option<&'a str>,
    value: Cow<'a, Value>,
}

impl<'a> ConfigSource<'a> {
    /// The configuration of the plugin `name` in `api`.
    #[must_use]
    pub fn of(api: &'a ApiDefinition, name: &'a str) -> Self {
        let path = "config_data";
        match &api.config_data {
            None => Self { path, name: None, value: Cow::Owned(Value::Object(serde_json::Map::new())) },
            Some(all) => match all.get(name) {
                Some(own) => Self { path, name: Some(name), value: Cow::Borrowed(own) },
                None => Self { path, name: None, value: Cow::Owned(Value::Object(all.clone())) },
            },
        }
    }

    /// It, as it stands there.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Parses it.
    ///
    /// # Errors
    /// When the JSON is not a `T`: the error says where in the definition.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Config<T>, ConfigError> {
        serde_path_to_error::deserialize(self.value.as_ref()).map(Config).map_err(|error| {
            let inner = error.path().to_string();
            let member = self.name.map(|name| {
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if plain { format!(".{name}") } else { format!("[{}]", Value::from(name)) }
            });
            let tail = match inner.as_str() {
                "." => String::new(),
                index if index.starts_with('[') => inner,
                _ => format!(".{inner}"),
            };
            let path = format!("{}{}{tail}", self.path, member.unwrap_or_default());
            ConfigError { path, reason: error.into_inner().to_string() }
        })
    }
}

/// A plugin's configuration is not what the plugin expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where in the definition, such as `config_data.Limits.per_minute`.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl Error for ConfigError {}
