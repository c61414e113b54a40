//! What this gateway tells others by the store now and then: that it is there, and how much it has to do.
//!
//! Source: Tyk, `gateway/distributed_rate_limiter.go`; gateway.md §7.2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::system::uname;
use tokio::time::MissedTickBehavior;

use crate::gateway::Gateway;
use crate::limiter::Limiter;
use crate::session::key::{NoRandomness, new_id};
use crate::storage::{Load, Notice};

/// How often it is looked who has been silent.
const LOOK: Duration = Duration::from_secs(1);

/// What `tyk.conf` says of gateways that count together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Between two notices. Source: Tyk, `drl_notification_frequency`.
    pub(crate) every: Duration,
    /// `management_node`: this gateway tells nothing of itself, and counts for itself.
    pub(crate) is_silent: bool,
}

/// What this gateway says of itself, but for its load.
///
/// # Errors
/// When the system has no random numbers.
pub(crate) fn myself() -> Result<Load, NoRandomness> {
    let digits = new_id()?;
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    let id = format!("solo-{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32));
    Ok(Load { host_name: uname().nodename().to_string_lossy().into_owned(), id, ..Load::default() })
}

/// Tells and looks until the end of the process. Nobody waits for an answer: who is not heard is not known.
pub(crate) async fn tell(gateway: Arc<Gateway>, limiter: Arc<Limiter>, myself: Load, every: Duration) {
    let mut told = tokio::time::interval(every);
    told.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = tokio::time::interval(LOOK);
    let (mut last, mut counted) = (Instant::now(), limiter.asked());
    loop {
        tokio::select! {
            _ = told.tick() => {
                let (now, asked) = (Instant::now(), limiter.asked());
                let load_per_sec = per_second(asked.wrapping_sub(counted), now.duration_since(last));
                (last, counted) = (now, asked);
                let notice = Notice::Load(Load { load_per_sec, ..myself.clone() });
                drop(gateway.store.signals().publish(&gateway.config.notices.sign(&notice)));
            }
            _ = look.tick() => known(limiter.nodes.forget(Instant::now())),
        }
    }
}

/// Says how many gateways there are, if that has changed.
pub(crate) fn known(count: Option<u32>) {
    if let Some(nodes) = count {
        tracing::info!(nodes, "gateways that count rates together");
    }
}

/// Requests in a second; never none, as with Tyk.
fn per_second(requests: u64, time: Duration) -> i64 {
    let each = u128::from(requests) * 1_000 / time.as_millis().max(1);
    i64::try_from(each).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_of_a_second_and_never_none() {
        for (requests, ms, expected) in [(0, 2_000, 1), (1, 2_000, 1), (500, 2_000, 250), (7, 0, 7_000), (9, 1_000, 9)]
        {
            assert_eq!(per_second(requests, Duration::from_millis(ms)), expected);
        }
    }

    #[test]
    fn no_two_gateways_have_one_name() {
        let (one, other) = (myself().expect("random numbers"), myself().expect("random numbers"));
        assert!(one.id.starts_with("solo-") && one.id.len() == "solo-".len() + 36, "{}", one.id);
        assert_ne!(one.name(), other.name());
        assert_eq!(one.name(), format!("{}|{}", one.id, one.host_name));
    }
}
