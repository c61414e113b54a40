{%- assign name = project-name | upper_camel_case -%}
{%- case hook -%}
{%- when "pre" -%}
//! Answers `?ping=1` itself; every other request goes on.

use gateway_sdk::prelude::*;

/// Runs before everything else. What is returned here is the answer: the upstream is not called.
#[gw_plugin(hook = "pre", name = "{{name}}")]
fn answer_ping(req: &Request) -> Option<&'static str> {
    (req.query_param("ping")? == "1").then_some("pong")
}

#[cfg(test)]
mod tests {
    use gateway_sdk::{Hook, http, testing};

    #[test]
    fn a_ping_is_answered_here() {
        let plugin = testing::plugin("{{name}}").start();
        let done = plugin.call(Hook::Pre, http::Request::get("/get?ping=1").body("").expect("a request"));
        assert_eq!(done.text(), "pong");
    }

    #[test]
    fn other_requests_go_on() {
        let plugin = testing::plugin("{{name}}").start();
        let done = plugin.call(Hook::Pre, http::Request::get("/get").body("").expect("a request"));
        assert!(done.answer.is_none());
    }
}
{%- when "auth_check" -%}
//! Lets callers in who have a token that the API's definition lists.

use std::collections::HashMap;

use gateway_sdk::prelude::*;
use serde::Deserialize;

/// `config_data` of the API, read once, when the API loads.
#[derive(Debug, Deserialize)]
struct Settings {
    /// Who has which token: token → name of the caller.
    tokens: HashMap<String, String>,
}

/// Decides who the caller is. A refused caller gets 403, and the upstream is not called.
#[gw_plugin(hook = "auth_check", name = "{{name}}")]
fn check_token(req: &Request, cfg: &Config<Settings>) -> Result<Session, Reject> {
    let token = req.header("authorization").unwrap_or_default();
    let caller = cfg.tokens.get(token).ok_or(StatusCode::FORBIDDEN)?;
    Ok(Session::new().with_alias(caller).with_key_id(token))
}

#[cfg(test)]
mod tests {
    use gateway_sdk::testing::{self, Done};
    use gateway_sdk::{Hook, StatusCode, http};
    use serde_json::json;

    fn call(token: &str) -> Done {
        let plugin = testing::plugin("{{name}}").config(json!({ "tokens": { "abc": "alice" } })).start();
        plugin.call(Hook::AuthCheck, http::Request::get("/get").header("authorization", token).body("").expect("a request"))
    }

    #[test]
    fn a_known_token_makes_a_session() {
        let done = call("abc");
        assert!(done.answer.is_none());
        assert_eq!(done.session.expect("a session").alias, "alice");
    }

