//! Two functions for single paths of an API: each adds a header to the response, whoever makes it.

#![forbid(unsafe_code)]

use gateway_sdk::prelude::*;

/// Adds `X-foo: foo` to the response.
#[gw_plugin(hook = "endpoint", name = "MyPluginPerPathFoo")]
fn my_plugin_per_path_foo(ctx: &Ctx) {
    ctx.append_response_header(HeaderName::from_static("x-foo"), HeaderValue::from_static("foo"));
}

/// Adds `X-bar: bar` to the response.
#[gw_plugin(hook = "endpoint", name = "MyPluginPerPathBar")]
fn my_plugin_per_path_bar(ctx: &Ctx) {
    ctx.append_response_header(HeaderName::from_static("x-bar"), HeaderValue::from_static("bar"));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done};
    use gateway_sdk::{ApiDefinition, HeaderValue, Hook, http};

    fn call(plugin: &str, request: http::Request<&'static str>) -> Done {
        testing::plugin(plugin).start().call(Hook::Endpoint, request)
    }

    fn get(uri: &str) -> http::Request<&'static str> {
        http::Request::get(uri).body("").unwrap()
    }

    #[track_caller]
    fn adds(done: &Done, name: &str, value: &str) {
        assert!(done.answer.is_none(), "the request goes on to the upstream");
        assert_eq!(done.response_headers.len(), 1);
        assert_eq!(done.response_headers[name], value);
    }

    #[test]
    fn each_adds_its_own_header() {
        adds(&call("MyPluginPerPathFoo", get("/foo")), "X-foo", "foo");
        adds(&call("MyPluginPerPathBar", get("/bar")), "X-bar", "bar");
    }

    #[test]
    fn the_upstream_sees_nothing_of_it() {
        let done = call("MyPluginPerPathFoo", get("/foo"));
        assert!(done.request.headers().is_empty());
    }

    #[test]
    fn what_the_client_sends_does_not_matter() {
        let mut request = get("/foo?x-foo=1&x-foo=2");
        *request.method_mut() = http::Method::DELETE;
        request.headers_mut().insert("x-foo", HeaderValue::from_bytes(b"\xff").unwrap());
        adds(&call("MyPluginPerPathFoo", request), "x-foo", "foo");
    }

    #[test]
    fn the_definition_to_paste_names_these_plugins() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        let version = &api.version_data.versions["Default"];
        assert!(version.use_extended_paths, "the entries count");
        let entries = &version.extended_paths.go_plugin;
        for (entry, name) in entries.iter().zip(["x-foo", "x-bar"]) {
            let done = call(&entry.func_name, get(&entry.path));
            assert!(done.response_headers.contains_key(name), "{entry:?}");
        }
        assert_eq!(entries.len(), 2);
    }
}
