//! Key sets: fetched when they are asked for, and kept for a while. Source: gateway.md §5.15; Tyk, `gateway/mw_jwt.go`.
//!
//! # Invariants
//! - A set is asked for by one request at a time, whoever waits for it, on whatever core.
//! - What was fetched is used until something newer was: an issuer that is down locks nobody out who was let in before,
//!   and who shows a key that is known never waits for it.
//! - A set that cannot be read is not asked for again for [`PAUSE`]; nor is one again for a key that it does not have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::http::header::ACCEPT;
use gateway_sdk::{Body, BodyError, HeaderValue, Request, StatusCode, Uri, http};

use super::jwk::{self, JwksError, Keys};
use super::key::Key;
use super::refusal::JwtError;
use crate::host::Outgoing;

/// Tyk's own: how long a set is kept.
pub(crate) const LIFETIME: Duration = Duration::from_secs(240);
/// How long a set may take to come.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A larger one is none, in bytes: a key takes half a kilobyte.
const LIMIT: usize = 256 * 1024;
/// Between two attempts that would be in vain.
const PAUSE: Duration = Duration::from_secs(5);

/// Why a set cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SetError {
    #[error("{0}")]
    Fetch(Arc<dyn std::error::Error + Send + Sync>),
    #[error("it answers with status {0}; name the URL where the set itself is")]
    Status(StatusCode),
    #[error("its body: {0}")]
    Body(Arc<BodyError>),
    #[error("it takes longer than {} s", TIMEOUT.as_secs())]
    Slow,
    #[error(transparent)]
    Set(Arc<JwksError>),
    #[error("it was not asked again so soon after a failure")]
    Paused,
}

/// Where sets come from.
pub(super) trait Source: Send + Sync {
    fn fetch(&self, url: &Uri) -> BoxFuture<'static, Result<Bytes, SetError>>;
}

impl Source for Outgoing {
    fn fetch(&self, url: &Uri) -> BoxFuture<'static, Result<Bytes, SetError>> {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.uri = url.clone();
        head.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = Self::fetch(self, Request::from_parts(head, Body::empty()), TIMEOUT);
        Box::pin(async move {
            let mut response = answer.await.map_err(|error| SetError::Fetch(Arc::new(error)))?;
            if response.status() != StatusCode::OK {
                return Err(SetError::Status(response.status()));
            }
            response.body_mut().bytes(LIMIT).await.map_err(|error| SetError::Body(Arc::new(error)))
        })
    }
}

/// The sets that APIs name, each once.
pub(crate) struct KeySets {
    source: Arc<dyn Source>,
    lifetime: Duration,
    sets: Mutex<HashMap<(String, Duration), Weak<KeySet>>>,
}

impl KeySets {
    /// Sets that are kept for `lifetime` where definitions do not say for how long.
    pub(crate) fn new(outgoing: Outgoing, lifetime: Duration) -> Self {
        Self { source: Arc::new(outgoing), lifetime, sets: Mutex::default() }
    }

    /// The set at a URL, which may be in use already.
    pub(super) fn of(&self, url: &Uri, lifetime: Option<Duration>) -> Arc<KeySet> {
        let lifetime = lifetime.unwrap_or(self.lifetime);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|_, set| set.strong_count() > 0);
        let name = (url.to_string(), lifetime);
        if let Some(set) = sets.get(&name).and_then(Weak::upgrade) {
            return set;
        }
        let set = Arc::new(KeySet::new(url.clone(), lifetime, Arc::clone(&self.source)));
        sets.insert(name, Arc::downgrade(&set));
        set
    }

    /// Forgets what was fetched from these URLs, or from all.
    pub(crate) fn forget(&self, urls: Option<&[Uri]>) {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        for set in sets.values().filter_map(Weak::upgrade) {
            if urls.is_none_or(|urls| urls.contains(&set.url)) {
                set.state.store(Arc::default());
            }
        }
    }
}

/// One set.
pub(super) struct KeySet {
    url: Uri,
    lifetime: Duration,
    /// How long it may take to come.
    patience: Duration,
    source: Arc<dyn Source>,
    state: ArcSwap<State>,
    /// Is held by who fetches it.
    turn: tokio::sync::Mutex<()>,
}

/// What is known of a set. It is swapped whole.
#[derive(Clone, Default)]
struct State {
    keys: Option<Arc<Keys>>,
    /// When it is to be fetched again; `None` is now.
    due: Option<Instant>,
    /// When it was last fetched for a key that it did not have.
    missed: Option<Instant>,
    /// Why it could not be fetched the last time.
    failed: Option<SetError>,
}

/// What a set has of a name.
pub(super) enum Look {
    Keys(Vec<Arc<Key>>),
    Nothing,
    /// It has to be fetched first.
    Due,
}

