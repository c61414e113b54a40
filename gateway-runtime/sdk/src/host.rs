//! [`Host`] and [`Store`]: what a plugin may ask of the gateway. The runtime implements them; tests have a stand-in.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::exchange::BoxFuture;
use crate::message::{Request, Response};
use crate::registry::Plugin;

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever develops the plugin.
    Debug,
    /// For whoever operates the gateway.
    Info,
    /// Something to look at.
    Warn,
    /// Something is broken.
    Error,
}

/// One line that a plugin writes to the gateway's log.
#[derive(Debug)]
pub struct LogRecord<'a> {
    /// How much it matters.
    pub level: Level,
    /// Which plugin writes.
    pub plugin: Option<&'static Plugin>,
    /// For which API.
    pub api_id: &'a str,
    /// In which request; `None` while the API loads.
    pub request_id: Option<&'a str>,
    /// What it says.
    pub message: fmt::Arguments<'a>,
}

/// The gateway, as a plugin sees it.
pub trait Host: Send + Sync + 'static {
    /// Whether lines of this level are written at all.
    fn logs(&self, level: Level) -> bool;

    /// Writes one line.
    fn log(&self, record: &LogRecord<'_>);

    /// Sends a request to any server and gives its response; `timeout` bounds connecting and waiting for the head.
    fn fetch(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, FetchError>>;

    /// The key-value store.
    fn store(&self) -> &dyn Store;
}

/// A small key-value store, shared by all plugins and APIs of a gateway. Each plugin crate has keys of its own.
pub trait Store: Send + Sync {
    /// The value under `key`.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Puts `value` under `key`, for `ttl` or for good.
    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Adds `by` to the number under `key` (0 if there is none) and gives the sum. `ttl` counts from the first.
    fn increment<'a>(&'a self, key: &'a str, by: i64, ttl: Option<Duration>) -> BoxFuture<'a, Result<i64, StoreError>>;

    /// Removes `key`.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Why a [`Host::fetch`] gave no response.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The URI has no host, or a scheme that the gateway does not speak.
    Uri(String),
    /// No response in time.
    Timeout(Duration),
    /// The server could not be reached, or broke off.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(reason) => f.write_str(reason),
            Self::Timeout(after) => write!(f, "no response within {after:?}"),
            Self::Failed(_) => f.write_str("the server could not be reached"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(source) => Some(source.as_ref()),
            Self::Uri(_) | Self::Timeout(_) => None,
        }
    }
}

/// Why the store gave no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The value under the key is not a number.
    NotANumber,
    /// The store holds as much as it may.
    Full,
    /// The engine behind the store failed.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "the value is not a number",
            Self::Full => "the store is full",
            Self::Failed(_) => "the store failed",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(source) => Some(source.as_ref()),
            Self::NotANumber | Self::Full => None,
        }
    }
}
