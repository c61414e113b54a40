//! Mistakes in how clients say who they are: passwords in bodies, signatures.

use super::{Check, path};
use crate::auth::{SIGNATURES, TOKEN_SIGNATURES, TokenSignature};
use crate::json_path::JsonPath;
use crate::nearest::nearest;

/// A signature is looked for in every second that the clocks may differ by, in both directions, which takes a while.
const LONGEST_SKEW_S: i64 = 600;
/// A password is known for no longer: ten years.
const LONGEST_KEPT_S: i64 = 10 * 365 * 24 * 60 * 60;

impl Check<'_> {
    pub(super) fn credentials(&mut self) {
        if self.api.use_keyless {
            return;
        }
        if self.api.use_basic_auth {
            self.basic_auth();
        }
        if self.api.enable_signature_checking {
            self.http_signature();
        }
        let source = self.api.token_source();
        if self.api.asks_for_token() && source.validate_signature {
            let is_newer = self.api.auth_configs.contains_key("authToken");
            let at =
                if is_newer { path(&["auth_configs", "authToken", "signature"]) } else { path(&["auth", "signature"]) };
            self.token_signature(&at, &source.signature);
        }
    }

    /// What no expression finds, nobody could say.
    fn basic_auth(&mut self) {
        let basic = &self.api.basic_auth;
        let at = path(&["basic_auth"]);
        if basic.cache_ttl < 0 {
            self.error(at.key("cache_ttl"), "is below 0; write seconds, or 0 for 60 of them");
        }
        if basic.cache_ttl > LONGEST_KEPT_S {
            let reason = format!("is over {LONGEST_KEPT_S}, which counts in its place; write seconds, such as 3600");
            self.warning(at.key("cache_ttl"), reason);
        }
        if !basic.extract_from_body {
            return;
        }
        for (field, what) in
            [("body_user_regexp", &basic.body_user_regexp), ("body_password_regexp", &basic.body_password_regexp)]
        {
            if what.is_empty() {
                let reason = "is empty; write an expression with one group, such as `<User>(.*)</User>`, or set \
                              `extract_from_body` to false";
                self.error(at.key(field), reason);
            }
        }
    }

    fn http_signature(&mut self) {
        for (index, name) in self.api.hmac_allowed_algorithms.iter().enumerate() {
            if !SIGNATURES.contains(&name.as_str()) {
                let at = path(&["hmac_allowed_algorithms"]).index(index);
                self.warning(at, format!("no request can be signed with it; {}", known(name, &SIGNATURES)));
            }
        }
    }

    fn token_signature(&mut self, at: &JsonPath, signature: &TokenSignature) {
        if !TOKEN_SIGNATURES.contains(&signature.algorithm.as_str()) {
            self.error(at.key("algorithm"), known(&signature.algorithm, &TOKEN_SIGNATURES));
        }
        if signature.header.is_empty() && signature.param_name.is_empty() {
            self.error(at.key("header"), "is empty, and `param_name` too; say where the signature is");
        }
        if signature.secret.is_empty() {
            self.error(at.key("secret"), "is empty; write what only the gateway and its clients know");
        }
        if !(0..=LONGEST_SKEW_S).contains(&signature.allowed_clock_skew) {
            let reason = format!("is not from 0 to {LONGEST_SKEW_S}; write seconds");
            self.error(at.key("allowed_clock_skew"), reason);
        }
        if signature.error_code != 0 && !(400..=599).contains(&signature.error_code) {
            self.error(at.key("error_code"), "is no status of an error; write one from 400 to 599, or 0 for 401");
        }
    }
}

/// What there is in place of a name that is not known.
fn known(name: &str, names: &'static [&'static str]) -> String {
    match nearest(name, names) {
        Some(nearest) => format!("`{name}` is not known; did you mean `{nearest}`?"),
        None => format!("`{name}` is not one of `{}`", names.join("`, `")),
    }
}
