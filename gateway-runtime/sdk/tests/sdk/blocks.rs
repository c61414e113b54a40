//! Plugins that are `impl` blocks: made, called, ended.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_sdk::prelude::*;
use gateway_sdk::{Hook, testing};
use serde::Deserialize;
use serde_json::json;

use crate::get;

#[derive(Deserialize)]
struct Limits {
    per_minute: u64,
}

/// Counts, and says how much is left.
struct Counter {
    limit: u64,
    hits: AtomicU64,
}

static ENDED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

#[gw_plugin(name = "Counter")]
impl Counter {
    async fn init(cfg: &Config<Limits>, env: &InitEnv) -> Result<Self, InitError> {
        if cfg.per_minute == 0 {
            return Err(InitError::new("per_minute is 0"));
        }
        env.store().set("started", "yes", None).await?;
        env.info(format_args!("counting for {}", env.api().api_id));
        Ok(Self { limit: cfg.per_minute, hits: AtomicU64::new(0) })
    }

    #[hook("pre")]
    fn count(&self, cfg: &Config<Limits>) -> Result<(), Reject> {
        assert_eq!(cfg.per_minute, self.limit);
        if self.hits.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(());
        }
        Err(Reject::new(StatusCode::TOO_MANY_REQUESTS))
    }

    #[hook("post", "endpoint")]
    async fn started(&self, ctx: &Ctx) -> Result<Option<Bytes>, Reject> {
        let value = ctx.store().get("started").await;
        value.map_err(Reject::internal)
    }

    #[hook("response")]
    fn stamp(&self, res: &mut Response) {
        let left = self.limit.saturating_sub(self.hits.load(Ordering::Relaxed));
        res.headers_mut().insert("x-left", HeaderValue::from(left));
    }

    async fn shutdown(self) {
        let hits = self.hits.into_inner();
        ENDED.lock().expect("nobody panicked").push(hits);
    }
}

#[test]
fn a_block_is_made_once_and_ended_once() {
    let plugin = testing::plugin("Counter").config(json!({ "per_minute": 2 })).start();
    assert!(plugin.call(Hook::Pre, get()).answer.is_none());
    let stamped = plugin.call(Hook::Response, get()).response.expect("it stays");
    assert_eq!(stamped.header("x-left"), Some("1"));
    assert!(plugin.call(Hook::Pre, get()).answer.is_none());
    let third = plugin.call(Hook::Pre, get()).answer.expect("refused");
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(plugin.call(Hook::Endpoint, get()).text(), "yes");

    plugin.shutdown();
    assert_eq!(*ENDED.lock().expect("nobody panicked"), [3]);
}

#[test]
fn what_init_logs_is_in_the_log() {
    let plugin = testing::plugin("Counter").config(json!({ "per_minute": 2 })).start();
    assert_eq!(plugin.call(Hook::Pre, get()).log, ["info: counting for test"]);
}

#[test]
fn an_init_that_fails_says_why() {
    let config = json!({ "per_minute": 0 });
    let failed = testing::plugin("Counter").config(config).try_start();
    assert_eq!(error_of(failed), "per_minute is 0");
}

#[test]
fn a_config_that_is_wrong_is_found_before_init_runs() {
    let config = json!({ "Counter": { "per_minute": "two" } });
    let failed = testing::plugin("Counter").config(config).try_start();
    assert_eq!(error_of(failed), "config_data.Counter.per_minute: invalid type: string \"two\", expected u64");
}

fn error_of(result: Result<testing::Running, InitError>) -> String {
    result.expect_err("it does not start").to_string()
}

/// Made by a function that cannot fail.
struct Greeter(String);

#[gw_plugin(name = "Greeter")]
impl Greeter {
    fn init(env: &InitEnv) -> Self {
        Self(env.api().name.clone())
    }

    #[hook("post")]
    fn greet(&self) -> String {
        self.0.clone()
    }

    fn shutdown(self) {
        drop(self.0);
    }
}

#[test]
fn init_may_be_sync_and_infallible() {
    let plugin = testing::plugin("Greeter").start();
    assert_eq!(plugin.call(Hook::Post, get()).text(), "Test");
    plugin.shutdown();
}

/// An error of a plugin's own.
#[derive(Debug)]
struct NoKey(fmt::Error);

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no key")
    }
}

impl std::error::Error for NoKey {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

struct Keyed;

#[gw_plugin(name = "Keyed")]
impl Keyed {
    fn init() -> Result<Self, NoKey> {
        Err(NoKey(fmt::Error))
    }

    #[hook("post")]
    fn unlock(&self) {}
}

#[test]
fn init_may_fail_with_any_error_and_its_causes_are_told() {
    let failed = testing::plugin("Keyed").try_start();
    let expected = format!("there is no key: {}", fmt::Error);
    assert_eq!(error_of(failed), expected);
}

/// Made by `Default`, with functions that take no `self`, and one that is no hook.
#[derive(Default)]
struct Plain {
    hits: AtomicU64,
}

#[gw_plugin(name = "Plain")]
impl Plain {
    const STEP: u64 = 2;

    #[hook("pre")]
    #[expect(clippy::needless_arbitrary_self_type, reason = "it may be written so")]
    fn count(self: &Self, own: &State<AtomicU64>) {
        own.fetch_add(1, Ordering::Relaxed);
        self.add(Self::STEP);
    }

    #[hook("post")]
    fn tell(&self, own: &State<AtomicU64>) -> String {
        format!("{:?} {:?}", self.hits, **own)
    }

    #[hook("post_key_auth")]
    fn without_self(req: &Request) -> String {
        req.path().to_owned()
    }

    fn add(&self, step: u64) {
        self.hits.fetch_add(step, Ordering::Relaxed);
    }
}

#[test]
fn a_block_without_init_is_made_by_default() {
    let plugin = testing::plugin("Plain").start();
    plugin.call(Hook::Pre, get());
    plugin.call(Hook::Pre, get());
    assert_eq!(plugin.call(Hook::Post, get()).text(), "4 2");
    assert_eq!(plugin.call(Hook::PostKeyAuth, get()).text(), "/get");
    plugin.shutdown();
}

/// Its own configuration.
#[derive(Clone, Deserialize)]
struct OwnConfig {
    word: String,
}

#[gw_plugin(name = "OwnConfig")]
impl OwnConfig {
    fn init(cfg: &Config<Self>) -> Self {
        Self::clone(cfg)
    }

    #[hook("post")]
    fn tell(&self, again: &Config<Self>) -> Result<String, Reject> {
        Ok(format!("{} {}", self.word, again.word))
    }
}

#[test]
fn self_stands_for_the_type_in_arguments() {
    let plugin = testing::plugin("OwnConfig").config(json!({ "word": "hi" })).start();
    assert_eq!(plugin.call(Hook::Post, get()).text(), "hi hi");
}

#[test]
fn each_start_has_its_own_state() {
    let (one, two) = (testing::plugin("Plain").start(), testing::plugin("Plain").start());
    one.call(Hook::Pre, get());
    assert_eq!(two.call(Hook::Post, get()).text(), "0 0");
}
