//! What a plugin may return, and what that means.

use std::error::Error;
use std::ops::ControlFlow;

use gateway_sdk::prelude::*;
use gateway_sdk::testing::{self, Done, Input};
use gateway_sdk::{Hook, IntoResponse};

use crate::get;

type AnyError = Box<dyn Error + Send + Sync>;

/// Plugins of one hook that return something each.
macro_rules! returning {
    ($hook:literal: $($name:ident -> $type:ty = $value:expr;)+) => {$(
        #[gw_plugin(hook = $hook)]
        #[allow(clippy::result_large_err, reason = "some return a response as an error")]
        fn $name() -> $type { $value }
    )+};
}

returning! { "post":
    unit -> () = ();
    response -> Response = Response::new(StatusCode::IM_A_TEAPOT);
    status -> StatusCode = StatusCode::IM_A_TEAPOT;
    json -> Json<[u8; 2]> = Json([1, 2]);
    text -> &'static str = "text";
    string -> String = "text".to_owned();
    bytes -> Bytes = Bytes::from_static(b"text");
    vec -> Vec<u8> = b"text".to_vec();
    status_and_json -> (StatusCode, Json<u8>) = (StatusCode::IM_A_TEAPOT, Json(1));
    flow_on -> Flow = Flow::Continue;
    flow_answer -> Flow = Flow::respond((StatusCode::IM_A_TEAPOT, "text"));
    option_none -> Option<Response> = None;
    option_some -> Option<StatusCode> = Some(StatusCode::IM_A_TEAPOT);
    control_on -> ControlFlow<Response> = ControlFlow::Continue(());
    control_answer -> ControlFlow<Response> = ControlFlow::Break(Response::new(StatusCode::IM_A_TEAPOT));
    ok_unit -> Result<(), Reject> = Ok(());
    ok_flow -> Result<Flow, Reject> = Ok(Flow::respond(StatusCode::IM_A_TEAPOT));
    err_reject -> Result<(), Reject> = Err(Reject::error(StatusCode::FORBIDDEN, "no").because("why"));
    err_status -> Result<(), StatusCode> = Err(StatusCode::FORBIDDEN);
    err_response -> Result<Option<Response>, Response> = Err("no".into_response());
    err_any -> Result<(), AnyError> = Err("secret".into());
    opaque -> impl IntoResponse = StatusCode::IM_A_TEAPOT;
}

fn call(name: &str, hook: Hook) -> Done {
    testing::plugin(name).start().call(hook, get())
}

#[test]
fn a_request_hook_goes_on() {
    for name in ["unit", "flow_on", "option_none", "control_on", "ok_unit"] {
        assert!(call(name, Hook::Post).answer.is_none(), "{name}");
    }
}

#[test]
fn a_request_hook_answers() {
    let check = |name: &str, status: StatusCode, media_type: Option<&str>, text: &str| {
        let done = call(name, Hook::Post);
        let answer = done.answer.as_ref().expect(name);
        assert_eq!(answer.status(), status, "{name}");
        assert_eq!(answer.header("content-type"), media_type, "{name}");
        assert_eq!(done.text(), text, "{name}");
        assert_eq!(done.reason, None, "{name}");
    };
    let (ok, teapot) = (StatusCode::OK, StatusCode::IM_A_TEAPOT);
    let plain = Some("text/plain; charset=utf-8");
    let binary = Some("application/octet-stream");
    check("response", teapot, None, "");
    check("status", teapot, None, "");
    check("json", ok, Some("application/json"), "[1,2]");
    check("text", ok, plain, "text");
    check("string", ok, plain, "text");
    check("bytes", ok, binary, "text");
    check("vec", ok, binary, "text");
    check("status_and_json", teapot, Some("application/json"), "1");
    check("flow_answer", teapot, plain, "text");
    check("option_some", teapot, None, "");
    check("control_answer", teapot, None, "");
    check("ok_flow", teapot, None, "");
    check("opaque", teapot, None, "");
}

