//! Logs the name of the API that a request is for: how a plugin reads the definition.

#![forbid(unsafe_code)]

use gateway_sdk::prelude::*;

/// Logs the name of the API.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "MyPluginFunction")]
fn my_plugin_function(api: &ApiDefinition, ctx: &Ctx) {
    ctx.info(format_args!("API name is {}", api.name));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done};
    use gateway_sdk::{ApiDefinition, Hook, http};

    fn call(name: &str, hook: Hook) -> Done {
        let api = ApiDefinition { name: name.to_owned(), ..ApiDefinition::default() };
        let request = http::Request::get("/get").header("x-mine", "1").body("body").unwrap();
        testing::plugin("MyPluginFunction").api(api).start().call(hook, request)
    }

    #[track_caller]
    fn logs(name: &str, expected: &str) {
        for hook in [Hook::Pre, Hook::PostKeyAuth, Hook::Post, Hook::Endpoint] {
            let done = call(name, hook);
            let [line] = done.log.as_slice() else { panic!("one line, not {:?}", done.log) };
            assert_eq!(line.to_lowercase(), expected);
        }
    }

    #[test]
    fn the_name_of_the_api_is_logged() {
        logs("Orders", "info: api name is orders");
    }

    #[test]
    fn a_name_may_be_empty_or_in_any_script() {
        logs("", "info: api name is ");
        logs("注文 {}", "info: api name is 注文 {}");
    }

    #[test]
    fn the_request_goes_on_as_it_was() {
        let done = call("Orders", Hook::Post);
        assert!(done.answer.is_none());
        assert!(done.response_headers.is_empty());
        assert_eq!(done.request.headers().len(), 1);
        assert_eq!(done.request.body().buffered().unwrap(), "body");
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        let plugin = testing::plugin(&api.custom_middleware.pre[0].name).api(api).start();
        let done = plugin.call(Hook::Pre, http::Request::get("/api-name/get").body("").unwrap());
        assert!(done.log[0].eq_ignore_ascii_case("info: API name is Orders"), "{:?}", done.log);
    }
}
