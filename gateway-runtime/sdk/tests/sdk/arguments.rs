//! Every kind of argument, for `fn` and `async fn`.

use std::sync::atomic::{AtomicU64, Ordering};

use gateway_sdk::prelude::*;
use gateway_sdk::testing::{self, Input};
use gateway_sdk::{Hook, http};

use crate::get;

fn alias(alias: &str) -> Session {
    Session { alias: alias.to_owned(), ..Session::default() }
}

#[derive(serde::Deserialize)]
struct Greeting {
    word: String,
}

#[gw_plugin(hook = "post", name = "all_arguments")]
fn all_arguments(
    session: &mut Session,
    hits: &State<AtomicU64>,
    ctx: &Ctx,
    greeting: &Config<Greeting>,
    api: &ApiDefinition,
    req: &mut Request,
) -> String {
    session.alias.push('!');
    let hit = hits.fetch_add(1, Ordering::Relaxed);
    ctx.info("called");
    req.headers_mut().remove("x-remove");
    format!("{} {} {} {hit}", greeting.word, api.api_id, req.path())
}

#[gw_plugin(hook = "post", name = "all_arguments_async")]
async fn all_arguments_async(
    session: &mut Session,
    hits: &State<AtomicU64>,
    ctx: &Ctx,
    greeting: &Config<Greeting>,
    api: &ApiDefinition,
    req: &mut Request,
) -> Result<String, Reject> {
    let body = req.body_bytes(100).await?;
    session.alias.push('!');
    let hit = hits.fetch_add(1, Ordering::Relaxed);
    ctx.info("called");
    req.headers_mut().remove("x-remove");
    Ok(format!("{} {} {} {hit}{}", greeting.word, api.api_id, req.path(), body.len()))
}

fn check_all(name: &str, answers: [&str; 2]) {
    let plugin = testing::plugin(name).config(serde_json::json!({ "word": "hi" })).start();
    for expected in answers {
        let request = http::Request::get("/get").header("x-remove", "1").body(());
        let request = request.expect("it is a request");
        let done = plugin.call(Hook::Post, Input::new(request).session(alias("ada")));
        assert_eq!(done.text(), expected);
        assert_eq!(done.request.header("x-remove"), None);
        assert_eq!(done.session.expect("there is one").alias, "ada!");
        assert_eq!(done.log, ["info: called"]);
    }
}

#[test]
fn a_function_gets_each_argument_by_its_type() {
    check_all("all_arguments", ["hi test /get 0", "hi test /get 1"]);
}

#[test]
fn an_async_function_gets_each_argument_by_its_type() {
    check_all("all_arguments_async", ["hi test /get 00", "hi test /get 10"]);
}

#[gw_plugin(hook = "response")]
fn response_and_request(req: &Request, res: &mut Response, session: Option<&Session>) {
    let value = format!("{} {}", req.path(), session.is_some());
    let value = HeaderValue::from_str(&value).expect("it is visible ASCII");
    res.headers_mut().insert("x-seen", value);
}

#[gw_plugin(hook = "response")]
async fn response_read_only(res: &Response, ctx: &Ctx) {
    ctx.info(res.status());
}

#[gw_plugin(hook = "response")]
async fn response_async(res: &mut Response) -> Result<(), Reject> {
    let body = res.body_bytes(100).await?;
    res.set_body(format!("<{}>", body.len()));
    Ok(())
}

#[test]
fn the_response_hook_changes_the_response() {
    let upstream = || Response::new(StatusCode::CREATED).with_body("four");
    let call = |name| {
        let input = Input::new(get()).response(upstream());
        testing::plugin(name).start().call(Hook::Response, input)
    };

    let seen = call("response_and_request").response.expect("it stays");
    assert_eq!(seen.header("x-seen"), Some("/get false"));

    assert_eq!(call("response_read_only").log, ["info: 201 Created"]);

    let done = call("response_async");
    assert!(done.answer.is_none());
    assert_eq!(done.text(), "<4>");
}

#[gw_plugin(hook = "post")]
fn session_is_optional_and_changes(session: Option<&mut Session>) {
    if let Some(session) = session {
        session.alias = "changed".to_owned();
    }
}

#[gw_plugin(hook = "post")]
fn session_is_needed(session: &Session) -> String {
    session.alias.clone()
}

#[gw_plugin(hook = "post")]
async fn session_is_needed_async(session: &Session) -> String {
    session.alias.clone()
}

#[test]
fn an_optional_session_may_be_absent() {
    let plugin = testing::plugin("session_is_optional_and_changes").start();

    let without = plugin.call(Hook::Post, get());
    assert!(without.answer.is_none() && without.session.is_none());

    let with = plugin.call(Hook::Post, Input::new(get()).session(alias("ada")));
    assert_eq!(with.session.expect("it stays").alias, "changed");
}

#[test]
fn a_plugin_that_needs_a_session_is_not_called_without_one() {
    for name in ["session_is_needed", "session_is_needed_async"] {
        let plugin = testing::plugin(name).start();

        let without = plugin.call(Hook::Post, get());
        assert_eq!(without.answer.expect("refused").status(), StatusCode::BAD_REQUEST);
        assert_eq!(without.reason.as_deref(), Some("no session is set"));

        let with = plugin.call(Hook::Post, Input::new(get()).session(alias("ada")));
        assert_eq!(with.text(), "ada");
    }
}

#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"])]
fn several_hooks(req: &mut Request) {
    req.headers_mut().append("x-count", HeaderValue::from_static("1"));
}

#[test]
fn one_function_serves_several_hooks() {
    let plugin = testing::plugin("several_hooks").start();
    for hook in [Hook::Pre, Hook::PostKeyAuth, Hook::Post, Hook::Endpoint] {
        let done = plugin.call(hook, get());
        assert_eq!(done.request.header("x-count"), Some("1"), "{hook}");
    }
}

#[gw_plugin(hook = "post")]
fn nothing_at_all() {}

#[gw_plugin(hook = "post")]
async fn nothing_at_all_async() {}

#[test]
fn a_plugin_may_take_nothing() {
    for name in ["nothing_at_all", "nothing_at_all_async"] {
        let done = testing::plugin(name).start().call(Hook::Post, get());
        assert!(done.answer.is_none());
    }
}

#[gw_plugin(hook = ["post", "response"], name = "title_of_the_document")]
async fn title_of_the_document(oas: Option<&OasDefinition>, ctx: &Ctx) {
    ctx.info(oas.map_or("none", OasDefinition::title));
}

#[test]
fn a_plugin_sees_the_document_that_its_api_was_made_from() {
    let oas = OasDefinition::new(serde_json::json!({"info": {"title": "Orders"}}));
    let with = ApiDefinition { oas: Some(oas.into()), ..ApiDefinition::default() };
    for (api, expected) in [(with, "info: Orders"), (ApiDefinition::default(), "info: none")] {
        let plugin = testing::plugin("title_of_the_document").api(api).start();
        assert_eq!(plugin.call(Hook::Post, get()).log, [expected]);
        let answered = Input::new(get()).response(Response::new(StatusCode::OK));
        assert_eq!(plugin.call(Hook::Response, answered).log, [expected]);
    }
}
