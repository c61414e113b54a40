//! Analytics: one record of each request to an API that is tracked.
//!
//! | to find | look in |
//! |---|---|
//! | which requests have a record, and who asks for what | [`Tracking`], here |
//! | what is noted while a request is on its way | `draft.rs`; requests and responses whole, `raw.rs` |
//! | what is made of that behind the requests' back: the plugin, the sinks' pace | `worker.rs` |
//! | what paths are made to look like | `normal.rs` |
//! | where records go | `sink.rs`, `file.rs` |
//! | how they are written | `json.rs`; for Redis, `msgpack.rs` |
//!
//! # Invariants
//! - A request waits for nothing here: it notes what it knows, and puts it into a queue that has a bound. What finds no
//!   room is dropped and counted.
//! - Plugins, encodings and files are the business of one thread of its own, which serves nobody.
//! - What a plugin is to change and has not, since it is missing or has failed, is not kept.
//!
//! Source: gateway.md §8.1 to §8.4, plugin-system.md §5.

mod draft;
mod file;
mod json;
#[cfg(feature = "redis")]
mod msgpack;
mod normal;
mod raw;
mod sink;
mod worker;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_model::{ApiDefinition, Session};
use gateway_sdk::HeaderName;
use gateway_sdk::analytics::Draft;
use gateway_sdk::host::Host;
use tokio::sync::{mpsc, oneshot};

use crate::chain::PluginCall;
use crate::metrics::{self, RecordDropped};

pub(crate) use draft::{answered, begin, finish, sending, stopped};
pub(crate) use normal::Normal;
pub(crate) use worker::{StartError, Worker};

/// How long records that are on their way may take to be kept, when the process ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// What requests and responses in the queue may hold together, in bytes.
const RAW_HELD: usize = 64 * 1024 * 1024;

/// What the configuration says of analytics.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Clients whose requests have no records.
    pub(crate) ignored: Vec<IpAddr>,
    /// Which entry of `X-Forwarded-For` is the client's.
    pub(crate) xff_depth: i64,
    /// Every record holds its request and response.
    pub(crate) detailed: bool,
    pub(crate) normal: Normal,
    /// Records that wait.
    pub(crate) capacity: usize,
    pub(crate) sink: SinkSettings,
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkSettings {
    /// Lines of JSON.
    File(FileSettings),
    /// The same, to the standard output.
    Stdout,
    /// A list in the store, which is Redis.
    Redis {
        /// One of ten lists, in turn.
        several: bool,
        /// How long a list lives that nobody empties; `None` is for good.
        ttl: Option<Duration>,
    },
}

/// A file that is followed by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSettings {
    pub(crate) path: PathBuf,
    /// Whether somebody wrote `path`: a file that cannot be written is then a mistake.
    pub(crate) is_set: bool,
    /// Of one file.
    pub(crate) max_bytes: u64,
    /// With the one that is written.
    pub(crate) max_files: usize,
}

/// The queue of records, and what is common to all APIs.
#[derive(Debug)]
pub(crate) struct Analytics {
    pub(crate) settings: Settings,
    queue: mpsc::Sender<Item>,
    /// Of requests and responses in the queue, in bytes.
    raw: AtomicUsize,
    worker: Mutex<Option<oneshot::Receiver<()>>>,
}

/// What the queue holds.
enum Item {
    Over(Box<Over>),
    /// All before it are to be kept.
    Close,
}

/// A request that is over.
struct Over {
    draft: Box<Draft>,
    session: Option<Arc<Session>>,
    tracking: Arc<Tracking>,
    /// Of its request and response, in bytes.
    raw: usize,
}

/// How the requests of one API are written down.
pub(crate) struct Tracking {
    pub(crate) analytics: Arc<Analytics>,
    definition: Arc<ApiDefinition>,
    /// Those that become tags, as they are written there.
    headers: Box<[HeaderName]>,
    detailed: bool,
    /// `Err`: the plugin's name, which nothing in this binary has.
    plugin: Option<Result<PluginCall, String>>,
    host: Arc<dyn Host>,
}

impl Analytics {
    /// The queue, and who is to empty it.
    pub(crate) fn new(settings: Settings) -> (Arc<Self>, Worker) {
        let (queue, items) = mpsc::channel(settings.capacity);
        let analytics = Arc::new(Self { settings, queue, raw: AtomicUsize::new(0), worker: Mutex::default() });
        (Arc::clone(&analytics), Worker::new(analytics, items))
    }

    /// Waits until all records are kept that there are; there are no more.
    pub(crate) async fn close(&self) {
        let Some(ended) = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let done = async {
            // It may have ended by itself.
            let _ = self.queue.send(Item::Close).await;
            let _ = ended.await;
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, done).await.is_err() {
            tracing::error!(timeout_s = CLOSE_TIMEOUT.as_secs(), "analytics records took too long to be kept");
        }
    }

    fn push(&self, mut over: Box<Over>) {
        let record = &mut over.draft.record;
        let raw = record.raw_request.len() + record.raw_response.len();
        if raw > 0 {
            if self.raw.fetch_add(raw, Ordering::Relaxed).saturating_add(raw) > RAW_HELD {
                self.raw.fetch_sub(raw, Ordering::Relaxed);
                (record.raw_request, record.raw_response) = (Vec::new(), Vec::new());
                metrics::record_dropped(RecordDropped::Raw);
            } else {
                over.raw = raw;
            }
        }
        if let Err(refused) = self.queue.try_send(Item::Over(over)) {
            if let Item::Over(over) = refused.into_inner() {
                self.release(&over);
            }
            metrics::record_dropped(RecordDropped::Queue);
        }
    }

    /// What a request and a response held is free.
    fn release(&self, over: &Over) {
        if over.raw > 0 {
            self.raw.fetch_sub(over.raw, Ordering::Relaxed);
        }
    }
}

impl Tracking {
    pub(crate) fn new(
        analytics: &Arc<Analytics>,
        definition: &Arc<ApiDefinition>,
        plugin: Option<Result<PluginCall, String>>,
        host: &Arc<dyn Host>,
    ) -> Arc<Self> {
        // What is no name is on no request.
        let headers = definition.tag_headers.iter().filter_map(|name| name.trim().parse().ok());
        Arc::new(Self {
            headers: headers.collect(),
            detailed: analytics.settings.detailed || definition.enable_detailed_recording,
            analytics: Arc::clone(analytics),
            definition: Arc::clone(definition),
            plugin,
            host: Arc::clone(host),
        })
    }

    /// Whether the record of a session's request holds it, and its response.
    fn is_detailed(&self, session: Option<&Session>) -> bool {
        self.detailed
            || session.is_some_and(|session| session.enable_detailed_recording || session.enable_detail_recording)
    }
}

impl Over {
    /// The client has its answer.
    fn end(mut self: Box<Self>) {
        let Draft { record, begun, upstream, raw_request, .. } = &mut *self.draft;
        if let Some(transcript) = raw_request.take() {
            record.raw_request = transcript.take();
        }
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (total, upstream) = (ms(Instant::now().saturating_duration_since(*begun)), ms(*upstream));
        record.request_time = total;
        record.latency = gateway_sdk::analytics::Latency { total, upstream, gateway: total - upstream };
        let analytics = Arc::clone(&self.tracking.analytics);
        analytics.push(self);
    }
}
