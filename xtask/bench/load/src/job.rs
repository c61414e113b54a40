//! What is to be done, and what came of it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// Of the proxy.
    pub(crate) address: SocketAddr,
    /// What is asked for.
    pub(crate) path: String,
    /// Bytes to post; 0: `GET`.
    #[serde(default)]
    pub(crate) post: usize,
    /// What is shown with each request, if anything: `Authorization`.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// Keep-alive connections, over all threads.
    pub(crate) connections: usize,
    /// Each has a runtime of its own.
    #[serde(default = "one")]
    pub(crate) threads: usize,
    /// How it goes on.
    pub(crate) pace: Pace,
}

fn one() -> usize {
    1
}

/// When the next request is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pace {
    /// When the previous one of the connection is answered, until the time is over.
    Closed {
        /// Not counted, in milliseconds.
        warmup_ms: u64,
        /// Counted, in milliseconds.
        measure_ms: u64,
    },
    /// When it is due, on whatever connection is free, by one thread. Latency counts from that moment: a proxy that stalls
    /// delays all that is due meanwhile.
    Open {
        /// Requests per second.
        rate: u32,
        /// Not counted, in milliseconds.
        warmup_ms: u64,
        /// Counted, in milliseconds.
        measure_ms: u64,
    },
    /// So many on each connection, one after the other; all are counted.
    Requests(u64),
    /// One request on each connection, which is then held until stdin ends.
    Hold,
}

impl Pace {
    /// When counting begins and ends, from the start.
    pub(crate) fn window(self) -> (Duration, Duration) {
        match self {
            Self::Closed { warmup_ms, measure_ms } | Self::Open { warmup_ms, measure_ms, .. } => {
                (Duration::from_millis(warmup_ms), Duration::from_millis(warmup_ms + measure_ms))
            }
            Self::Requests(_) | Self::Hold => (Duration::ZERO, Duration::MAX),
        }
    }
}

/// What was counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Answered with 200.
    pub(crate) answered: u64,
    /// Answered with another status.
    pub(crate) refused: u64,
    /// The connection failed.
    pub(crate) failed: u64,
    /// Due, and not answered two seconds after the end.
    pub(crate) unanswered: u64,
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> io::Result<Self> {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)?;
        Ok(Self { answered: 0, refused: 0, failed: 0, unanswered: 0, latency })
    }

    pub(crate) fn add(&mut self, other: &Self) -> io::Result<()> {
        self.answered += other.answered;
        self.refused += other.refused;
        self.failed += other.failed;
        self.unanswered += other.unanswered;
        self.latency.add(&other.latency).map_err(io::Error::other)
    }

    /// The result as an event.
    pub(crate) fn event(&self) -> Event {
        #[expect(clippy::cast_precision_loss, reason = "a latency of 104 days is not exact to the nanosecond")]
        let us = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1e3;
        Event::Result {
            answered: self.answered,
            refused: self.refused,
            failed: self.failed,
            unanswered: self.unanswered,
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
        }
    }
}

/// A line on stdout.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Counting begins; for [`Pace::Hold`], all connections are there.
    Begin,
    /// Counting ends.
    End,
    /// All is over.
    Result { answered: u64, refused: u64, failed: u64, unanswered: u64, p50_us: f64, p99_us: f64, p999_us: f64 },
    /// Of a soak: time to look at the proxy. The crowd is there, or has gone.
    Look { crowd: bool },
    /// A soak is over.
    Soaked { parts: BTreeMap<&'static str, Count> },
}

/// What became of the requests of one kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Count {
    pub(crate) asked: u64,
    /// Not answered as they must be.
    pub(crate) failed: u64,
}

impl Event {
    pub(crate) fn tell(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(self)?)?;
        out.flush()
    }
}
