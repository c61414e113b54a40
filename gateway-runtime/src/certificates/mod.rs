//! Certificates and public keys in the store, under `cert-raw-<id>`: PEM as Tyk keeps it. Tyk reads what is written here,
//! and the other way round. Source: Tyk, `certs/manager.go`; gateway.md §2.9, §7.7.
//!
//! | to find | look in |
//! |---|---|
//! | how one is found by its id, for a load or for a request | [`Certificates`], here |
//! | how one is added, removed and listed | `record.rs` |
//! | what is under an id, and what is taken in | `stored.rs` |
//! | what a certificate says of itself, for the control API | `details.rs` |
//! | how private keys are encrypted, and PEM with headers | `sealed.rs` |
//!
//! # Invariants
//! - An id is an organisation's, and 64 hexadecimal digits: the SHA-256 of the certificate or of the public key.
//! - A load asks the store before it needs a certificate ([`Certificates::refresh`]), and then only looks at what came.
//! - That an id is not known is never remembered for a request.
//! - Others are not told of a change, as with Tyk: they notice within ten seconds, and what was loaded, at a reload.

mod details;
mod record;
mod sealed;
mod stored;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;

use crate::later::Later;
use crate::storage::{Secret, Store, StoreError};

pub(crate) use details::{Basics, Meta};
pub(crate) use record::AddError;
pub(crate) use stored::{Stored, Unfit, Unreadable};

/// What the name of a stored certificate begins with.
const STORED: &str = "cert-raw-";
/// Hexadecimal digits of a SHA-256, which end an id.
const DIGITS: usize = 64;
/// How long requests use what one of them has looked up.
const LIFETIME: Duration = Duration::from_secs(10);
/// Certificates that are kept for requests.
const MOST: usize = 4096;

/// The certificates in the store; a copy costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Certificates(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Encrypts private keys.
    secret: Secret,
    /// What the configuration names: every load looks them up.
    named: Vec<String>,
    store: Later,
    loaded: ArcSwap<FxHashMap<String, Looked>>,
    recent: Mutex<FxHashMap<String, (Instant, Arc<Stored>)>>,
}

/// What a load has found under an id.
#[derive(Debug, Clone)]
pub(crate) enum Looked {
    Found(Arc<Stored>),
    Missing,
    /// It is there and cannot be used, or the store does not answer.
    Failed(Arc<LookUpError>),
}

/// Why an id gives nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookUpError {
    #[error("the certificate cannot be looked up: {0}")]
    Store(#[from] StoreError),
    #[error(
        "what is stored under `cert-raw-{id}` cannot be used: {reason}; delete it with `DELETE /tyk/certs/{id}`, and add it anew"
    )]
    Corrupt { id: String, reason: Unreadable },
    #[error(
        "the private key under `cert-raw-{id}` is encrypted with another secret than this gateway's; set \
         `security.private_certificate_encoding_secret` to the one that it was added with"
    )]
    Secret { id: String },
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({} loaded)", self.0.loaded.load().len())
    }
}

/// Whether a text may be the id of a certificate: others are files.
pub(crate) fn is_id(text: &str) -> bool {
    let digits = text.len().checked_sub(DIGITS).and_then(|begin| text.get(begin..));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) && !text.contains('/')
}

/// What may be ids in a definition: what is in quotes, or in a list joined by commas.
fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(['"', ',']).map(str::trim).filter(|text| is_id(text))
}

/// Whether a definition may name a certificate in the store.
pub(crate) fn is_named_in(text: &str) -> bool {
    ids_in(text).next().is_some()
}

impl Certificates {
    /// Private keys are encrypted with `secret`; `named` is what the configuration names, ids among files.
    pub(crate) fn new<'n>(secret: Secret, named: impl IntoIterator<Item = &'n str>) -> Self {
        let named = named.into_iter().flat_map(ids_in).map(str::to_owned).collect();
        Self(Arc::new(Inner { secret, named, ..Inner::default() }))
    }

    /// From here on there is a store.
    pub(crate) fn open(&self, store: Store) {
        self.0.store.open(store);
    }

    /// Whether the configuration names an id.
    pub(crate) fn are_named(&self) -> bool {
        !self.0.named.is_empty()
    }

    /// Looks up what the configuration and these definitions name, and forgets what none of them does any longer. What the
    /// store does not tell stays as it was. Before the store is open nothing is looked up.
    pub(crate) async fn refresh<'t>(&self, texts: impl Iterator<Item = &'t str>) {
        let ids: BTreeSet<String> =
            self.0.named.iter().cloned().chain(texts.flat_map(ids_in).map(str::to_owned)).collect();
        let Some(store) = self.0.store.opened() else { return };
        let before = self.0.loaded.load_full();
        let mut loaded = FxHashMap::default();
        for id in ids {
            let looked = self.ask(store, &id, before.get(&id)).await;
            loaded.insert(id, looked);
        }
        self.0.loaded.store(Arc::new(loaded));
        self.recent().clear();
    }

    /// Looks up what one more definition names.
    pub(crate) async fn fetch(&self, text: &str) {
        let Some(store) = self.0.store.opened() else { return };
        for id in ids_in(text).map(str::to_owned).collect::<BTreeSet<_>>() {
            let before = self.0.loaded.load_full();
            let looked = self.ask(store, &id, before.get(&id)).await;
            self.keep(&id, &looked);
        }
    }

    /// What a load has found under an id; `None` before the store was asked.
    pub(crate) fn loaded(&self, id: &str) -> Option<Looked> {
        self.0.loaded.load().get(id).cloned()
    }

    /// What a request has found under an id a moment ago.
    pub(crate) fn cached(&self, id: &str) -> Option<Arc<Stored>> {
        let now = Instant::now();
        self.recent().get(id).filter(|(until, _)| now < *until).map(|(_, stored)| Arc::clone(stored))
    }

    /// What is under an id, for a request; `None` if there is nothing.
    ///
    /// # Errors
    /// When the store does not answer, or what it has cannot be used.
    pub(crate) async fn look_up(&self, id: &str) -> Result<Option<Arc<Stored>>, LookUpError> {
        if let Some(stored) = self.cached(id) {
            return Ok(Some(stored));
        }
        let Some(stored) = self.stored(id).await?.map(Arc::new) else { return Ok(None) };
        let now = Instant::now();
        let mut recent = self.recent();
        if recent.len() >= MOST {
            recent.retain(|_, (until, _)| now < *until);
        }
        if recent.len() < MOST {
            recent.insert(id.to_owned(), (now + LIFETIME, Arc::clone(&stored)));
        }
        Ok(Some(stored))
    }

    /// What the store says of an id. Who does not answer has changed nothing.
    async fn ask(&self, store: &Store, id: &str, before: Option<&Looked>) -> Looked {
        match self.read(store, id).await {
            Ok(Some(stored)) => Looked::Found(Arc::new(stored)),
            Ok(None) => Looked::Missing,
            Err(error @ LookUpError::Store(_)) => match before {
                Some(Looked::Found(stored)) => {
                    tracing::warn!(id, %error, "the certificate that was read before stays in use");
                    Looked::Found(Arc::clone(stored))
                }
                _ => Looked::Failed(Arc::new(error)),
            },
            Err(error) => Looked::Failed(Arc::new(error)),
        }
    }

    fn keep(&self, id: &str, looked: &Looked) {
        self.0.loaded.rcu(|loaded| {
            let mut loaded = FxHashMap::clone(loaded);
            loaded.insert(id.to_owned(), looked.clone());
            loaded
        });
    }

    fn recent(&self) -> MutexGuard<'_, FxHashMap<String, (Instant, Arc<Stored>)>> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
