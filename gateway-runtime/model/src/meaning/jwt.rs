//! What an API says of JSON web tokens, where that has no effect or cannot be honoured. What is in `jwt_source` is looked
//! at by who verifies with it.

use super::{Check, path};
use crate::jwt::SIGNING_METHODS;
use crate::nearest::nearest;

impl Check<'_> {
    pub(super) fn jwt(&mut self) {
        if !self.api.enable_jwt || self.api.use_keyless {
            return;
        }
        self.signing_method();
        for (index, uri) in self.api.jwt_jwks_uris.iter().enumerate() {
            let at = path(&["jwt_jwks_uris"]).index(index);
            if uri.cache_timeout < 0 {
                self.error(at.key("cache_timeout"), "is negative; write seconds, or 0 for what the gateway says");
            }
        }
        if !self.api.jwt_jwks_uris.is_empty() && !self.api.jwt_source.is_empty() {
            self.warning(path(&["jwt_source"]), "has no effect: `jwt_jwks_uris` comes first");
        }
        let skews = [
            ("jwt_issued_at_validation_skew", self.api.jwt_issued_at_validation_skew),
            ("jwt_expires_at_validation_skew", self.api.jwt_expires_at_validation_skew),
            ("jwt_not_before_validation_skew", self.api.jwt_not_before_validation_skew),
        ];
        for (field, _) in skews.into_iter().filter(|(_, skew)| *skew < 0) {
            self.error(path(&[field]), "is negative; write seconds, or 0 for none");
        }
        self.policies_of_tokens();
    }

    fn signing_method(&mut self) {
        let method = self.api.jwt_signing_method.as_str();
        let at = path(&["jwt_signing_method"]);
        if method.is_empty() {
            self.warning(at, "is empty: tokens have to be signed by a shared secret, as if it were `hmac`");
        } else if !SIGNING_METHODS.contains(&method) {
            let hint = match nearest(method, &SIGNING_METHODS) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("methods are `{}`", SIGNING_METHODS.join("`, `")),
            };
            self.error(at, format!("unknown signing method `{method}`; {hint}"));
        }
    }

    /// Tokens that name no key have a session by their policies alone.
    fn policies_of_tokens(&mut self) {
        let api = self.api;
        let named = [&api.jwt_policy_field_name, &api.jwt_client_base_field].iter().any(|field| !field.is_empty());
        let (_, scopes) = api.jwt_scopes();
        if api.jwt_is_central() && !named && api.jwt_default_policies.is_empty() && scopes.is_empty() {
            let reason = "no token has a policy, so that every one is refused: name the claim with \
                          `jwt_policy_field_name`, or policies with `jwt_default_policies`";
            self.warning(path(&["enable_jwt"]), reason);
        }
    }
}
