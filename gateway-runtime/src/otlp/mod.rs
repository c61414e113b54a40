//! OpenTelemetry: spans of requests, and metrics of plugins, told to a collector.
//!
//! | to find | look in |
//! |---|---|
//! | which requests are traced, and what is noted of them | `trace.rs`; who traces them, `context.rs` |
//! | what a collector is told | `messages.rs` |
//! | how it is told, by HTTP or by gRPC | `collector.rs` |
//! | the two tasks that tell | here |
//!
//! # Invariants
//! - A request waits for nothing here: its spans go into a queue that has a bound. What finds no room is dropped and counted.
//! - A collector that is down, slow or wrong is told of in the log, once until it is right again.
//!
//! Source: gateway.md §8.8.

mod collector;
mod context;
mod messages;
mod trace;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{Config, Metrics, OpenTelemetry, Sampling};
use collector::Collector;
use messages::Resource;

pub(crate) use trace::Trace;

/// Requests whose spans wait.
const QUEUE: usize = 2048;
/// Spans in one message.
const BATCH: usize = 512;
/// Nothing waits longer for others.
const DELAY: Duration = Duration::from_secs(5);
/// How long what is left may take, when the process ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Spans that no collector has.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Spans that were dropped, since the process began.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn drop_spans(spans: usize) {
    DROPPED.fetch_add(spans as u64, Ordering::Relaxed);
}

/// Traces that are told, and how it is decided which.
pub(crate) struct Traces {
    sampling: Sampling,
    parent_based: bool,
    queue: mpsc::Sender<Item>,
}

/// What the queue holds.
enum Item {
    Over(Box<Trace>),
    /// All before it are to be told.
    Close(oneshot::Sender<()>),
}

/// The tasks that tell.
pub(crate) struct Telling {
    pub(crate) traces: Option<Arc<Traces>>,
    metrics: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
}

impl Telling {
    /// Starts the tasks, on the thread of the caller.
    ///
    /// # Errors
    /// What is wrong in the configuration of a collector.
    pub(crate) fn start(config: &Config, node: &str) -> Result<Self, String> {
        let OpenTelemetry { traces, metrics } = &config.telemetry;
        let traces = traces.as_ref().map(|settings| {
            let collector = Collector::new(&settings.collector, "trace", config)?;
            let resource = Resource::new(&settings.collector.service, node);
            let (queue, items) = mpsc::channel(QUEUE);
            tokio::task::spawn_local(tell_traces(items, collector, resource, settings.is_simple));
            let (sampling, parent_based) = (settings.sampling, settings.parent_based);
            Ok::<_, String>(Arc::new(Traces { sampling, parent_based, queue }))
        });
        let metrics = metrics.as_ref().map(|Metrics { collector, every }| {
            let resource = Resource::new(&collector.service, node);
            let collector = Collector::new(collector, "metrics", config)?;
            let (close, closed) = oneshot::channel();
            tokio::task::spawn_local(tell_metrics(closed, collector, resource, *every));
            Ok::<_, String>(close)
        });
        Ok(Self { traces: traces.transpose()?, metrics: Mutex::new(metrics.transpose()?) })
    }

    /// Tells what there still is.
    pub(crate) async fn close(&self) {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = async {
            let (told, done) = oneshot::channel();
            if let Some(traces) = &self.traces
                && traces.queue.send(Item::Close(told)).await.is_ok()
            {
                let _ = done.await;
            }
            let (told, done) = oneshot::channel();
            if metrics.is_some_and(|metrics| metrics.send(told).is_ok()) {
                let _ = done.await;
            }
        };
        if timeout(CLOSE_TIMEOUT, ended).await.is_err() {
            tracing::warn!(timeout_s = CLOSE_TIMEOUT.as_secs(), "the collector took too long to hear the last of it");
        }
    }
}

impl Traces {
    /// A request is over.
    pub(crate) fn end(&self, mut trace: Box<Trace>) {
        if !trace.context.is_sampled {
            return;
        }
        trace.took = trace.began.elapsed();
        let spans = trace.spans.len() + 1;
        if self.queue.try_send(Item::Over(trace)).is_err() {
            drop_spans(spans);
        }
    }
}

async fn tell_traces(mut items: mpsc::Receiver<Item>, mut to: Collector, resource: Resource, is_simple: bool) {
    while let Some(item) = items.recv().await {
        let (mut batch, mut spans, mut close) = (Vec::new(), 0, None);
        let until = Instant::now() + DELAY;
        let mut next = Some(item);
        while let Some(item) = next.take() {
            match item {
                Item::Over(trace) => {
                    spans += trace.spans.len() + 1;
                    batch.push(trace);
                }
                Item::Close(told) => {
                    close = Some(told);
                    break;
                }
            }
            if !is_simple && spans < BATCH {
                next = timeout_at(until, items.recv()).await.ok().flatten();
            }
        }
        if !batch.is_empty() {
            match to.send(&resource.traces(&batch)).await {
                // It may take some and not others.
                Ok(answer) => drop_spans(messages::rejected_spans(&answer)),
                Err(()) => drop_spans(spans),
            }
        }
        if let Some(told) = close {
            let _ = told.send(());
        }
    }
}

async fn tell_metrics(
    mut closed: oneshot::Receiver<oneshot::Sender<()>>,
    mut to: Collector,
    resource: Resource,
    every: Duration,
) {
    let since = SystemTime::now();
    loop {
        let told = match timeout(every, &mut closed).await {
            Ok(Ok(told)) => Some(told),
            // Nobody is there to end it.
            Ok(Err(_)) => return,
            Err(_) => None,
        };
        // What is counted now is told with the next ones, if this does not come through.
        let _ = to.send(&resource.metrics(since)).await;
        if let Some(told) = told {
            let _ = told.send(());
            return;
        }
    }
}
