//! Where a client's credential is.

use serde::{Deserialize, Serialize};

/// Where one way of authentication finds the credential. Source: Tyk, `AuthConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct AuthConfig {
    /// A label; nothing depends on it.
    pub name: String,
    /// The header that carries the credential; empty means `Authorization`.
    pub auth_header_name: String,
}
