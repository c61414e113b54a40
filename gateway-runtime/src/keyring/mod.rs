//! The keys of this gateway: whose session one is, what policies make of it, and where it is kept.
//!
//! | to find | look in |
//! |---|---|
//! | how a request's key becomes a session | [`Keyring::cached`], [`Keyring::look_up`], here |
//! | how keys are written, deleted and listed | `record.rs` |
//! | what is counted for a key | `counted.rs` |
//! | how passwords of users are hashed and compared | `passwords.rs`, and who waits for that in `lines.rs` |
//! | sessions of organisations | `organisations.rs` |
//! | what reloads change: policies, and what APIs say of keys | `rulebook.rs` |
//!
//! # Invariants
//! - A session that was looked up has its policies applied; it is shared, and never changed in place.
//! - What is kept here for a while goes when the key is written or deleted, and with every reload.
//! - That a key is not known is never remembered. Source: gateway.md §5.15.

mod counted;
mod lines;
mod organisations;
mod passwords;
mod record;
mod rulebook;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use gateway_model::Session;

use crate::later::Later;
use crate::policies::Policies;
use crate::session::apply::{self, ApplyError};
use crate::session::cache::{self, SessionCache};
use crate::session::key::KeyRules;
use crate::session::password::PasswordHash;
use crate::storage::{Store, StoreError};

pub(crate) use crate::session::cache::Known;
pub(crate) use lines::Busy;
pub(crate) use passwords::{Checked, Passwords};
pub(crate) use record::{Misread, Save, Unsaved};
pub(crate) use rulebook::Rulebook;

/// Sessions that are kept for the next request.
const KEPT: usize = 16 * 1024;

/// What the configuration says of keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) rules: KeyRules,
    /// How long every session is stored, in seconds, whatever it says itself; zero is for good.
    pub(crate) forced_lifetime_s: Option<i64>,
    /// A session is not gone before its key expires.
    pub(crate) respects_expiry: bool,
    /// Every request looks its key up.
    pub(crate) never_kept: bool,
    /// A key may have no access rights, which are those on every API.
    pub(crate) allows_master: bool,
    /// Hashes of keys may be listed.
    pub(crate) lists_hashed: bool,
    /// A key is not found by what stands behind its organisation.
    pub(crate) refuses_names: bool,
    /// What passwords that are written are hashed with.
    pub(crate) password_hash: PasswordHash,
    /// The sessions of organisations limit the requests to their APIs.
    pub(crate) limits_organisations: bool,
    /// While no API is loaded, no organisation is known.
    pub(crate) refuses_unknown_organisations: bool,
    /// A key that stands for a client's certificate is taken without it too.
    pub(crate) takes_unsafe_tokens: bool,
}

/// The keys.
pub(crate) struct Keyring {
    pub(crate) settings: Settings,
    pub(crate) passwords: Arc<Passwords>,
    store: Later,
    cache: Option<SessionCache>,
    book: ArcSwap<Rulebook>,
}

/// Why a key that may be known gives no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the key cannot be looked up: {0}")]
    Store(#[from] StoreError),
    #[error("policies of the key cannot be applied: {0}")]
    Policies(#[from] ApplyError),
    /// `shown` is the id as far as the log may tell it.
    #[error("what is stored under `apikey-{shown}` is no session: {error}; delete it, or write the key anew")]
    Corrupt { id: String, shown: String, error: Misread },
    #[error("what is stored under `orgkey.{org_id}` is no session: {error}; delete it, or write the organisation anew")]
    CorruptOrganisation { org_id: String, error: Misread },
}

/// A key as it is stored: its policies are not applied.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The id under which it is stored.
    pub(crate) id: String,
    /// The key is the session's `key_id`.
    pub(crate) session: Session,
}

impl Keyring {
    pub(crate) fn new(store: Later, settings: Settings) -> Self {
        let cache = (!settings.never_kept).then(|| SessionCache::new(KEPT, cache::LIFETIME));
        Self { settings, passwords: Arc::default(), store, cache, book: ArcSwap::default() }
    }

    /// Where they are kept.
    pub(crate) fn store(&self) -> &Store {
        self.store.get()
    }

    /// The session of a key that was looked up a moment ago.
    pub(crate) fn cached(&self, org_id: &str, key: &str) -> Option<Known> {
        self.cache.as_ref()?.get(org_id, key, Instant::now())
    }

    /// The session of the key that a client shows to an API of an organisation, with its policies; `None` if there is
    /// no such key. Source: gateway.md §5.15.
    ///
    /// # Errors
    /// When the store does not answer, or what it has cannot be used.
    pub(crate) async fn look_up(&self, org_id: &str, key: &str) -> Result<Option<Known>, KeyError> {
        if self.settings.rules.is_too_short(key) {
            return Ok(None);
        }
        let ticket = self.cache.as_ref().map(SessionCache::ticket);
        let Some(Stored { id, mut session }) = self.find(org_id, key).await? else { return Ok(None) };
        self.apply(Some(org_id), &mut session)?;
        let known = Known { session: Arc::new(session), id: id.into() };
        if let Some((cache, ticket)) = self.cache.as_ref().zip(ticket) {
            cache.keep(ticket, org_id, key, known.clone(), Instant::now());
        }
        Ok(Some(known))
    }

    /// The key that is meant, as it is stored: in the organisation, as it is, or as it was hashed before.
    ///
    /// # Errors
    /// When the store does not answer, or what it has is no session.
    pub(crate) async fn find(&self, org_id: &str, key: &str) -> Result<Option<Stored>, KeyError> {
        for candidate in self.settings.rules.candidates(key, org_id) {
            let id = self.id_of(&candidate).into_owned();
            if let Some(mut session) = self.stored(&id).await? {
                session.key_id = candidate;
                return Ok(Some(Stored { id, session }));
            }
        }
        Ok(None)
    }

    /// Makes of a session what its policies say.
    ///
    /// # Errors
    /// When they cannot be applied; the session must not be used then.
    pub(crate) fn apply(&self, org_id: Option<&str>, session: &mut Session) -> Result<(), ApplyError> {
        apply::apply(&*self.book.load().policies, org_id, session)
    }

    /// When a new key expires, in seconds since 1970, if its policies say so.
    pub(crate) fn expires_of_new(&self, session: &Session, now: i64) -> Option<i64> {
        apply::expires_of_new(&*self.book.load().policies, session, now)
    }

    /// The policies of the moment.
    pub(crate) fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.book.load().policies)
    }

    /// Swaps what reloads change. Sessions are looked up again: their policies may be others.
    pub(crate) fn adopt(&self, book: Rulebook) {
        self.book.store(Arc::new(book));
        if let Some(cache) = &self.cache {
            cache.clear();
        }
    }

    /// Gives back the memory of what is not kept any longer.
    pub(crate) fn sweep(&self) {
        if let Some(cache) = &self.cache {
            cache.sweep(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
