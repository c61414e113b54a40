//! Adds a header to the upstream's response and puts another body in place of its own.

#![forbid(unsafe_code)]

use gateway_sdk::prelude::*;

/// Adds `X-Response-Added: resp-added`, and replaces the body.
#[gw_plugin(hook = "response", name = "MyPluginResponse")]
fn my_plugin_response(res: &mut Response) {
    res.headers_mut().append("x-response-added", HeaderValue::from_static("resp-added"));
    res.set_body(r#"{"message":"Hi! I'm a response plugin"}"#);
}

/// The same, under the name that the published definition gives it.
#[gw_plugin(hook = "response", name = "MyResponsePlugin")]
fn my_response_plugin(res: &mut Response) {
    my_plugin_response(res);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done, Input};
    use gateway_sdk::{ApiDefinition, HeaderName, HeaderValue, Hook, Response, StatusCode, http};

    const BODY: &str = r#"{"message":"Hi! I'm a response plugin"}"#;

    fn input(response: Response) -> Input {
        Input::new(http::Request::get("/get").body("").unwrap()).response(response)
    }

    fn call(response: Response) -> Done {
        testing::plugin("MyPluginResponse").start().call(Hook::Response, input(response))
    }

    fn with(name: &'static str, value: &'static [u8]) -> Response {
        let value = HeaderValue::from_bytes(value).unwrap();
        Response::new(StatusCode::OK).with_header(HeaderName::from_static(name), value)
    }

    #[test]
    fn both_names_do_the_same() {
        let input = input(Response::new(StatusCode::OK).with_body("the upstream's"));
        let done = testing::plugin("MyResponsePlugin").start().call(Hook::Response, input);
        assert_eq!(done.text(), BODY);
    }

    #[test]
    fn header_and_body_are_those_of_the_plugin() {
        let done = call(Response::new(StatusCode::OK).with_body("the upstream's"));

        assert!(done.answer.is_none(), "the response goes on");
        assert_eq!(done.text(), BODY);
        assert_eq!(done.response.unwrap().header("X-Response-Added"), Some("resp-added"));
    }

    #[test]
    fn the_length_is_that_of_the_new_body() {
        for old in ["", "short", "much longer than what the plugin puts in its place, by a few bytes"] {
            let done = call(Response::new(StatusCode::OK).with_body(old));
            assert_eq!(done.response.unwrap().header("content-length"), Some("39"), "{old}");
        }
        assert_eq!(BODY.len(), 39);
    }

    #[test]
    fn headers_that_describe_the_old_body_are_gone() {
        for (name, value) in [("content-encoding", "gzip"), ("transfer-encoding", "chunked")] {
            let response = call(with(name, value.as_bytes())).response.unwrap();
            assert_eq!(response.header(name), None);
            assert_eq!(response.header("content-length"), Some("39"));
        }
    }

    #[test]
    fn everything_else_of_the_upstream_is_kept() {
        let mut upstream = with("x-response-added", b"\xfcber");
        upstream.headers_mut().append("content-type", HeaderValue::from_static("text/html"));
        upstream.set_status(StatusCode::BAD_GATEWAY);
        let response = call(upstream).response.unwrap();

        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(response.header("content-type"), Some("text/html"));
        let added: Vec<_> = response.headers().get_all("x-response-added").iter().collect();
        assert_eq!(added, [&b"\xfcber"[..], b"resp-added"]);
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        let plugin = testing::plugin(&api.custom_middleware.response[0].name).api(api).start();
        assert_eq!(plugin.call(Hook::Response, input(Response::new(StatusCode::OK))).text(), BODY);
    }
}
