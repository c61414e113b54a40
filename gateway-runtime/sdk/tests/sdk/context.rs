//! `Ctx`: what a plugin asks for beside its arguments.

use gateway_sdk::prelude::*;
use gateway_sdk::testing::{self, Input};
use gateway_sdk::{Hook, http};

use crate::get;

#[gw_plugin(hook = "post")]
fn asks(ctx: &Ctx) {
    ctx.set_session(Session { alias: "new".to_owned(), ..Session::default() }, true);
    let (name, other) = (HeaderName::from_static("x-a"), HeaderName::from_static("x-b"));
    ctx.set_response_header(name.clone(), HeaderValue::from_static("lost"));
    ctx.set_response_header(name, HeaderValue::from_static("1"));
    ctx.append_response_header(other.clone(), HeaderValue::from_static("2"));
    ctx.append_response_header(other, HeaderValue::from_static("3"));
}

#[test]
fn a_session_that_was_set_replaces_the_one_there_was() {
    let old = Session { alias: "old".to_owned(), ..Session::default() };
    let plugin = testing::plugin("asks").start();
    let done = plugin.call(Hook::Post, Input::new(get()).session(old));
    assert_eq!(done.session.expect("there is one").alias, "new");
}

#[test]
fn response_headers_are_set_or_added() {
    let done = testing::plugin("asks").start().call(Hook::Post, get());
    let all = |name: &str| -> Vec<_> {
        let values = done.response_headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("it is ASCII")).collect()
    };
    assert_eq!(all("x-a"), ["1"]);
    assert_eq!(all("x-b"), ["2", "3"]);
}

#[gw_plugin(hook = "post")]
fn request_id(ctx: &Ctx) -> String {
    assert_eq!(ctx.request_id(), ctx.request_id());
    assert!(ctx.client_addr().is_none());
    ctx.request_id().to_owned()
}

#[test]
fn a_request_has_one_id_and_two_have_two() {
    let plugin = testing::plugin("request_id").start();
    let ids = [(); 2].map(|()| plugin.call(Hook::Post, get()).text());
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 32);
}

#[gw_plugin(hook = "post")]
async fn fetches(ctx: &Ctx) -> Result<Response, Reject> {
    let request = http::Request::get("http://users/1").body(());
    let request = request.map_err(Reject::internal)?;
    ctx.fetch(request).await.map_err(Reject::internal)
}

#[test]
fn a_fetch_is_answered_by_the_tests_server() {
    let plugin = testing::plugin("fetches")
        .server(|request| Response::new(StatusCode::ACCEPTED).with_body(request.uri().to_string()))
        .start();
    let done = plugin.call(Hook::Post, get());
    assert_eq!(done.text(), "http://users/1");
    assert_eq!(done.answer.expect("answered").status(), StatusCode::ACCEPTED);

    let nobody = testing::plugin("fetches").start().call(Hook::Post, get());
    assert_eq!(nobody.answer.expect("answered").status(), StatusCode::NOT_FOUND);
}

#[gw_plugin(hook = ["pre", "post"])]
async fn stores(ctx: &Ctx, req: &Request) -> Result<String, Reject> {
    let store = ctx.store();
    let sum = match req.method().as_str() {
        "DELETE" => store.delete("n").await.map(|()| 0),
        "PUT" => store.set("n", "x", None).await.map(|()| 0),
        _ => store.increment("n", 2, None).await,
    };
    let sum = sum.map_err(Reject::internal)?;
    let value = store.get("n").await.map_err(Reject::internal)?;
    Ok(format!("{sum} {value:?}"))
}

#[test]
fn the_store_keeps_values_between_calls_and_hooks() {
    let plugin = testing::plugin("stores").start();
    let call = |hook, method: Method| {
        let mut request = get();
        request.set_method(method);
        plugin.call(hook, request)
    };
    assert_eq!(call(Hook::Pre, Method::GET).text(), "2 Some(b\"2\")");
    assert_eq!(call(Hook::Post, Method::GET).text(), "4 Some(b\"4\")");
    assert_eq!(call(Hook::Post, Method::DELETE).text(), "0 None");
    assert_eq!(call(Hook::Post, Method::PUT).text(), "0 Some(b\"x\")");
    let odd = call(Hook::Post, Method::GET);
    assert_eq!(odd.reason.as_deref(), Some("the value is not a number"));
}

#[gw_plugin(hook = "post")]
fn logs(ctx: &Ctx) {
    ctx.debug("one");
    ctx.info(2);
    ctx.warn(format_args!("{}", 3));
    ctx.error("four");
}

#[test]
fn each_level_of_the_log_has_its_name() {
    let done = testing::plugin("logs").start().call(Hook::Post, get());
    assert_eq!(done.log, ["debug: one", "info: 2", "warn: 3", "error: four"]);
}

#[test]
#[should_panic(expected = "no plugin is named `nobody`; linked are [")]
fn an_unknown_name_lists_those_there_are() {
    let _ = testing::plugin("nobody");
}

#[test]
#[should_panic(expected = "`logs` serves [\"post\"], not `pre`")]
fn a_hook_that_is_not_served_lists_those_that_are() {
    testing::plugin("logs").start().call(Hook::Pre, get());
}
