//! The functions of the Go plugin that existing gateways are tested with, for definitions that name its file
//! `goplugins.so`. Those that need OpenAPI definitions are not here.
//!
//! What each does is fixed, to the byte. Source: Tyk, `test/goplugins/test_goplugin.go`.

#![forbid(unsafe_code)]

mod analytics;

use gateway_sdk::prelude::*;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

const X_AUTH_RESULT: HeaderName = HeaderName::from_static("x-auth-result");
const X_BAR: HeaderName = HeaderName::from_static("x-bar");
const X_FOO: HeaderName = HeaderName::from_static("x-foo");
const X_INITIAL_URI: HeaderName = HeaderName::from_static("x-initial-uri");
const X_PLUGIN_DATA: HeaderName = HeaderName::from_static("x-plugin-data");
const X_RESPONSE_ADDED: HeaderName = HeaderName::from_static("x-response-added");
const X_SESSION_ALIAS: HeaderName = HeaderName::from_static("x-session-alias");

/// The configuration of `MyPluginPost` and `MyPluginResponse`.
#[derive(Deserialize)]
struct PluginData {
    /// What they put in `X-Plugin-Data`.
    #[serde(rename = "my-context-data", default = "null", deserialize_with = "header_or_null")]
    header: HeaderValue,
}

/// Tells the client the URI that it asked for; answers 500 if there is a session already.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginPre")]
fn my_plugin_pre(req: &Request, session: Option<&Session>, ctx: &Ctx) -> Result<(), StatusCode> {
    if session.is_some() {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let uri = req.uri().path_and_query().map_or(req.path(), |uri| uri.as_str());
    // A path may hold any byte above ASCII, and so may a header.
    if let Ok(uri) = HeaderValue::from_bytes(uri.as_bytes()) {
        ctx.append_response_header(X_INITIAL_URI, uri);
    }
    Ok(())
}

/// Lets in the token `abc` and saves its session; refuses everybody else, and says so.
#[gw_plugin(hook = "auth_check", name = "MyPluginAuthCheck")]
fn my_plugin_auth_check(req: &Request, ctx: &Ctx) -> Flow {
    let token = req.header("authorization").unwrap_or_default();
    if token != "abc" {
        ctx.append_response_header(X_AUTH_RESULT, HeaderValue::from_static("failed"));
        return Flow::respond((StatusCode::FORBIDDEN, "auth failed"));
    }
    ctx.append_response_header(X_AUTH_RESULT, HeaderValue::from_static("OK"));
    let session = Session::new().with_org_id("default").with_alias("abc-session").with_key_id(token);
    ctx.set_session(session, true);
    Flow::Continue
}

/// Tells the client the alias of its session; answers 500 if there is none.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginPostKeyAuth")]
fn my_plugin_post_key_auth(session: Option<&Session>, ctx: &Ctx) -> Result<(), StatusCode> {
    let Some(session) = session else {
        ctx.append_response_header(X_SESSION_ALIAS, HeaderValue::from_static("not found"));
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    };
    // An alias is any text: one with a line break in it cannot be told in a header.
    if let Ok(alias) = HeaderValue::from_bytes(session.alias.as_bytes()) {
        ctx.append_response_header(X_SESSION_ALIAS, alias);
    }
    Ok(())
}

/// Answers with a message, and with the configuration in a header.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginPost")]
fn my_plugin_post(config: &Config<PluginData>, ctx: &Ctx) -> Json<Value> {
    ctx.append_response_header(X_PLUGIN_DATA, config.header.clone());
    Json(json!({ "message": "post message" }))
}

/// Replaces the body of the response, and adds the configuration and a mark in headers.
#[gw_plugin(hook = "response", name = "MyPluginResponse")]
fn my_plugin_response(res: &mut Response, config: &Config<PluginData>) {
    res.headers_mut().append(X_RESPONSE_ADDED, HeaderValue::from_static("resp-added"));
    res.headers_mut().append(X_PLUGIN_DATA, config.header.clone());
    res.set_body(r#"{"message":"response injected message"}"#);
}

/// Adds `X-foo: foo` to the response.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginPerPathFoo")]
fn my_plugin_per_path_foo(ctx: &Ctx) {
    ctx.append_response_header(X_FOO, HeaderValue::from_static("foo"));
}

/// Adds `X-bar: bar` to the response.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginPerPathBar")]
fn my_plugin_per_path_bar(ctx: &Ctx) {
    ctx.append_response_header(X_BAR, HeaderValue::from_static("bar"));
}

/// Answers with something like the time.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginPerPathResp")]
fn my_plugin_per_path_resp() -> Json<Value> {
    Json(json!({ "current_time": "now" }))
}

/// Saves a session that is what its policy says.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginApplyingPolicy")]
fn my_plugin_applying_policy(ctx: &Ctx) {
    let session = Session { apply_policies: vec!["my-pol".to_owned()], ..Session::new() };
    ctx.set_session(session.with_key_id("my-key"), true);
}

/// Answers that it is a teapot.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "MyPluginReturningError")]
fn my_plugin_returning_error() -> Flow {
    Flow::respond((StatusCode::IM_A_TEAPOT, "I'm a teapot"))
}

/// Refuses, and says a word.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "RejectWithBody")]
fn reject_with_body() -> Flow {
    Flow::respond((StatusCode::FORBIDDEN, "hello"))
}

/// Refuses without a word.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "RejectWithoutBody")]
fn reject_without_body() -> Flow {
    Flow::respond(StatusCode::FORBIDDEN)
}

fn null() -> HeaderValue {
    HeaderValue::from_static("null")
}

/// A text that is not empty and can be a header; `null` stands for everything else.
fn header_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderValue, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let text = value.as_str().filter(|text| !text.is_empty());
    Ok(text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()).unwrap_or_else(null))
}

#[cfg(test)]
mod tests;
