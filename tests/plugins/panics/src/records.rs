//! Two plugins of analytics records that do what `User-Agent` asks for: `panic`, `drop`, `fail`, or else mark the record.

use gateway_sdk::prelude::*;

use crate::give_way;

/// In a plain function.
#[gw_plugin(hook = "analytics", name = "ActOnRecord")]
fn act_on_record(record: &mut AnalyticsRecord) -> Result<Fate, Reject> {
    act(record)
}

/// In an async function, after it has waited.
#[gw_plugin(hook = "analytics", name = "ActOnRecordAfterAwait")]
async fn act_on_record_after_await(record: &mut AnalyticsRecord, api: &ApiDefinition) -> Result<Fate, Reject> {
    give_way().await;
    record.alias.clone_from(&api.api_id);
    act(record)
}

#[expect(clippy::panic, reason = "that is what it is for")]
fn act(record: &mut AnalyticsRecord) -> Result<Fate, Reject> {
    record.tags.push("acted".to_owned());
    match record.user_agent.as_str() {
        "panic" => panic!("asked to panic"),
        "drop" => Ok(Fate::Drop),
        "fail" => Err(Reject::internal("asked to fail")),
        _ => Ok(Fate::Keep),
    }
}
