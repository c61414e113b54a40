//! What holds for all plugins. These keys are our own.

use std::time::Duration;

use serde::Deserialize;

use super::LONGEST;
use super::remark::Remarks;

/// Threads for `blocking` plugins, if nobody says how many.
const THREADS: usize = 32;
const MOST_THREADS: usize = 1024;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawPlugins {
    timeout_ms: u64,
    threads: usize,
    metrics: bool,
}

/// What holds for all plugins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PluginSettings {
    /// How long a call may take of a plugin that says nothing of that.
    pub(crate) timeout: Option<Duration>,
    /// So many `blocking` plugins run at the same time.
    pub(crate) threads: usize,
    /// All calls are counted and timed, and not only those that fail.
    pub(crate) metrics: bool,
}

pub(super) fn resolve(raw: &RawPlugins, remarks: &mut Remarks<'_>) -> PluginSettings {
    let RawPlugins { timeout_ms, threads, metrics } = *raw;
    if threads > MOST_THREADS {
        remarks.error("plugins.threads", format!("{threads} is more than {MOST_THREADS}"));
    }
    PluginSettings {
        timeout: Some(Duration::from_millis(timeout_ms).min(LONGEST)).filter(|timeout| !timeout.is_zero()),
        threads: if threads == 0 { THREADS } else { threads.min(MOST_THREADS) },
        metrics,
    }
}