impl State {
    fn keys(&self, kid: &str) -> Vec<Arc<Key>> {
        let named = self.keys.iter().flat_map(|keys| keys.iter()).filter(|(name, _)| name == kid);
        named.map(|(_, key)| Arc::clone(key)).collect()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    fn look(&self, kid: &str, now: Instant) -> Look {
        let keys = self.keys(kid);
        if !keys.is_empty() {
            return Look::Keys(keys);
        }
        if self.is_due(now) {
            return Look::Due;
        }
        let is_missed = self.missed.is_some_and(|missed| now < missed + PAUSE);
        match &self.keys {
            Some(_) if !is_missed && self.failed.is_none() => Look::Due,
            _ => Look::Nothing,
        }
    }
}

impl KeySet {
    fn new(url: Uri, lifetime: Duration, source: Arc<dyn Source>) -> Self {
        let (state, turn) = (ArcSwap::default(), tokio::sync::Mutex::default());
        Self { url, lifetime, patience: TIMEOUT, source, state, turn }
    }

    /// Fetches the set while others go on with what is known of it, unless somebody does already.
    fn renew(self: &Arc<Self>, kid: &str, now: Instant) {
        if self.turn.try_lock().is_ok() {
            tokio::spawn(Arc::clone(self).fetch_apart(kid.to_owned(), now));
        }
    }

    /// Fetches the set in a task of its own, which goes on when nobody waits for it any longer.
    async fn fetch_apart(self: Arc<Self>, kid: String, now: Instant) {
        let this = Arc::clone(&self);
        // A runtime that ends takes its tasks with it: nothing is known then.
        if let Err(error) = tokio::spawn(async move { this.fetch(&kid, now).await }).await
            && error.is_panic()
        {
            tracing::error!(url = self.shown(), %error, "a key set is not read: this is a mistake of ours; report it");
        }
    }

    /// Fetches the set, unless somebody did while this one waited for its turn.
    async fn fetch(&self, kid: &str, now: Instant) {
        let _turn = self.turn.lock().await;
        let before = self.state.load_full();
        if !before.is_due(now) && !matches!(before.look(kid, now), Look::Due) {
            return;
        }
        let is_missed = before.due.is_some_and(|due| now < due);
        let begun = Instant::now();
        let fetched = match tokio::time::timeout(self.patience, self.source.fetch(&self.url)).await {
            Ok(Ok(text)) => jwk::read(&text).map_err(|error| SetError::Set(Arc::new(error))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SetError::Slow),
        };
        let now = now + begun.elapsed();
        let missed = if is_missed { Some(now) } else { before.missed };
        self.state.store(Arc::new(match fetched {
            Ok(keys) => {
                if before.failed.is_some() {
                    tracing::info!(url = self.shown(), keys = keys.len(), "a key set can be read again");
                }
                State { keys: Some(Arc::new(keys)), due: Some(now + self.lifetime), missed, failed: None }
            }
            Err(error) => {
                let kept = before.keys.as_ref().map_or(0, |keys| keys.len());
                tracing::error!(url = self.shown(), kept, %error, "a key set cannot be read: what was known goes on");
                State { keys: before.keys.clone(), due: Some(now + PAUSE), missed, failed: Some(error) }
            }
        }));
    }

    /// Its URL, without what may be secret of it.
    fn shown(&self) -> String {
        let (host, port) = (self.url.host().unwrap_or_default(), self.url.port_u16());
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.url.scheme_str().unwrap_or("http"), self.url.path())
    }
}

/// What several sets know of a key, the first first. One that is old is fetched anew meanwhile.
pub(super) fn look(sets: &[Arc<KeySet>], kid: &str, now: Instant) -> Look {
    let mut none = Look::Nothing;
    for set in sets {
        let state = set.state.load();
        match state.look(kid, now) {
            Look::Nothing => {}
            Look::Due => none = Look::Due,
            Look::Keys(keys) => {
                if state.is_due(now) {
                    set.renew(kid, now);
                }
                return Look::Keys(keys);
            }
        }
    }
    none
}

/// The keys of a name, fetched where they have to be. Whoever does not wait any longer takes nothing from those who do.
///
/// # Errors
/// When there are none, or nothing can be known of them.
pub(super) async fn fetch(sets: &[Arc<KeySet>], kid: &str, now: Instant) -> Result<Vec<Arc<Key>>, JwtError> {
    let mut failed = None;
    for set in sets {
        Arc::clone(set).fetch_apart(kid.to_owned(), now).await;
        let state = set.state.load();
        let keys = state.keys(kid);
        if !keys.is_empty() {
            return Ok(keys);
        }
        if state.keys.is_none() {
            failed = Some(state.failed.clone().unwrap_or(SetError::Paused));
        }
    }
    Err(failed.map_or(JwtError::UnknownKid, JwtError::NoKeySet))
}

#[cfg(test)]
mod tests;
