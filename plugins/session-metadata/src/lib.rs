//! Logs which developer a key belongs to: how a plugin reads the session.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use gateway_sdk::prelude::*;

/// Logs the developer's identifier and e-mail address, as the session's `meta_data` has them.
#[gw_plugin(hook = ["post_key_auth", "post", "endpoint"], name = "MyPluginFunction")]
fn my_plugin_function(session: Option<&Session>, ctx: &Ctx) {
    ctx.info(format_args!("Developer ID: {}", meta(session, "tyk_developer_id")));
    ctx.info(format_args!("Developer Email: {}", meta(session, "tyk_developer_email")));
}

/// A value of the session's `meta_data`: text as it is, anything else as JSON.
fn meta<'a>(session: Option<&'a Session>, key: &str) -> Cow<'a, str> {
    match session.and_then(|session| session.meta_data.get(key)) {
        None => "unknown".into(),
        Some(value) => value.as_str().map_or_else(|| value.to_string().into(), Cow::from),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done, Input};
    use gateway_sdk::{ApiDefinition, Hook, Session, http};
    use serde_json::{Value, json};

    fn request() -> Input {
        Input::new(http::Request::get("/get").body("").unwrap())
    }

    fn call(input: Input) -> Done {
        testing::plugin("MyPluginFunction").start().call(Hook::PostKeyAuth, input)
    }

    #[track_caller]
    fn logs(input: Input, id: &str, email: &str) {
        let done = call(input);
        assert!(done.answer.is_none(), "the request goes on");
        let expected = format!("info: developer id: {id}\ninfo: developer email: {email}");
        assert_eq!(done.log.join("\n").to_lowercase(), expected);
    }

    fn session(id: impl Into<Value>, email: impl Into<Value>) -> Session {
        Session::new().with_meta("tyk_developer_id", id).with_meta("tyk_developer_email", email)
    }

    #[test]
    fn the_developer_is_logged() {
        logs(request().session(session("5f1", "dev@example.com")), "5f1", "dev@example.com");
    }

    #[test]
    fn a_session_without_a_developer_is_logged_as_unknown() {
        logs(request().session(Session::new()), "unknown", "unknown");
    }

    #[test]
    fn a_request_without_a_session_is_logged_as_unknown() {
        logs(request(), "unknown", "unknown");
    }

    #[test]
    fn values_that_are_not_text_are_logged_as_json() {
        logs(request().session(session(17, json!(["a", null]))), "17", r#"["a",null]"#);
        logs(request().session(session("", "dév@example.com")), "", "dév@example.com");
    }

    #[test]
    fn the_session_stays_as_it_was() {
        let before = session("5f1", "dev@example.com");
        assert_eq!(call(request().session(before.clone())).session, Some(before));
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        assert!(!api.use_keyless, "`post_key_auth` runs");
        let plugin = testing::plugin(&api.custom_middleware.post_key_auth[0].name).api(api).start();
        assert_eq!(plugin.call(Hook::PostKeyAuth, request()).log.len(), 2);
    }
}
