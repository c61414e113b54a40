//! What plugins' calls came to. Failures are always counted; all else, and how long calls took, with `plugins.metrics`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gateway_model::Hook;
use gateway_sdk::exchange::Outcome;
use gateway_sdk::registry::Plugin;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Continued,
    Responded,
    Rejected,
    Panicked,
    Late,
}

/// In the order of their declaration.
const ENDED: [&str; 5] = ["continue", "respond", "reject", "panic", "timeout"];

impl Ended {
    #[cfg(feature = "otlp")]
    pub(crate) fn as_str(self) -> &'static str {
        ENDED[self as usize]
    }

    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Continue | Outcome::Discard => Self::Continued,
            Outcome::Respond(_) => Self::Responded,
            Outcome::Reject(_) | Outcome::MissingSession => Self::Rejected,
        }
    }
}

/// Upper bounds of the histogram, in nanoseconds, and as they are written, in seconds.
const BOUNDS: [(u64, &str); 12] = [
    (1_000, "0.000001"),
    (5_000, "0.000005"),
    (25_000, "0.000025"),
    (100_000, "0.0001"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (5_000_000, "0.005"),
    (25_000_000, "0.025"),
    (100_000_000, "0.1"),
    (500_000_000, "0.5"),
    (2_500_000_000, "2.5"),
    (10_000_000_000, "10"),
];

/// What is counted of one plugin in one hook of one API.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    ended: [AtomicU64; ENDED.len()],
    /// One for each of [`BOUNDS`], and one for what took longer.
    took: [AtomicU64; BOUNDS.len() + 1],
    total_ns: AtomicU64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    krate: &'static str,
    plugin: &'static str,
    hook: Hook,
    api: String,
}

/// Those that are in use: an API that is loaded anew goes on where it was.
#[derive(Default)]
struct Meters {
    by_key: BTreeMap<Key, Weak<Meter>>,
    /// Once there are so many, those of APIs that are gone are dropped.
    sweep_at: usize,
}

static METERS: Mutex<Meters> = Mutex::new(Meters { by_key: BTreeMap::new(), sweep_at: 64 });

fn meters() -> MutexGuard<'static, Meters> {
    METERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    /// Where the calls of a plugin are counted. For the load of an API.
    pub(crate) fn of(plugin: &'static Plugin, hook: Hook, api_id: &str) -> Arc<Self> {
        let key = Key { krate: plugin.package.name, plugin: plugin.name, hook, api: api_id.to_owned() };
        let mut meters = meters();
        if let Some(known) = meters.by_key.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        if meters.by_key.len() >= meters.sweep_at {
            meters.by_key.retain(|_, meter| meter.strong_count() > 0);
            meters.sweep_at = 64.max(2 * meters.by_key.len());
        }
        let new = Arc::new(Self::default());
        meters.by_key.insert(key, Arc::downgrade(&new));
        new
    }

    /// A call ended, and took so long if that was measured.
    pub(crate) fn count(&self, how: Ended, took: Option<Duration>) {
        self.ended[how as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            let at = BOUNDS.partition_point(|(bound, _)| *bound < ns);
            self.took[at].fetch_add(1, Ordering::Relaxed);
            self.total_ns.fetch_add(ns, Ordering::Relaxed);
        }
    }
}

/// What was counted of one plugin in one hook of one API, at some moment.
#[cfg(feature = "otlp")]
pub(crate) struct Counted {
    pub(crate) krate: &'static str,
    pub(crate) plugin: &'static str,
    pub(crate) hook: Hook,
    pub(crate) api: String,
    /// By how they ended.
    pub(crate) ended: Vec<(&'static str, u64)>,
    /// One for each of [`bounds`], and one for what took longer.
    pub(crate) took: Vec<u64>,
    pub(crate) total: Duration,
}

/// What was counted until now.
#[cfg(feature = "otlp")]
pub(crate) fn counted() -> Vec<Counted> {
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counted = |(key, meter): (&Key, &Weak<Meter>)| {
        let meter = meter.upgrade()?;
        Some(Counted {
            krate: key.krate,
            plugin: key.plugin,
            hook: key.hook,
            api: key.api.clone(),
            ended: ENDED.into_iter().zip(meter.ended.iter().map(load)).collect(),
            took: meter.took.iter().map(load).collect(),
            total: Duration::from_nanos(load(&meter.total_ns)),
        })
    };
    meters().by_key.iter().filter_map(counted).collect()
}

/// Upper bounds of the histogram, in seconds.
#[cfg(feature = "otlp")]
pub(crate) fn bounds() -> Vec<f64> {
    BOUNDS.iter().map(|(ns, _)| Duration::from_nanos(*ns).as_secs_f64()).collect()
}

/// What was counted, as Prometheus reads it.
pub(super) fn write(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let meters: Vec<(Key, Arc<Meter>)> =
        meters().by_key.iter().filter_map(|(key, meter)| Some((key.clone(), meter.upgrade()?))).collect();
    let name = "gw_plugin_calls_total";
    writeln!(f, "# HELP {name} Calls of plugins, by how they ended.\n# TYPE {name} counter")?;
    for (key, meter) in &meters {
        for (ended, count) in ENDED.iter().zip(&meter.ended) {
            // Most never occur.
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                writeln!(f, "{name}{{{key},outcome=\"{ended}\"}} {count}")?;
            }
        }
    }
    let name = "gw_plugin_duration_seconds";
    writeln!(f, "# HELP {name} How long calls of plugins took.\n# TYPE {name} histogram")?;
    meters.iter().try_for_each(|(key, meter)| histogram(f, name, key, meter))
}

fn histogram(f: &mut fmt::Formatter<'_>, name: &str, key: &Key, meter: &Meter) -> fmt::Result {
    let mut counts = meter.took.each_ref().map(|count| count.load(Ordering::Relaxed));
    for at in 1..counts.len() {
        counts[at] += counts[at - 1];
    }
    let all = counts[BOUNDS.len()];
    if all == 0 {
        return Ok(());
    }
    let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
    for (bound, count) in bounds.zip(counts) {
        writeln!(f, "{name}_bucket{{{key},le=\"{bound}\"}} {count}")?;
    }
    let total = Duration::from_nanos(meter.total_ns.load(Ordering::Relaxed));
    writeln!(f, "{name}_sum{{{key}}} {}", total.as_secs_f64())?;
    writeln!(f, "{name}_count{{{key}}} {all}")
}

/// As labels.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { krate, plugin, hook, api } = self;
        write!(f, "plugin=\"{plugin}\",crate=\"{krate}\",hook=\"{hook}\",api=\"")?;
        for c in api.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it() {
        let meter = Meter::default();
        for ns in [0, 1_000, 1_001, 10_000_000_001] {
            meter.count(Ended::Continued, Some(Duration::from_nanos(ns)));
        }
        meter.count(Ended::Late, None);
        let took = meter.took.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!((took[0], took[1], took[BOUNDS.len()]), (2, 1, 1));
        let ended = meter.ended.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(ended, [4, 0, 0, 0, 1]);
    }

    #[test]
    fn an_api_id_cannot_break_out_of_its_label() {
        let key = Key { krate: "k", plugin: "P", hook: Hook::Post, api: "a\"} 1\n\\".to_owned() };
        let expected = r#"plugin="P",crate="k",hook="post",api="a\"} 1\n\\""#;
        assert_eq!(key.to_string(), expected);
    }
}
