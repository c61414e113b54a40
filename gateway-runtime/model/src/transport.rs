//! How an API's requests travel to its upstream: TLS, and a proxy on the way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `proxy.transport`. Source: Tyk, `ProxyConfig.Transport` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Transport {
    /// Takes any certificate for the upstream's.
    pub ssl_insecure_skip_verify: bool,
    /// Cipher suites for TLS 1.2 by their names; empty for all.
    pub ssl_ciphers: Vec<String>,
    /// The lowest version, as TLS numbers it: [`tls_version`] reads it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub ssl_min_version: Value,
    /// The highest version, as TLS numbers it: any number means TLS 1.2. Source: Tyk, `gateway/api_loader.go`.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub ssl_max_version: Value,
    /// The upstream's name must be the common name of its certificate.
    pub ssl_force_common_name_check: bool,
    /// A proxy that requests go through, as `http://host[:port]`; empty for none.
    pub proxy_url: String,
}

/// A version of TLS as its number says it (771 is TLS 1.2, 772 is TLS 1.3); `None` for absent or zero.
///
/// # Errors
/// When it is no such number.
pub fn tls_version(value: &Value) -> Result<Option<u16>, String> {
    match value {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(0) => Ok(None),
            Some(number @ 769..=772) => Ok(u16::try_from(number).ok()),
            _ => Err(format!("`{value}` is no version of TLS: write 771 for TLS 1.2, or 772 for TLS 1.3")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_numbers_that_tls_gives_them() {
        assert_eq!(tls_version(&Value::Null), Ok(None));
        assert_eq!(tls_version(&Value::from(0)), Ok(None));
        assert_eq!(tls_version(&Value::from(772)), Ok(Some(772)));
        for wrong in [Value::from(1.2), Value::from("771"), Value::from(773), Value::from(-1)] {
            assert!(tls_version(&wrong).is_err(), "{wrong}");
        }
    }
}
