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
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done};
    use gateway_sdk::{ApiDefinition, HeaderValue, Hook, http};

    fn call(request: http::Request<&'static str>) -> Done {
        testing::plugin("AddFooBarHeader").start().call(Hook::Post, request)
    }

    #[test]
    fn a_request_goes_on_with_the_header() {
        let done = call(http::Request::get("/get").body("").unwrap());

        assert!(done.answer.is_none(), "the request goes on to the upstream");
        assert_eq!(done.request.header("Foo"), Some("Bar"));
    }

    #[test]
    fn the_header_is_added_to_those_that_are_there() {
        let not_ascii = HeaderValue::from_bytes(b"gr\xfc\xdfe").unwrap();
        let request = http::Request::get("/get").header("foo", "mine").header("foo", &not_ascii);
        let done = call(request.body("").unwrap());

        let values: Vec<_> = done.request.headers().get_all("foo").iter().collect();
        assert_eq!(values, ["mine".as_bytes(), not_ascii.as_bytes(), b"Bar"]);
    }

    #[test]
    fn the_client_sees_nothing_of_it() {
        let done = call(http::Request::get("/get").body("").unwrap());
        assert!(done.response_headers.is_empty());
    }

    #[test]
    fn the_body_is_left_alone() {
        let done = call(http::Request::post("/post").body("as it was").unwrap());
        assert_eq!(done.request.body().buffered().unwrap(), "as it was");
    }

    #[test]
    fn each_request_is_logged() {
        let plugin = testing::plugin("AddFooBarHeader").start();
        for hook in [Hook::Pre, Hook::PostKeyAuth, Hook::Post, Hook::Endpoint] {
            let done = plugin.call(hook, http::Request::get("/get").body("").unwrap());
            let [line] = done.log.as_slice() else { panic!("one line, not {:?}", done.log) };
            assert!(line.eq_ignore_ascii_case("info: Processing HTTP request in a linked plugin"), "{line}");
        }
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        let plugin = testing::plugin(&api.custom_middleware.post[0].name).api(api).start();
        let done = plugin.call(Hook::Post, http::Request::get("/add-foo-bar-header/get").body("").unwrap());
        assert_eq!(done.request.header("foo"), Some("Bar"));
    }
}
