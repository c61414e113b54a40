//! Where a client's credential is.

use serde::{Deserialize, Serialize};

/// The header of a credential when the definition names none. Source: Tyk, `gateway/middleware.go`.
const HEADER: &str = "Authorization";

/// Where one way of authentication finds the credential. Source: Tyk, `AuthConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct AuthConfig {
    /// A label; nothing depends on it.
    pub name: String,
    /// The header that carries the credential; empty means `Authorization`.
    pub auth_header_name: String,
    /// No header carries the credential.
    pub disable_header: bool,
    /// A query parameter may carry the credential.
    pub use_param: bool,
    /// The query parameter; empty means the name of the header. A name is enough to use it.
    pub param_name: String,
    /// A cookie may carry the credential.
    pub use_cookie: bool,
    /// The cookie; empty means the name of the header. A name is enough to use it.
    pub cookie_name: String,
    /// The client's certificate stands for the credential.
    pub use_certificate: bool,
    /// Who shows a token signs it too.
    pub validate_signature: bool,
    /// How.
    pub signature: TokenSignature,
}

/// How a token is signed: a digest of it, of a secret and of the time. Source: Tyk, `SignatureConfig` in
/// `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct TokenSignature {
    /// The digest: one of [`TOKEN_SIGNATURES`].
    pub algorithm: String,
    /// The header that carries the signature.
    pub header: String,
    /// A query parameter may carry it.
    pub use_param: bool,
    /// The query parameter; empty means the name of the header. A name is enough to use it.
    pub param_name: String,
    /// What only the gateway and its clients know; `$tyk_meta.NAME` in it is that value of the session.
    pub secret: String,
    /// How far the client's clock may be from the gateway's, in seconds.
    pub allowed_clock_skew: i64,
    /// The status of a refusal; 0 means 401.
    pub error_code: i64,
    /// Its words; empty means `Request signature verification failed`.
    pub error_message: String,
}

/// The digests that a token may be signed with.
pub const TOKEN_SIGNATURES: [&str; 2] = ["MasheryMD5", "MasherySHA256"];

/// The algorithms that a request may be signed with. Source: Tyk, `gateway/mw_http_signature_validation.go`.
pub const SIGNATURES: [&str; 5] = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512", "rsa-sha256"];

/// How names and passwords are asked for. Source: Tyk, `BasicAuth` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct BasicAuth {
    /// Every request has its password hashed.
    pub disable_caching: bool,
    /// How long a password is known that was right, in seconds; 0 means 60.
    pub cache_ttl: i64,
    /// A request without a header that says who is calling may do so in its body.
    pub extract_from_body: bool,
    /// Finds the name there: a regular expression, in whose first group it is.
    pub body_user_regexp: String,
    /// Finds the password there, in the same way.
    pub body_password_regexp: String,
}

/// Where a credential is that nothing is said of.
pub(crate) static UNSAID: AuthConfig = AuthConfig {
    name: String::new(),
    auth_header_name: String::new(),
    disable_header: false,
    use_param: false,
    param_name: String::new(),
    use_cookie: false,
    cookie_name: String::new(),
    use_certificate: false,
    validate_signature: false,
    signature: TokenSignature {
        algorithm: String::new(),
        header: String::new(),
        use_param: false,
        param_name: String::new(),
        secret: String::new(),
        allowed_clock_skew: 0,
        error_code: 0,
        error_message: String::new(),
    },
};

impl AuthConfig {
    /// The header that may carry the credential.
    pub fn header(&self) -> Option<&str> {
        (!self.disable_header).then(|| self.header_name())
    }

    /// The query parameter that may carry the credential.
    pub fn param(&self) -> Option<&str> {
        self.other(self.use_param, &self.param_name)
    }

    /// The cookie that may carry the credential.
    pub fn cookie(&self) -> Option<&str> {
        self.other(self.use_cookie, &self.cookie_name)
    }

    fn header_name(&self) -> &str {
        if self.auth_header_name.is_empty() { HEADER } else { &self.auth_header_name }
    }

    fn other<'a>(&'a self, is_used: bool, name: &'a str) -> Option<&'a str> {
        if name.is_empty() { is_used.then(|| self.header_name()) } else { Some(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_in_use_unless_it_is_disabled() {
        let auth = AuthConfig::default();
        assert_eq!((auth.header(), auth.param(), auth.cookie()), (Some("Authorization"), None, None));
        assert_eq!(AuthConfig { disable_header: true, ..auth }.header(), None);
    }

    #[test]
    fn a_parameter_and_a_cookie_are_in_use_by_flag_or_by_name() {
        let auth = AuthConfig { auth_header_name: "x-key".into(), ..AuthConfig::default() };
        let by_flag = AuthConfig { use_param: true, use_cookie: true, ..auth.clone() };
        assert_eq!((by_flag.param(), by_flag.cookie()), (Some("x-key"), Some("x-key")));
        let by_name = AuthConfig { param_name: "p".into(), cookie_name: "c".into(), ..auth };
        assert_eq!((by_name.param(), by_name.cookie()), (Some("p"), Some("c")));
    }
}
