//! Counts the hits on each endpoint of an API, and answers every request with the count.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use gateway_sdk::prelude::*;
use serde::Serialize;

/// Above this, each hit is a warning in the log.
const MANY: u64 = 100;

/// Clients choose the paths, so what they can make us remember has a bound: so many endpoints, of so many bytes each.
/// All others are counted together.
const MAX_ENDPOINTS: usize = 10_000;
const MAX_ENDPOINT_BYTES: usize = 1024;

/// The hits on each endpoint, such as `GET /orders`, since the API was loaded.
#[derive(Default)]
struct HitCounter {
    hits: Mutex<HashMap<String, u64>>,
}

/// What the client gets.
#[derive(Serialize)]
struct Reply<'a> {
    session: Option<&'a Session>,
    endpoint: &'a str,
    hit_counter: u64,
}

/// Answers with the number of hits on the endpoint, and with the session if there is one.
#[gw_plugin(name = "MyProcessRequest")]
impl HitCounter {
    #[hook("pre", "post_key_auth", "post", "endpoint")]
    fn my_process_request(&self, req: &Request, session: Option<&Session>, ctx: &Ctx) -> Flow {
        let endpoint = format!("{} {}", req.method(), req.path());
        ctx.info(format_args!("Custom middleware, new hit: {endpoint}"));

        let hit_counter = self.record_hit(&endpoint);
        ctx.debug(format_args!("New hit counter value: {hit_counter}"));
        if hit_counter > MANY {
            ctx.warn("Hit counter too high");
        }
        Flow::respond(Json(Reply { session, endpoint: &endpoint, hit_counter }))
    }

    fn record_hit(&self, endpoint: &str) -> u64 {
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = hits.len() < MAX_ENDPOINTS && endpoint.len() <= MAX_ENDPOINT_BYTES;
        // No endpoint is called "": each has a method.
        let key = if has_room || hits.contains_key(endpoint) { endpoint } else { "" };
        match hits.get_mut(key) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                hits.insert(key.to_owned(), 1);
                1
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Done, Input, Running};
    use gateway_sdk::{ApiDefinition, Hook, Session, StatusCode, http};
    use serde_json::{Value, json};

    use super::{HitCounter, MANY, MAX_ENDPOINT_BYTES, MAX_ENDPOINTS};

    fn start() -> Running {
        testing::plugin("MyProcessRequest").start()
    }

    fn request(method: &str, uri: &str) -> http::Request<&'static str> {
        http::Request::builder().method(method).uri(uri).body("").unwrap()
    }

    fn reply(done: &Done) -> Value {
        let answer = done.answer.as_ref().expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        serde_json::from_str(&done.text()).unwrap()
    }

    #[test]
    fn each_hit_is_answered_with_its_number() {
        let plugin = start();
        for n in 1..=3 {
            let done = plugin.call(Hook::Post, request("GET", "/get?n=1"));
            assert_eq!(reply(&done), json!({"session": null, "endpoint": "GET /get", "hit_counter": n}));
        }
    }

    #[test]
    fn endpoints_are_counted_apart() {
        let plugin = start();
        for (method, uri) in [("GET", "/get"), ("POST", "/get"), ("GET", "/get/"), ("get", "/get"), ("GET", "/%ff")] {
            assert_eq!(reply(&plugin.call(Hook::Pre, request(method, uri)))["hit_counter"], 1, "{method} {uri}");
        }
    }

    #[test]
    fn apis_are_counted_apart() {
        let (one, other) = (start(), start());
        one.call(Hook::Post, request("GET", "/get"));
        assert_eq!(reply(&other.call(Hook::Post, request("GET", "/get")))["hit_counter"], 1);
    }

    #[test]
    fn the_session_is_in_the_reply_but_not_its_key() {
        let session = Session::new().with_alias("abc-session").with_key_id("abc");
        let done = start().call(Hook::PostKeyAuth, Input::new(request("GET", "/get")).session(session));
        assert_eq!(reply(&done)["session"], json!({"alias": "abc-session"}));
    }

    #[test]
    fn hits_above_the_limit_are_a_warning() {
        let plugin = start();
        let warned = || {
            let done = plugin.call(Hook::Post, request("GET", "/get"));
            done.log.iter().any(|line| line.eq_ignore_ascii_case("warn: Hit counter too high"))
        };
        for n in 1..=MANY {
            assert!(!warned(), "hit {n}");
        }
        assert!(warned(), "hit {}", MANY + 1);
    }

    #[test]
    fn a_hit_is_logged_with_its_endpoint() {
        let log = start().call(Hook::Post, request("GET", "/get")).log.join("\n").to_lowercase();
        assert_eq!(log, "info: custom middleware, new hit: get /get\ndebug: new hit counter value: 1");
    }

    #[test]
    fn a_long_path_is_not_remembered() {
        let counter = HitCounter::default();
        let long = |c: &str| format!("GET /{}", c.repeat(MAX_ENDPOINT_BYTES));
        assert_eq!(counter.record_hit(&long("a")), 1);
        assert_eq!(counter.record_hit(&long("b")), 2);
        assert!(counter.hits.lock().unwrap().keys().all(|key| key.len() <= MAX_ENDPOINT_BYTES));
    }

    #[test]
    fn many_paths_do_not_fill_the_memory() {
        let counter = HitCounter::default();
        for n in 0..MAX_ENDPOINTS + 10 {
            counter.record_hit(&format!("GET /{n}"));
        }
        assert_eq!(counter.record_hit("GET /0"), 2, "those that were known still count for themselves");
        assert_eq!(counter.record_hit("GET /new"), 11, "the others count together");
        assert_eq!(counter.hits.lock().unwrap().len(), MAX_ENDPOINTS + 1);
    }

    #[test]
    fn hits_at_once_are_all_counted() {
        let counter = HitCounter::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        counter.record_hit("GET /get");
                    }
                });
            }
        });
        assert_eq!(counter.record_hit("GET /get"), 401);
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        let plugin = testing::plugin(&api.custom_middleware.post[0].name).api(api).start();
        let done = plugin.call(Hook::Post, request("GET", "/hit-counter/get"));
        assert_eq!(reply(&done)["endpoint"], "GET /hit-counter/get");
    }
}
