//! How sets of public keys are fetched. Source: gateway.md §1.2.

use std::time::Duration;

use serde::Deserialize;

use super::Raw;
use super::remark::Remarks;
use crate::middleware::jwt::sets::LIFETIME;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawJwks {
    cache: RawCache,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
struct RawCache {
    /// In seconds.
    timeout: u64,
}

/// How they are fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeySetRules {
    /// How long a set is kept where its API does not say so.
    pub(crate) lifetime: Duration,
    /// Any certificate is taken for that of whoever publishes them.
    pub(crate) insecure: bool,
}

pub(super) fn settings(raw: &Raw, remarks: &mut Remarks<'_>) -> KeySetRules {
    let insecure = raw.jwt_ssl_insecure_skip_verify;
    if insecure {
        let reason = "anybody is taken for whoever publishes public keys, and could sign tokens: name the issuer of its \
                      certificate with `proxy_ssl_ca_file` instead";
        remarks.warning("jwt_ssl_insecure_skip_verify", reason);
    }
    let lifetime = match raw.jwks.cache.timeout {
        0 => LIFETIME,
        seconds => Duration::from_secs(seconds).min(super::LONGEST),
    };
    KeySetRules { lifetime, insecure }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn sets_are_kept_as_long_as_tyk_keeps_them_or_as_the_file_says() {
        let lifetime = |text: &str| config(text, &[]).key_sets.lifetime;
        assert_eq!(lifetime("{}"), LIFETIME);
        assert_eq!(lifetime(r#"{"jwks": {"cache": {"timeout": 7}}}"#), Duration::from_secs(7));
        assert_eq!(config("{}", &[("TYK_GW_JWKS_CACHE_TIMEOUT", "9")]).key_sets.lifetime, Duration::from_secs(9));
        assert!(config("{}", &[("TYK_GW_JWTSSLINSECURESKIPVERIFY", "true")]).key_sets.insecure);
    }
}
