//! Answers `?get_time=1` with the current time; every other request goes on.

#![forbid(unsafe_code)]

use std::time::SystemTime;

use gateway_sdk::prelude::*;
use serde::Serialize;

/// What the client gets.
#[derive(Serialize)]
struct CurrentTime {
    /// RFC 3339, in UTC, to the microsecond.
    current_time: String,
}

/// Answers with the current time if the query says `get_time=1`.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "SendCurrentTime")]
fn send_current_time(req: &Request) -> Option<Json<CurrentTime>> {
    let asked = req.query_param("get_time")? == "1";
    asked.then(|| Json(CurrentTime { current_time: now() }))
}

fn now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use std::time::{Duration, SystemTime};

    use gateway_sdk::testing::{self, Done};
    use gateway_sdk::{ApiDefinition, Hook, StatusCode, http};
    use serde_json::Value;

    fn get(uri: &str) -> Done {
        let request = http::Request::get(uri).body("").unwrap();
        testing::plugin("SendCurrentTime").start().call(Hook::Pre, request)
    }

    #[test]
    fn the_time_is_that_of_the_request() {
        // The answer is in microseconds, rounded down.
        let before = SystemTime::now() - Duration::from_micros(1);
        let done = get("/get?get_time=1");
        let after = SystemTime::now();

        let answer = done.answer.as_ref().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&done.text()).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        let time = humantime::parse_rfc3339(body["current_time"].as_str().unwrap()).unwrap();
        assert!(before <= time && time <= after, "{before:?} {time:?} {after:?}");
    }

    #[test]
    fn the_length_of_the_answer_is_told() {
        let done = get("/get?get_time=1");
        let length = done.text().len().to_string();
        assert_eq!(done.answer.unwrap().header("content-length"), Some(length.as_str()));
    }

    #[test]
    fn other_requests_go_on() {
        for uri in [
            "/get",
            "/get?",
            "/get?get_time",
            "/get?get_time=",
            "/get?get_time=0",
            "/get?get_time=11",
            "/get?get_time=1%20",
            "/get?get_time=%ff",
            "/get?get_time=%",
            "/get?GET_TIME=1",
            "/get_time=1",
        ] {
            assert!(get(uri).answer.is_none(), "{uri}");
        }
    }

    #[test]
    fn the_first_of_several_values_counts() {
        assert!(get("/get?a=%ff&get_time=1&get_time=0").answer.is_some());
        assert!(get("/get?get_time=0&get_time=1").answer.is_none());
    }

    #[test]
    fn the_parameter_may_be_encoded() {
        assert!(get("/get?get%5Ftime=%31").answer.is_some());
    }

    #[test]
    fn every_request_hook_may_answer() {
        let plugin = testing::plugin("SendCurrentTime").start();
        for hook in [Hook::Pre, Hook::PostKeyAuth, Hook::Post, Hook::Endpoint] {
            let request = http::Request::get("/get?get_time=1").body("").unwrap();
            assert!(plugin.call(hook, request).answer.is_some(), "{hook}");
        }
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        let plugin = testing::plugin(&api.custom_middleware.pre[0].name).api(api).start();
        let request = http::Request::get("/send-current-time/get?get_time=1").body("").unwrap();
        assert!(plugin.call(Hook::Pre, request).answer.is_some());
    }
}
