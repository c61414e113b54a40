//! What the process counts: what is rare, and what went wrong. Nothing here is touched by a request that goes well.
//!
//! Written as Prometheus reads it (text format 0.0.4) at `GET /tyk/metrics`.

pub(crate) mod plugins;

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_sdk::StatusCode;

#[cfg(feature = "dynamic")]
use crate::drivers::dynamic::{Retained, retained};
use crate::error::Fault;

/// One number for each of some kinds.
struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Counters<N> {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }

    fn add(&self, kind: usize) {
        if let Some(counter) = self.0.get(kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A set of kinds with their names, in the order of their declaration.
macro_rules! kinds {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident = $label:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $kind,)+ }

        impl $name {
            const LABELS: &[&str] = &[$($label),+];
        }
    };
}

kinds! {
    /// Why a client was not served, or not to its end.
    Refused {
        /// The framing of its head is ambiguous, or the head is none of HTTP.
        BadHead = "bad_head",
        BadBody = "bad_body",
        LongHead = "long_head",
        SlowHead = "slow_head",
        SlowBody = "slow_body",
        LargeBody = "large_body",
        /// It takes nothing of its answer.
        Stuck = "stuck",
        TooMany = "too_many_connections",
    }
}

kinds! {
    /// Why an upstream's response was none, or ended early.
    UpstreamFailed {
        Lookup = "lookup",
        Connect = "connect",
        Timeout = "timeout",
        /// It said nothing, or not all of a head, and closed.
        Closed = "closed",
        /// What it said is no response of HTTP.
        Malformed = "malformed",
        /// Its body broke off, or its framing did.
        Body = "body",
        /// It was not asked: a circuit breaker is open, or every target is known to be down.
        Down = "down",
        Other = "other",
    }
}

kinds! {
    /// Why an analytics record was not kept, or not whole.
    RecordDropped {
        /// Too many were waiting.
        Queue = "queue",
        /// A plugin said so.
        Plugin = "plugin",
        /// A plugin is missing, panicked, failed or took too long.
        PluginFailed = "plugin_failed",
        /// Where it is kept does not take it.
        Sink = "sink",
        /// It is kept, without the request and the response: too many of them were waiting.
        Raw = "raw",
    }
}

impl UpstreamFailed {
    /// How an exchange failed.
    pub(crate) fn of(error: &hyper::Error) -> Self {
        if error.is_parse() {
            Self::Malformed
        } else if error.is_user() {
            Self::Other
        } else {
            Self::Closed
        }
    }
}

static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static OPEN: AtomicU64 = AtomicU64::new(0);
static EVENTS_DROPPED: AtomicU64 = AtomicU64::new(0);
static REFUSED: Counters<{ Refused::LABELS.len() }> = Counters::new();
static UPSTREAM: Counters<{ UpstreamFailed::LABELS.len() }> = Counters::new();
static RECORDS: AtomicU64 = AtomicU64::new(0);
static DROPPED: Counters<{ RecordDropped::LABELS.len() }> = Counters::new();
/// The gateway's own answers: one number for each status from 400 to 599, for each fault.
static ERRORS: [Counters<200>; Fault::ALL.len()] = [const { Counters::new() }; Fault::ALL.len()];

/// An accepted connection; it is open for as long as this is held.
#[derive(Debug)]
pub(crate) struct Open(());

