//! Where StatsD is. Source: plugin-system.md §8.1.

use super::Raw;
use super::remark::Remarks;
use crate::statsd::Settings;

/// Where it would be told; whether it is, the command line and `TYK_INSTRUMENTATION` say.
pub(super) fn resolve(raw: &Raw, remarks: &mut Remarks<'_>) -> Option<Settings> {
    let written = raw.statsd_connection_string.trim();
    if written.is_empty() {
        return None;
    }
    let parts = written.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts.filter(|(host, port)| !host.is_empty() && *port != 0) {
        Some((host, port)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Some(Settings { host, port, prefix: raw.statsd_prefix.clone() })
        }
        None => {
            let reason = format!("`{written}` is not a host and a port, such as `localhost:8125`");
            remarks.error("statsd_connection_string", reason);
            None
        }
    }
}
