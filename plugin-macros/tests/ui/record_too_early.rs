//! There is no analytics record while a request is under way.

use gateway_sdk::prelude::*;

#[gw_plugin(hook = ["post", "response"])]
fn note(_record: &mut AnalyticsRecord) {}

fn main() {}