impl Open {
    /// Counts one more, unless there are `most` already.
    pub(crate) fn begin(most: usize) -> Option<Self> {
        ACCEPTED.fetch_add(1, Ordering::Relaxed);
        let before = OPEN.fetch_add(1, Ordering::Relaxed);
        let open = Self(());
        (before < most as u64).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cold]
pub(crate) fn client_refused(why: Refused) {
    REFUSED.add(why as usize);
}

#[cold]
pub(crate) fn upstream_failed(why: UpstreamFailed) {
    UPSTREAM.add(why as usize);
}

#[cold]
pub(crate) fn record_dropped(why: RecordDropped) {
    DROPPED.add(why as usize);
}

/// So many analytics records are kept.
pub(crate) fn records_kept(records: usize) {
    RECORDS.fetch_add(records as u64, Ordering::Relaxed);
}

/// The gateway itself answered a request, with an error.
#[cold]
pub(crate) fn answered(status: StatusCode, fault: Fault) {
    ERRORS[fault as usize].add(usize::from(status.as_u16().saturating_sub(400)));
}

/// An event is not told: there are more than are taken.
#[cold]
pub(crate) fn event_dropped() {
    EVENTS_DROPPED.fetch_add(1, Ordering::Relaxed);
}

/// How many were not.
#[cfg(test)]
pub(crate) fn events_dropped() -> u64 {
    EVENTS_DROPPED.load(Ordering::Relaxed)
}

/// All numbers, as Prometheus reads them.
pub(crate) struct Text;

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut family =
            |name: &str, kind: &str, about: &str, rows: &dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result| {
                writeln!(f, "# HELP {name} {about}\n# TYPE {name} {kind}")?;
                rows(f)
            };
        family("gw_connections_accepted_total", "counter", "Connections of clients that were accepted.", &|f| {
            writeln!(f, "gw_connections_accepted_total {}", ACCEPTED.load(Ordering::Relaxed))
        })?;
        family("gw_connections_open", "gauge", "Connections of clients that are open.", &|f| {
            writeln!(f, "gw_connections_open {}", OPEN.load(Ordering::Relaxed))
        })?;
        family("gw_clients_refused_total", "counter", "Clients that broke a rule or a bound, by which.", &|f| {
            labelled(f, "gw_clients_refused_total", "reason", Refused::LABELS, &REFUSED.0)
        })?;
        family("gw_upstream_failures_total", "counter", "Responses of upstreams that failed, by how.", &|f| {
            labelled(f, "gw_upstream_failures_total", "kind", UpstreamFailed::LABELS, &UPSTREAM.0)
        })?;
        family("gw_analytics_records_total", "counter", "Analytics records that were kept.", &|f| {
            writeln!(f, "gw_analytics_records_total {}", RECORDS.load(Ordering::Relaxed))
        })?;
        family(
            "gw_analytics_dropped_total",
            "counter",
            "Analytics records that were not, or not whole, by why.",
            &|f| labelled(f, "gw_analytics_dropped_total", "reason", RecordDropped::LABELS, &DROPPED.0),
        )?;
        family(
            "gw_events_dropped_total",
            "counter",
            "Events that nobody was told of, as there were too many.",
            &|f| writeln!(f, "gw_events_dropped_total {}", EVENTS_DROPPED.load(Ordering::Relaxed)),
        )?;
        family("gw_errors_total", "counter", "Requests that the gateway itself answered with an error.", &|f| {
            for (fault, counters) in Fault::ALL.iter().zip(&ERRORS) {
                for (status, counter) in (400..).zip(&counters.0) {
                    // Most never occur.
                    let count = counter.load(Ordering::Relaxed);
                    if count > 0 {
                        writeln!(f, "gw_errors_total{{fault=\"{fault}\",status=\"{status}\"}} {count}")?;
                    }
                }
            }
            Ok(())
        })?;
        family("gw_statsd_dropped_total", "counter", "Calls that StatsD was not told of.", &|f| {
            writeln!(f, "gw_statsd_dropped_total {}", crate::statsd::dropped())
        })?;
        #[cfg(feature = "otlp")]
        family("gw_otlp_spans_dropped_total", "counter", "Spans that no collector was told of.", &|f| {
            writeln!(f, "gw_otlp_spans_dropped_total {}", crate::otlp::dropped())
        })?;
        #[cfg(feature = "dynamic")]
        {
            let Retained { files, bytes } = retained();
            family("gw_plugin_files", "gauge", "Plugin files in memory; none is ever unloaded.", &|f| {
                writeln!(f, "gw_plugin_files {files}")
            })?;
            family("gw_plugin_file_bytes", "gauge", "How large they are.", &|f| {
                writeln!(f, "gw_plugin_file_bytes {bytes}")
            })?;
        }
        plugins::write(f)
    }
}

fn labelled(f: &mut impl Write, name: &str, label: &str, values: &[&str], counters: &[AtomicU64]) -> fmt::Result {
    let rows = values.iter().zip(counters);
    rows.into_iter().try_for_each(|(value, counter)| {
        writeln!(f, "{name}{{{label}=\"{value}\"}} {}", counter.load(Ordering::Relaxed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Option<u64> {
        let text = Text.to_string();
        text.lines().find_map(|other| other.strip_prefix(line)?.trim().parse().ok())
    }

    #[test]
    fn what_happened_is_counted_where_it_belongs() {
        client_refused(Refused::Stuck);
        upstream_failed(UpstreamFailed::Other);
        answered(StatusCode::IM_A_TEAPOT, Fault::Plugin);
        answered(StatusCode::OK, Fault::Client);
        assert!(value("gw_clients_refused_total{reason=\"stuck\"} ") >= Some(1));
        assert!(value("gw_upstream_failures_total{kind=\"other\"} ") >= Some(1));
        assert_eq!(value("gw_errors_total{fault=\"plugin\",status=\"418\"} "), Some(1));
        assert_eq!(value("gw_errors_total{fault=\"plugin\",status=\"417\"} "), None);
    }

    #[test]
    fn connections_are_counted_while_they_are_open_and_bounded() {
        let before = value("gw_connections_open ").expect("a number");
        let one = Open::begin(usize::MAX);
        assert!(one.is_some() && Open::begin(1).is_none());
        assert_eq!(value("gw_connections_open "), Some(before + 1));
        drop(one);
        assert_eq!(value("gw_connections_open "), Some(before));
    }
}
