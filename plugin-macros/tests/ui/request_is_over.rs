//! In the hook `analytics` there is no request any more.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = "analytics")]
fn note(_req: &Request, _record: &mut AnalyticsRecord) {}

fn main() {}
