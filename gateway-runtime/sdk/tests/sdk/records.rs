//! Plugins of analytics records: what they may take, return and change.

use gateway_sdk::prelude::*;
use gateway_sdk::testing::{self, Done, Input};
use gateway_sdk::{Fate, Hook};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Mark {
    mark: String,
}

#[gw_plugin(hook = "analytics")]
fn marks(record: &mut AnalyticsRecord, mark: &Config<Mark>, api: &ApiDefinition, ctx: &Ctx) {
    ctx.info(format_args!("a record of {}", record.path));
    record.tags.push(format!("{}-{}", api.api_id, mark.mark));
}

#[gw_plugin(hook = "analytics")]
async fn keeps_what_is_slow(record: &AnalyticsRecord) -> Fate {
    if record.request_time < 10 { Fate::Drop } else { Fate::Keep }
}

#[gw_plugin(hook = "analytics")]
fn fails(_record: &AnalyticsRecord) -> Result<Fate, Reject> {
    Err(Reject::internal("no"))
}

#[derive(Default)]
struct Both;

#[gw_plugin(name = "Both")]
impl Both {
    #[hook("post")]
    fn post(&self, req: &mut Request) {
        req.headers_mut().insert("x-both", HeaderValue::from_static("1"));
    }

    #[hook("analytics")]
    fn record(&self, record: &mut AnalyticsRecord) {
        record.alias.push('!');
    }
}

fn call(name: &str, record: AnalyticsRecord) -> Done {
    let plugin = testing::plugin(name).config(json!({"mark": "m"})).start();
    plugin.call(Hook::Analytics, Input::record(record))
}

#[test]
fn a_plugin_changes_the_record() {
    let done = call("marks", AnalyticsRecord { path: "/x".to_owned(), ..AnalyticsRecord::default() });
    assert_eq!(done.record.expect("it is kept").tags, ["test-m"]);
    assert_eq!(done.log, ["info: a record of /x"]);
    assert!(done.answer.is_none());
    assert_eq!(call("Both", AnalyticsRecord::default()).record.expect("it is kept").alias, "!");
}

#[test]
fn a_plugin_may_drop_it() {
    let of = |request_time| AnalyticsRecord { request_time, ..AnalyticsRecord::default() };
    assert!(call("keeps_what_is_slow", of(9)).record.is_none());
    assert_eq!(call("keeps_what_is_slow", of(10)).record, Some(of(10)));
    let done = call("fails", of(10));
    assert!(done.record.is_none());
    assert_eq!(done.reason.as_deref(), Some("no"));
}
