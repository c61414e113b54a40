//! What plugins ask of the gateway: the log, HTTP requests, a store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::host::{FetchError, Host, Level, LogRecord, Store, StoreError};
use gateway_sdk::{Request, Response};

use crate::clock::Exact;
use crate::telemetry::one_line;
use crate::upstream::balance::Aim;
use crate::upstream::target::Target;
use crate::upstream::transport::Transport;
use crate::upstream::{self, Forward, ForwardError, Rules};

/// What the store holds at most.
const STORE_ENTRIES: usize = 100_000;
const STORE_BYTES: usize = 64 * 1024 * 1024;
/// How often a full store looks for what has expired.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

/// Requests of the gateway itself, to any server.
pub(crate) struct Outgoing {
    rules: Rules,
    transport: Arc<Transport>,
}

impl Outgoing {
    pub(crate) fn new(rules: Rules, transport: Transport) -> Self {
        Self { rules, transport: Arc::new(transport) }
    }

    /// As [`Host::fetch`].
    pub(crate) fn fetch(
        &self,
        mut request: Request,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Response, FetchError>> {
        let rules = Rules { timeout, ..self.rules };
        let transport = Arc::clone(&self.transport);
        Box::pin(async move {
            let target = Target::of(request.uri(), &transport).map_err(|error| FetchError::Uri(error.to_string()))?;
            // The URI's own path is the whole path: nothing is joined to it.
            let base = target.without_path();
            let how = Forward {
                aim: Aim::One(&base),
                transport: &transport,
                enforced: None,
                strip: None,
                keep_host: false,
                client: None,
                rules,
            };
            upstream::forward(&mut request, how, Exact::default()).await.map_err(|error| match error {
                ForwardError::Timeout(after) => FetchError::Timeout(after),
                ForwardError::Target(error) => FetchError::Uri(error.to_string()),
                other => FetchError::Failed(Box::new(other)),
            })
        })
    }
}

/// The gateway, as its plugins see it.
pub(crate) struct GatewayHost {
    outgoing: Outgoing,
    store: MemoryStore,
}

impl GatewayHost {
    pub(crate) fn new(outgoing: Outgoing) -> Self {
        Self { outgoing, store: MemoryStore::default() }
    }
}

impl Host for GatewayHost {
    fn logs(&self, level: Level) -> bool {
        match level {
            Level::Debug => tracing::enabled!(tracing::Level::DEBUG),
            Level::Info => tracing::enabled!(tracing::Level::INFO),
            Level::Warn => tracing::enabled!(tracing::Level::WARN),
            Level::Error => true,
        }
    }

    fn log(&self, record: &LogRecord<'_>) {
        let LogRecord { api_id, request_id, .. } = record;
        let plugin = record.plugin.map(|plugin| plugin.name);
        let message = one_line(record.message.to_string());
        match record.level {
            Level::Debug => tracing::debug!(plugin, api_id, request_id, "{message}"),
            Level::Info => tracing::info!(plugin, api_id, request_id, "{message}"),
            Level::Warn => tracing::warn!(plugin, api_id, request_id, "{message}"),
            Level::Error => tracing::error!(plugin, api_id, request_id, "{message}"),
        }
    }

    fn fetch(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, FetchError>> {
        self.outgoing.fetch(request, timeout)
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }
}

/// The key-value store of one process. It is not kept over a restart.
#[derive(Default)]
struct MemoryStore(Mutex<Entries>);

struct Entry {
    value: Bytes,
    expires: Option<Instant>,
}

impl Entry {
    fn new(value: Bytes, ttl: Option<Duration>) -> Self {
        Self { value, expires: ttl.and_then(|ttl| Instant::now().checked_add(ttl)) }
    }

    fn is_live(&self) -> bool {
        self.expires.is_none_or(|at| at > Instant::now())
    }
}

#[derive(Default)]
struct Entries {
    map: HashMap<String, Entry>,
    /// Of all keys and values.
    bytes: usize,
    /// When expired entries were last looked for: the search takes as long as the store is large.
    purged: Option<Instant>,
}

impl Entries {
    fn live(&self, key: &str) -> Option<&Entry> {
        self.map.get(key).filter(|entry| entry.is_live())
    }

    fn put(&mut self, key: &str, entry: Entry) -> Result<(), StoreError> {
        self.remove(key);
        let size = key.len() + entry.value.len();
        if !self.fits(size) && self.purged.is_none_or(|at| at.elapsed() >= PURGE_INTERVAL) {
            self.map.retain(|_, entry| entry.is_live());
            self.bytes = self.map.iter().map(|(key, entry)| key.len() + entry.value.len()).sum();
            self.purged = Some(Instant::now());
        }
        if !self.fits(size) {
            return Err(StoreError::Full);
        }
        self.bytes += size;
        self.map.insert(key.to_owned(), entry);
        Ok(())
    }

    fn fits(&self, size: usize) -> bool {
        self.map.len() < STORE_ENTRIES && self.bytes + size <= STORE_BYTES
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.map.remove(key) {
            self.bytes -= key.len() + entry.value.len();
        }
    }
}

impl MemoryStore {
    fn act<T: Send + 'static>(&self, act: impl FnOnce(&mut Entries) -> T) -> BoxFuture<'_, T> {
        let result = act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(result))
    }
}

fn number(value: &[u8]) -> Result<i64, StoreError> {
    let text = std::str::from_utf8(value).map_err(|_| StoreError::NotANumber)?;
    text.parse().map_err(|_| StoreError::NotANumber)
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.act(|entries| Ok(entries.live(key).map(|entry| entry.value.clone())))
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.act(|entries| entries.put(key, Entry::new(value, ttl)))
    }

    fn increment<'a>(&'a self, key: &'a str, by: i64, ttl: Option<Duration>) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.act(|entries| {
            let (old, expires) = match entries.live(key) {
                Some(entry) => (number(&entry.value)?, entry.expires),
                None => (0, Entry::new(Bytes::new(), ttl).expires),
            };
            let sum = old.saturating_add(by);
            entries.put(key, Entry { value: sum.to_string().into(), expires })?;
            Ok(sum)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.act(|entries| {
            entries.remove(key);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_counter_starts_at_its_first_step_and_expires_with_it() {
        let store = MemoryStore::default();
        let gone = Some(Duration::ZERO);
        assert_eq!(store.increment("a", 2, None).await.expect("a sum"), 2);
        assert_eq!(store.increment("a", 3, gone).await.expect("a sum"), 5);
        assert_eq!(store.increment("b", 1, gone).await.expect("a sum"), 1);
        assert_eq!(store.increment("b", 1, gone).await.expect("a sum"), 1, "the first has expired");
        assert!(store.get("b").await.expect("an answer").is_none());
    }

    #[tokio::test]
    async fn what_is_not_a_number_cannot_be_counted() {
        let store = MemoryStore::default();
        store.set("a", "x".into(), None).await.expect("room");
        assert!(matches!(store.increment("a", 1, None).await, Err(StoreError::NotANumber)));
    }

    #[tokio::test]
    async fn a_full_store_says_so_and_makes_room_by_what_has_expired() {
        let store = MemoryStore::default();
        for n in 0..STORE_ENTRIES {
            let ttl = (n == 0).then_some(Duration::ZERO);
            store.set(&n.to_string(), Bytes::new(), ttl).await.expect("room");
        }
        store.set("one more", Bytes::new(), None).await.expect("the expired one made room");
        assert!(matches!(store.set("two more", Bytes::new(), None).await, Err(StoreError::Full)));
        store.set("one more", "again".into(), None).await.expect("it is there already");
    }
}