#[test]
fn an_error_refuses_and_the_client_reads_no_reason() {
    let check = |name: &str, status: StatusCode, text: &str, reason: Option<&str>| {
        let done = call(name, Hook::Post);
        assert_eq!(done.answer.as_ref().expect(name).status(), status, "{name}");
        assert_eq!(done.text(), text, "{name}");
        assert_eq!(done.reason.as_deref(), reason, "{name}");
    };
    let forbidden = StatusCode::FORBIDDEN;
    check("err_reject", forbidden, r#"{"error":"no"}"#, Some("why"));
    check("err_status", forbidden, "", None);
    check("err_response", StatusCode::OK, "no", None);
    let internal = r#"{"error":"Internal Server Error"}"#;
    check("err_any", StatusCode::INTERNAL_SERVER_ERROR, internal, Some("secret"));
}

#[gw_plugin(hook = "post")]
async fn question_mark(req: &mut Request) -> Result<(), Reject> {
    req.body_bytes(3).await?;
    Ok(())
}

#[test]
fn a_body_above_the_limit_is_a_413() {
    let mut request = get();
    request.set_body("four");
    let done = testing::plugin("question_mark").start().call(Hook::Post, request);
    assert_eq!(done.answer.as_ref().expect("refused").status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(done.text(), r#"{"error":"Request Entity Too Large"}"#);
    assert_eq!(done.reason.as_deref(), Some("the body is larger than 3 bytes"));
}

fn ada() -> Session {
    Session { alias: "ada".to_owned(), ..Session::default() }
}

returning! { "auth_check":
    auth_session -> Session = ada();
    auth_option_some -> Option<Session> = Some(ada());
    auth_option_none -> Option<Session> = None;
    auth_flow_on -> Flow = Flow::Continue;
    auth_flow_answer -> Flow = Flow::respond(StatusCode::IM_A_TEAPOT);
    auth_ok -> Result<Session, Reject> = Ok(ada());
    auth_ok_none -> Result<Option<Session>, Reject> = Ok(None);
    auth_err -> Result<Session, Reject> = Err(Reject::new(StatusCode::UNAUTHORIZED).because("expired"));
}

#[test]
fn an_auth_check_says_who_the_caller_is() {
    for name in ["auth_session", "auth_option_some", "auth_ok"] {
        let done = call(name, Hook::AuthCheck);
        assert!(done.answer.is_none(), "{name}");
        assert_eq!(done.session.expect(name), ada());
    }
}

#[test]
fn an_auth_check_that_knows_nobody_sets_no_session() {
    for name in ["auth_option_none", "auth_flow_on", "auth_ok_none"] {
        let done = call(name, Hook::AuthCheck);
        assert!(done.answer.is_none() && done.session.is_none(), "{name}");
    }
}

#[test]
fn an_auth_check_refuses_or_answers() {
    let refused = call("auth_err", Hook::AuthCheck);
    assert_eq!(refused.answer.expect("refused").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.reason.as_deref(), Some("expired"));
    assert!(refused.session.is_none());

    let answered = call("auth_flow_answer", Hook::AuthCheck);
    assert_eq!(answered.answer.expect("answered").status(), StatusCode::IM_A_TEAPOT);
}

returning! { "response":
    response_unit -> () = ();
    response_flow_on -> Flow = Flow::Continue;
    response_ok -> Result<(), Reject> = Ok(());
    response_other -> Response = Response::new(StatusCode::IM_A_TEAPOT);
    response_flow -> Flow = Flow::respond(StatusCode::IM_A_TEAPOT);
    response_ok_other -> Result<Response, Reject> = Ok(Response::new(StatusCode::IM_A_TEAPOT));
    response_err -> Result<(), Reject> = Err(Reject::new(StatusCode::BAD_GATEWAY).because("odd"));
}

#[test]
fn a_response_hook_leaves_or_replaces_the_response() {
    let call = |name: &str| {
        let input = Input::new(get()).response(Response::new(StatusCode::CREATED));
        testing::plugin(name).start().call(Hook::Response, input)
    };
    for name in ["response_unit", "response_flow_on", "response_ok"] {
        let done = call(name);
        assert!(done.answer.is_none(), "{name}");
        assert_eq!(done.response.expect(name).status(), StatusCode::CREATED);
    }
    for name in ["response_other", "response_flow", "response_ok_other"] {
        assert_eq!(call(name).answer.expect(name).status(), StatusCode::IM_A_TEAPOT);
    }
    let refused = call("response_err");
    assert_eq!(refused.answer.expect("refused").status(), StatusCode::BAD_GATEWAY);
    assert_eq!(refused.reason.as_deref(), Some("odd"));
}

/// An error of a plugin's own.
enum Closed {
    Sundays,
}

impl From<Closed> for Reject {
    fn from(Closed::Sundays: Closed) -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, "closed on Sundays")
    }
}

#[gw_plugin(hook = "post")]
fn own_error() -> Result<StatusCode, Closed> {
    Err(Closed::Sundays)
}

#[test]
fn an_own_error_converts_into_a_reject() {
    let done = call("own_error", Hook::Post);
    assert_eq!(done.text(), r#"{"error":"closed on Sundays"}"#);
}

#[test]
fn a_reject_keeps_its_headers_whatever_it_answers() {
    let name = HeaderName::from_static("retry-after");
    for reject in [Reject::new(StatusCode::FORBIDDEN), Reject::error(StatusCode::FORBIDDEN, "no")] {
        let reject = reject.with_header(name.clone(), HeaderValue::from_static("5"));
        assert_eq!(reject.status(), StatusCode::FORBIDDEN);
        let head = match reject.into_answer() {
            gateway_sdk::flow::Answer::Own(head) | gateway_sdk::flow::Answer::Gateway { head, .. } => head,
        };
        assert_eq!(head.header("retry-after"), Some("5"));
    }
}

#[test]
fn what_cannot_be_json_is_a_500() {
    let odd = std::collections::HashMap::from([((1, 2), 3)]);
    assert_eq!(Json(odd).into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
}
