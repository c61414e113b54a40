//! How keys are written, deleted and listed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_model::Session;
use gateway_sdk::exchange::BoxFuture;
use serde_json::error::Category;

use super::{KeyError, Keyring, Known};
use crate::clock::unix_now;
use crate::session::cache::{SessionCache, Ticket};
use crate::session::key::{STORED, obfuscated};
use crate::session::lifetime::{LifetimeRules, lifetime};
use crate::storage::{Reply, StoreError};

/// In place of an organisation: what plugins have saved is kept beside what clients were looked up by.
const SAVED: &str = "\0saved";

/// A write that is under way.
pub(crate) type Save = BoxFuture<'static, ()>;

/// Where a record is wrong. What stands there is not told: it may be a secret.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{why} at line {line}, column {column}")]
pub(crate) struct Misread {
    why: &'static str,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for Misread {
    fn from(error: serde_json::Error) -> Self {
        let why = match error.classify() {
            Category::Io => "it cannot be read",
            Category::Syntax => "it is no JSON",
            Category::Data => "a value is of another type",
            Category::Eof => "it ends too early",
        };
        Self { why, line: error.line(), column: error.column() }
    }
}

/// A session that a plugin wants to be saved, and that is not yet.
pub(crate) struct Unsaved {
    pub(crate) known: Known,
    /// It is stored already, as it was before.
    pub(crate) is_stored: bool,
}

impl Unsaved {
    /// Saves it. `None`: there is nothing to wait for.
    pub(crate) fn save(&self, keyring: &Arc<Keyring>) -> Option<Save> {
        keyring.save(&self.known, self.is_stored)
    }
}

impl Keyring {
    /// The id under which a key is stored, and by which its limits count.
    pub(crate) fn id_of<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.settings.rules.stored_id(key)
    }

    /// The session that is stored under an id, as it was written.
    ///
    /// # Errors
    /// When the store does not answer, or what it has is no session.
    pub(crate) async fn stored(&self, id: &str) -> Result<Option<Session>, KeyError> {
        let Some(value) = self.store.get().keys().get(&name(id)).wait().await? else { return Ok(None) };
        Session::from_json(&value).map(Some).map_err(|error| {
            // Where keys are not hashed it is the key.
            let shown = if self.settings.rules.hash_keys { id.to_owned() } else { obfuscated(id) };
            KeyError::Corrupt { id: id.to_owned(), shown, error: error.into() }
        })
    }

    /// Writes the session under an id, for as long as it and the APIs say.
    ///
    /// # Errors
    /// When the store does not take it.
    pub(crate) async fn put(&self, id: &str, session: &Session) -> Result<(), StoreError> {
        let written = self.store.get().keys().set(&name(id), value(session), self.lifetime(session)).wait().await;
        self.forget(id);
        written
    }

    /// The same, and only if there is something under the id still; says whether there was. Who changes what was read a
    /// moment ago does not bring back a key that somebody has deleted meanwhile.
    ///
    /// # Errors
    /// When the store does not take it.
    pub(crate) async fn replace(&self, id: &str, session: &Session) -> Result<bool, StoreError> {
        let written = self.store.get().keys().replace(&name(id), value(session), self.lifetime(session)).wait().await;
        self.forget(id);
        written
    }

    /// Writes the session of its key, which the gateway made itself, and keeps it for the next requests to APIs of an
    /// organisation. A failure is logged, and the request goes on. Source: gateway.md §5.3.
    pub(crate) async fn enter(&self, org_id: &str, session: Session) -> Known {
        let id = self.id_of(&session.key_id).into_owned();
        self.forget(&id);
        let ticket = self.cache.as_ref().map(SessionCache::ticket);
        let (name, lifetime) = (name(&id), self.lifetime(&session));
        if let Err(error) = self.store.get().keys().set(&name, value(&session), lifetime).wait().await {
            tracing::error!(key = obfuscated(&session.key_id), %error, "the session of a token is not saved");
        }
        let known = Known { session: Arc::new(session), id: id.into() };
        if let Some((cache, ticket)) = self.cache.as_ref().zip(ticket) {
            cache.keep(ticket, org_id, &known.session.key_id, known.clone(), Instant::now());
        }
        known
    }

    /// Deletes what is stored under an id; whether there was anything.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn delete(&self, id: &str) -> Result<bool, StoreError> {
        let deleted = self.store.get().keys().delete(&name(id)).wait().await;
        self.forget(id);
        deleted
    }

    /// The ids that begin with `prefix`, in their order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn ids(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let names = self.store.get().keys().list(&name(prefix)).wait().await?;
        let mut ids: Vec<String> =
            names.iter().filter_map(|name| name.strip_prefix(STORED).map(str::to_owned)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Forgets what is kept of the session under an id: it was changed, here or by another gateway.
    pub(crate) fn forget(&self, id: &str) {
        if let Some(cache) = &self.cache {
            cache.forget(id);
        }
    }

    /// Saves a session that a plugin has set. `None`: it is saved, or was so a moment ago, as it is.
    ///
    /// One that `is_stored` already is written only if it still is: who deleted it meanwhile has the last word. A failure
    /// is logged, and the request goes on. Source: plugin-system.md §4.8.
    pub(crate) fn save(self: &Arc<Self>, known: &Known, is_stored: bool) -> Option<Save> {
        let Known { session, id } = known;
        let saved = self.cache.as_ref().and_then(|cache| cache.get(SAVED, id, Instant::now()));
        if saved.is_some_and(|saved| saved.session == *session) {
            return None;
        }
        let ticket = self.cache.as_ref().map(SessionCache::ticket);
        let (keys, name, value, ttl) = (self.store.get().keys(), name(id), value(session), self.lifetime(session));
        let reply = match is_stored {
            true => keys.replace(&name, value, ttl),
            false => keys.set(&name, value, ttl).map(|()| true),
        };
        match reply {
            Reply::Ready(written) => {
                self.saved(written, known, ticket, is_stored);
                None
            }
            Reply::Wait(written) => {
                let (this, known) = (Arc::clone(self), known.clone());
                Some(Box::pin(async move { this.saved(written.await, &known, ticket, is_stored) }))
            }
        }
    }

    fn saved(&self, written: Result<bool, StoreError>, known: &Known, ticket: Option<Ticket>, is_stored: bool) {
        match written {
            Ok(_) if is_stored => self.forget(&known.id),
            Ok(_) => {
                if let Some((cache, ticket)) = self.cache.as_ref().zip(ticket) {
                    cache.keep(ticket, SAVED, &known.id, known.clone(), Instant::now());
                }
            }
            Err(error) => {
                let key = obfuscated(&known.session.key_id);
                tracing::error!(key, %error, "a plugin's session is not saved");
            }
        }
    }

    /// How long a session is stored from now on; `None` is for good.
    fn lifetime(&self, session: &Session) -> Option<Duration> {
        let of_apis = self.book.load().lifetimes(session);
        let rules = LifetimeRules {
            forced_s: self.settings.forced_lifetime_s,
            respects_expiry: self.settings.respects_expiry || of_apis.respects_expiry,
            of_apis_s: of_apis.lifetime_s,
        };
        lifetime(session, rules, unix_now())
    }
}

fn name(id: &str) -> String {
    format!("{STORED}{id}")
}

pub(super) fn value(session: &Session) -> Bytes {
    // Its keys are texts and its numbers are finite or `null`: it can be written.
    serde_json::to_vec(session).unwrap_or_default().into()
}
