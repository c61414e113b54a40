//! Which pages of other origins may read what an API answers.

use serde::{Deserialize, Serialize};

/// Cross-origin requests. Source: Tyk, `CORSConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Cors {
    /// The gateway answers `OPTIONS`, and says in all answers which pages may read them.
    pub enable: bool,
    /// The origins of these pages, each with one `*` at most; empty, and `*`, is any.
    pub allowed_origins: Vec<String>,
    /// The methods that they may use; empty is `GET`, `POST`, `HEAD`.
    pub allowed_methods: Vec<String>,
    /// The headers that they may send, `*` is any; empty is `Accept`, `Content-Type`, `X-Requested-With`.
    pub allowed_headers: Vec<String>,
    /// The headers of answers that they may read.
    pub exposed_headers: Vec<String>,
    /// They may send cookies.
    pub allow_credentials: bool,
    /// How long a browser may keep an answer to what it asks beforehand, in seconds; below zero is not at all.
    pub max_age: i64,
    /// `OPTIONS` goes straight to the upstream, by everything that is in its way, even without `enable`.
    pub options_passthrough: bool,
    /// Kept: nothing more is written to the log.
    pub debug: bool,
}
