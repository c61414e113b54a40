//! What is told of requests in the log. Source: gateway.md §1.2, §8.6.

use std::sync::Arc;

use serde::Deserialize;

use super::Raw;
use super::remark::Remarks;
use crate::access_log::{AccessLog, FIELDS};

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawAccessLogs {
    enabled: bool,
    template: Vec<String>,
}

pub(super) fn resolve(raw: &Raw, remarks: &mut Remarks<'_>) -> Option<Arc<AccessLog>> {
    let RawAccessLogs { enabled, template } = &raw.access_logs;
    for (at, field) in template.iter().enumerate().filter(|(_, field)| !FIELDS.contains(&field.as_str())) {
        let reason =
            format!("`{field}` is not told here; fields are {}", FIELDS.map(|field| format!("`{field}`")).join(", "));
        remarks.warning(&format!("access_logs.template[{at}]"), reason);
    }
    enabled.then(|| {
        let (template, hash_keys) = (template.clone(), raw.hash_keys);
        Arc::new(AccessLog { template, hash_keys, xff_depth: raw.http_server_options.xff_depth })
    })
}
