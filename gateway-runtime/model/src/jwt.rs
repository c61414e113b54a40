//! What an API says of JSON web tokens. Source: gateway.md §3.5; Tyk, `apidef/api_definitions.go`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api_definition::ApiDefinition;
use crate::auth::AuthConfig;

/// What tokens are signed by.
pub const SIGNING_METHODS: [&str; 3] = ["hmac", "rsa", "ecdsa"];

/// Where a set of public keys is. Source: Tyk, `JWK` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct JwksUri {
    /// The URL of the set.
    pub url: String,
    /// How long the set is kept, in seconds; zero is what the gateway's configuration says.
    pub cache_timeout: i64,
}

/// What the scopes of a token stand for, by way of authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Scopes {
    /// Of JSON web tokens.
    pub jwt: ScopeClaim,
}

/// Which policies scopes stand for. Source: Tyk, `ScopeClaim` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ScopeClaim {
    /// The claim that lists them; empty is `scope`. Dots lead into objects.
    pub scope_claim_name: String,
    /// The policy that a scope stands for.
    pub scope_to_policy: BTreeMap<String, String>,
}

impl ApiDefinition {
    /// Where a JSON web token is: `auth_configs.jwt`, else `auth`. Source: Tyk, `gateway/middleware.go`.
    pub fn jwt_place(&self) -> &AuthConfig {
        self.auth_configs.get("jwt").unwrap_or(&self.auth)
    }

    /// Whether all tokens are verified by keys that the definition names, and not each by that of a key of its own.
    pub fn jwt_is_central(&self) -> bool {
        !self.jwt_source.is_empty() || !self.jwt_jwks_uris.is_empty()
    }

    /// The claim that lists scopes, and the policies that they stand for. The older fields count without the newer ones.
    pub fn jwt_scopes(&self) -> (&str, &BTreeMap<String, String>) {
        let newer = &self.scopes.jwt;
        let (name, policies) = if *newer == ScopeClaim::default() {
            (&self.jwt_scope_claim_name, &self.jwt_scope_to_policy_mapping)
        } else {
            (&newer.scope_claim_name, &newer.scope_to_policy)
        };
        (if name.is_empty() { "scope" } else { name }, policies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_scopes_win_over_the_older_ones() {
        let older = ApiDefinition {
            jwt_scope_claim_name: "scp".into(),
            jwt_scope_to_policy_mapping: [("read".to_owned(), "old".to_owned())].into(),
            ..ApiDefinition::default()
        };
        let (name, policies) = older.jwt_scopes();
        assert_eq!((name, policies["read"].as_str()), ("scp", "old"));
        let scope_to_policy = [("read".to_owned(), "new".to_owned())].into();
        let jwt = ScopeClaim { scope_to_policy, ..ScopeClaim::default() };
        let newer = ApiDefinition { scopes: Scopes { jwt }, ..older };
        let (name, policies) = newer.jwt_scopes();
        assert_eq!((name, policies["read"].as_str()), ("scope", "new"));
    }

    #[test]
    fn a_token_has_a_place_of_its_own_or_the_one_of_all() {
        let header = |name: &str| AuthConfig { auth_header_name: name.into(), ..AuthConfig::default() };
        let mut api = ApiDefinition { auth: header("x-all"), ..ApiDefinition::default() };
        assert_eq!(api.jwt_place().header(), Some("x-all"));
        api.auth_configs.insert("jwt".into(), header("x-jwt"));
        assert_eq!(api.jwt_place().header(), Some("x-jwt"));
    }
}
