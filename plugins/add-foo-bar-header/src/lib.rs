//! Adds `Foo: Bar` to every request, and says so in the gateway's log.

#![forbid(unsafe_code)]

use gateway_sdk::prelude::*;

/// Adds `Foo: Bar` to the request on its way to the upstream.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "AddFooBarHeader")]
fn add_foo_bar_header(req: &mut Request, ctx: &Ctx) {
    ctx.info("Processing HTTP request in a linked plugin");
    req.headers_mut().append("foo", HeaderValue::from_static("Bar"));
}

#[cfg(test)]
mod tests {
    use gateway_sdk::{Hook, http, testing};

    #[test]
    fn the_header_is_added_to_those_that_are_there() {
        let request = http::Request::get("/get").header("foo", "mine").body("").unwrap();
        let done = testing::plugin("AddFooBarHeader").start().call(Hook::Post, request);

        assert!(done.answer.is_none(), "the request goes on to the upstream");
        let values: Vec<_> = done.request.headers().get_all("foo").iter().collect();
        assert_eq!(values, ["mine", "Bar"]);
    }

    #[test]
    fn each_request_is_logged() {
        let request = http::Request::get("/get").body("").unwrap();
        let done = testing::plugin("AddFooBarHeader").start().call(Hook::Pre, request);

        assert_eq!(done.log, ["info: processing http request in a linked plugin"]);
    }
}