    #[test]
    fn any_other_token_is_refused() {
        assert_eq!(call("xyz").answer.expect("refused").status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn an_api_without_tokens_does_not_load() {
        assert!(testing::plugin("{{name}}").config(json!({})).try_start().is_err());
    }
}
{%- when "post_key_auth" -%}
//! Tells the upstream who the caller is.

use gateway_sdk::prelude::*;

/// Runs when it is known who the caller is: the session is the caller's.
#[gw_plugin(hook = "post_key_auth", name = "{{name}}")]
fn name_the_caller(req: &mut Request, session: &Session) {
    if let Ok(caller) = HeaderValue::from_str(&session.alias) {
        req.headers_mut().insert("x-caller", caller);
    }
}

#[cfg(test)]
mod tests {
    use gateway_sdk::testing::{self, Input};
    use gateway_sdk::{Hook, Session, http};

    #[test]
    fn the_upstream_reads_the_callers_name() {
        let plugin = testing::plugin("{{name}}").start();
        let request = http::Request::get("/get").body("").expect("a request");
        let session = Session::new().with_alias("alice");
        let done = plugin.call(Hook::PostKeyAuth, Input::new(request).session(session));
        assert!(done.answer.is_none());
        assert_eq!(done.request.header("x-caller"), Some("alice"));
    }
}
{%- when "post" -%}
//! Adds one header on the way to the upstream.

use gateway_sdk::prelude::*;

/// Runs last, just before the upstream.
#[gw_plugin(hook = "post", name = "{{name}}")]
fn add_header(req: &mut Request) {
    req.headers_mut().insert("x-plugin", HeaderValue::from_static("{{project-name}}"));
}

#[cfg(test)]
mod tests {
    use gateway_sdk::{Hook, http, testing};

    #[test]
    fn the_upstream_gets_the_header() {
        let plugin = testing::plugin("{{name}}").start();
        let done = plugin.call(Hook::Post, http::Request::get("/get").body("").expect("a request"));
        assert!(done.answer.is_none());
        assert_eq!(done.request.header("x-plugin"), Some("{{project-name}}"));
    }
}
{%- when "response" -%}
//! Adds one header on the way back to the client.

use gateway_sdk::prelude::*;

/// Runs when the upstream has answered.
#[gw_plugin(hook = "response", name = "{{name}}")]
fn add_header(res: &mut Response) {
    res.headers_mut().insert("x-plugin", HeaderValue::from_static("{{project-name}}"));
}

#[cfg(test)]
mod tests {
    use gateway_sdk::testing::{self, Input};
    use gateway_sdk::{Hook, Response, StatusCode, http};

    #[test]
    fn the_client_gets_the_header() {
        let plugin = testing::plugin("{{name}}").start();
        let request = http::Request::get("/get").body("").expect("a request");
        let done = plugin.call(Hook::Response, Input::new(request).response(Response::new(StatusCode::OK)));
        let response = done.response.expect("a response");
        assert_eq!(response.header("x-plugin"), Some("{{project-name}}"));
        assert_eq!(response.status(), StatusCode::OK);
    }
}
{%- when "endpoint" -%}
//! Answers one path of an API itself.

use gateway_sdk::prelude::*;
use serde::Serialize;

/// The answer.
#[derive(Debug, Serialize)]
struct Hello {
    hello: String,
}

/// Serves the path that the definition names in `extended_paths.go_plugin`.
#[gw_plugin(hook = "endpoint", name = "{{name}}")]
fn say_hello(req: &Request) -> Json<Hello> {
    let name = req.query_param("name").unwrap_or("world".into());
    Json(Hello { hello: name.into_owned() })
}

#[cfg(test)]
mod tests {
    use gateway_sdk::{Hook, http, testing};

    #[test]
    fn the_answer_says_hello() {
        let plugin = testing::plugin("{{name}}").start();
        let done = plugin.call(Hook::Endpoint, http::Request::get("/hello?name=gw").body("").expect("a request"));
        assert_eq!(done.text(), r#"{"hello":"gw"}"#);
    }
}
{%- when "analytics" -%}
//! Marks what is kept of each request, and keeps nothing of health checks.

use gateway_sdk::prelude::*;

/// Sees each record before it is kept, when the request is over. The gateway keeps records with `enable_analytics`.
#[gw_plugin(hook = "analytics", name = "{{name}}")]
fn mark_record(record: &mut AnalyticsRecord) -> Fate {
    record.tags.push("{{project-name}}".to_owned());
    if record.path == "/health" { Fate::Drop } else { Fate::Keep }
}

#[cfg(test)]
mod tests {
    use gateway_sdk::testing::{self, Input};
    use gateway_sdk::{AnalyticsRecord, Hook};

    fn kept(path: &str) -> Option<AnalyticsRecord> {
        let record = AnalyticsRecord { path: path.to_owned(), ..AnalyticsRecord::default() };
        testing::plugin("{{name}}").start().call(Hook::Analytics, Input::record(record)).record
    }

    #[test]
    fn a_record_is_marked() {
        assert_eq!(kept("/get").expect("it is kept").tags, ["{{project-name}}"]);
    }

    #[test]
    fn health_checks_leave_no_record() {
        assert!(kept("/health").is_none());
    }
}
{%- endcase %}
