//! What plugins ask of the gateway: the log, HTTP requests, a store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::host::{FetchError, Host, Level, LogRecord, Store, StoreError};
use gateway_sdk::{Request, Response};

use crate::upstream::target::Target;
use crate::upstream::{self, Forward, ForwardError, Rules};

/// Entries that the store holds at most.
const STORE_ENTRIES: usize = 100_000;
/// A longer message of a plugin is cut.
const MESSAGE_BYTES: usize = 8 * 1024;

/// The gateway, as its plugins see it.
pub(crate) struct GatewayHost {
    rules: Rules,
    store: MemoryStore,
}

impl GatewayHost {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, store: MemoryStore::default() }
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
        let rules = Rules { timeout, ..self.rules };
        Box::pin(async move {
            let target = Target::of(request.uri()).map_err(|error| FetchError::Uri(error.to_string()))?;
            // The URI's own path is the whole path: nothing is joined to it.
            let path = request.uri().path().to_owned();
            let base = target.without_path();
            let how = Forward { target: &base, path: Some(&path), keep_host: false, client: None, rules };
            upstream::forward(request, how).await.map_err(|error| match error {
                ForwardError::Timeout(after) => FetchError::Timeout(after),
                ForwardError::Target(error) => FetchError::Uri(error.to_string()),
                other => FetchError::Failed(Box::new(other)),
            })
        })
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }
}

/// A message that cannot pass for another line, nor fill the log: plugins write what clients sent.
fn one_line(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES {
        let end = (0..=MESSAGE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    if text.contains(char::is_control) { text.escape_debug().to_string() } else { text }
}

/// The key-value store of one process. It is not kept over a restart.
#[derive(Default)]
struct MemoryStore(Mutex<HashMap<String, Entry>>);

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

type Entries = HashMap<String, Entry>;

impl MemoryStore {
    fn act<T: Send + 'static>(&self, act: impl FnOnce(&mut Entries) -> T) -> BoxFuture<'_, T> {
        let result = act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(result))
    }
}

/// Makes room for one entry more, by dropping what has expired.
fn room(entries: &mut Entries, key: &str) -> Result<(), StoreError> {
    if entries.len() >= STORE_ENTRIES && !entries.contains_key(key) {
        entries.retain(|_, entry| entry.is_live());
        if entries.len() >= STORE_ENTRIES {
            return Err(StoreError::Full);
        }
    }
    Ok(())
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.act(|entries| Ok(entries.get(key).filter(|entry| entry.is_live()).map(|entry| entry.value.clone())))
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.act(|entries| {
            room(entries, key)?;
            entries.insert(key.to_owned(), Entry::new(value, ttl));
            Ok(())
        })
    }

    fn increment<'a>(&'a self, key: &'a str, by: i64, ttl: Option<Duration>) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.act(|entries| {
            room(entries, key)?;
            match entries.get_mut(key).filter(|entry| entry.is_live()) {
                Some(entry) => {
                    let text = std::str::from_utf8(&entry.value).map_err(|_| StoreError::NotANumber)?;
                    let old: i64 = text.parse().map_err(|_| StoreError::NotANumber)?;
                    let sum = old.saturating_add(by);
                    entry.value = sum.to_string().into();
                    Ok(sum)
                }
                None => {
                    entries.insert(key.to_owned(), Entry::new(by.to_string().into(), ttl));
                    Ok(by)
                }
            }
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

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("it's \"fine\" ä".to_owned()), "it's \"fine\" ä");
        assert_eq!(one_line("two\nlines".to_owned()), "two\\nlines");
        let long = one_line("ä".repeat(MESSAGE_BYTES));
        assert_eq!(long.len(), MESSAGE_BYTES + '…'.len_utf8());
    }

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
