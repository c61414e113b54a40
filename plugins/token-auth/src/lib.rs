//! Lets in whoever sends a known token in `Authorization`, and refuses everybody else with a bare 403.

#![forbid(unsafe_code)]

use gateway_sdk::http::header::AUTHORIZATION;
use gateway_sdk::prelude::*;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

/// The configuration: whom to let in. Without one, it is the holder of the token `abc`.
///
/// Fields of other plugins may stand beside `tokens`, since `config_data` may be shared.
#[derive(Deserialize)]
#[serde(default)]
struct Tokens {
    tokens: Vec<Token>,
}

/// One token, and whose it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    #[serde(deserialize_with = "not_empty")]
    token: String,
    #[serde(default)]
    alias: String,
    #[serde(default = "default_org")]
    org_id: String,
    /// For the plugins after this one.
    #[serde(default)]
    meta_data: Map<String, Value>,
}

impl Default for Tokens {
    fn default() -> Self {
        let abc = Token {
            token: "abc".to_owned(),
            alias: "abc-session".to_owned(),
            org_id: default_org(),
            meta_data: Map::new(),
        };
        Self { tokens: vec![abc] }
    }
}

impl Tokens {
    /// The entry of a token. Tokens of the same length are compared to their end, and none is left out: the time this
    /// takes does not tell how much of a guess was right.
    fn find(&self, given: &[u8]) -> Option<&Token> {
        let mut found = None;
        for known in &self.tokens {
            if known.token.as_bytes().ct_eq(given).into() {
                found = Some(known);
            }
        }
        found
    }
}

/// Lets in the tokens that the configuration lists.
#[gw_plugin(hook = "auth_check", name = "MyPluginAuthCheck")]
fn my_plugin_auth_check(req: &Request, config: &Config<Tokens>) -> Result<Session, Reject> {
    let refused = || Reject::new(StatusCode::FORBIDDEN);
    let given = req.headers().get(AUTHORIZATION).ok_or_else(|| refused().because("no token"))?;
    let known = config.find(given.as_bytes()).ok_or_else(|| refused().because("unknown token"))?;
    // `key_id` makes the session that of one token: without it, nobody could tell two callers apart.
    let session = Session::new().with_org_id(&known.org_id).with_alias(&known.alias).with_key_id(&known.token);
    let meta_data = known.meta_data.iter();
    Ok(meta_data.fold(session, |session, (key, value)| session.with_meta(key, value.clone())))
}

fn default_org() -> String {
    "default".to_owned()
}

/// An empty token would let in whoever sends an empty header.
fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let token = String::deserialize(deserializer)?;
    if token.is_empty() { Err(D::Error::custom("a token is not empty")) } else { Ok(token) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done};
    use gateway_sdk::{ApiDefinition, HeaderValue, Hook, StatusCode, http};
    use serde_json::{Value, json};

    fn call(config: Value, tokens: &[&[u8]]) -> Done {
        let mut request = http::Request::get("/get").body("").unwrap();
        for token in tokens {
            request.headers_mut().append("authorization", HeaderValue::from_bytes(token).unwrap());
        }
        testing::plugin("MyPluginAuthCheck").config(config).start().call(Hook::AuthCheck, request)
    }

    #[track_caller]
    fn refused(done: &Done, reason: &str) {
        let answer = done.answer.as_ref().expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(answer.body().is_empty(), "nothing but the status is sent");
        assert!(answer.headers().is_empty(), "nothing but the status is sent");
        assert_eq!(done.reason.as_deref(), Some(reason));
        assert!(done.session.is_none());
    }

    fn error_of(config: Value) -> String {
        let started = testing::plugin("MyPluginAuthCheck").config(config).try_start();
        started.expect_err("the configuration is refused").to_string()
    }

    #[test]
    fn abc_is_let_in_as_published() {
        let done = call(json!({}), &[b"abc"]);

        assert!(done.answer.is_none(), "the request goes on");
        let session = done.session.unwrap();
        assert_eq!(session.org_id, "default");
        assert_eq!(session.alias, "abc-session");
    }

    #[test]
    fn the_session_is_that_of_the_token() {
        let config = json!({"tokens": [{"token": "one", "alias": "1"}, {"token": "two", "alias": "2", "org_id": "x"}]});
        for (token, alias, org) in [("one", "1", "default"), ("two", "2", "x")] {
            let session = call(config.clone(), &[token.as_bytes()]).session.unwrap();
            assert_eq!((&*session.key_id, &*session.alias, &*session.org_id), (token, alias, org));
        }
    }

    #[test]
    fn another_token_is_refused_with_an_empty_body() {
        for token in [&b"xyz"[..], b"ab", b"abcd", b"ABC", b"Bearer abc", b"", b"\xe4bc", "abc\u{301}".as_bytes()] {
            refused(&call(json!({}), &[token]), "unknown token");
        }
    }

    #[test]
    fn a_request_without_a_token_is_refused() {
        refused(&call(json!({}), &[]), "no token");
    }

    #[test]
    fn the_first_of_several_headers_counts() {
        assert!(call(json!({}), &[b"abc", b"xyz"]).answer.is_none());
        refused(&call(json!({}), &[b"xyz", b"abc"]), "unknown token");
    }

    #[test]
    fn tokens_of_the_configuration_replace_the_published_one() {
        let config = json!({"MyPluginAuthCheck": {"tokens": [{"token": "gr\u{fc}n"}]}});
        assert!(call(config.clone(), &["gr\u{fc}n".as_bytes()]).answer.is_none());
        refused(&call(config, &[b"abc"]), "unknown token");
        refused(&call(json!({"tokens": []}), &[b"abc"]), "unknown token");
    }

    #[test]
    fn a_misspelt_token_does_not_start() {
        let error = error_of(json!({"MyPluginAuthCheck": {"tokens": [{"tokn": "abc"}]}}));
        assert!(error.starts_with("config_data.MyPluginAuthCheck.tokens[0]") && error.contains("`tokn`"), "{error}");
    }

    #[test]
    fn the_configuration_of_other_plugins_may_stand_beside() {
        assert!(call(json!({"my-context-data": "x"}), &[b"abc"]).answer.is_none());
    }

    #[test]
    fn the_session_carries_what_the_configuration_says_of_the_caller() {
        let token = json!({"token": "t", "alias": "ada", "meta_data": {"tyk_developer_id": "5f1"}});
        let session = call(json!({"tokens": [token]}), &[b"t"]).session.unwrap();
        assert_eq!((session.alias.as_str(), session.key_id.as_str()), ("ada", "t"));
        assert_eq!(session.meta_data["tyk_developer_id"], "5f1");
    }

    #[test]
    fn an_empty_token_does_not_start() {
        let error = error_of(json!({"tokens": [{"token": "a"}, {"token": ""}]}));
        assert_eq!(error, "config_data.tokens[1].token: a token is not empty");
    }

    #[test]
    fn the_definition_to_paste_lets_abc_in() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        assert!(api.custom_auth_enabled() && !api.use_keyless, "the hook runs");
        let plugin = testing::plugin(&api.custom_middleware.auth_check.name).api(api).start();
        let request = http::Request::get("/token-auth/get").header("authorization", "abc").body("").unwrap();
        assert_eq!(plugin.call(Hook::AuthCheck, request).session.unwrap().alias, "abc-session");
    }
}
