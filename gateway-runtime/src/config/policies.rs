//! Where policies are. Source: gateway.md §1.2, §6.3.

use serde::Deserialize;

use super::remark::Remarks;
use crate::policies::PolicySource;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawPolicies {
    policy_source: String,
    policy_record_name: String,
    policy_path: String,
}

/// Source: Tyk, `syncPolicies` in `gateway/server.go`.
pub(super) fn resolve(raw: &RawPolicies, remarks: &mut Remarks<'_>) -> PolicySource {
    let RawPolicies { policy_source, policy_record_name, policy_path } = raw;
    match policy_source.as_str() {
        "" | "file" if !policy_path.is_empty() => PolicySource::Folder(policy_path.into()),
        "" | "file" if !policy_record_name.is_empty() => PolicySource::File(policy_record_name.into()),
        "" | "file" => PolicySource::Nowhere,
        "service" | "rpc" => {
            let reason = format!(
                "`{policy_source}` is a Dashboard's, which this gateway does not ask: there are no policies; use `file`"
            );
            remarks.warning("policies.policy_source", reason);
            PolicySource::Service
        }
        other => {
            remarks.error("policies.policy_source", format!("`{other}` is not one of `file`, `service`, `rpc`"));
            PolicySource::Nowhere
        }
    }
}
