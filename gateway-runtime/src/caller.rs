//! Takes over the session that a plugin set or changed: its policies apply, and it is saved if it asked for that.
//!
//! Source: plugin-system.md §4.2, §4.8.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_sdk::exchange::Exchange;

use crate::error::RequestError;
use crate::keyring::{Keyring, Known};

pub(crate) use crate::keyring::{Save, Unsaved};

/// Who has said who is calling.
pub(crate) struct By<'a> {
    pub(crate) plugin: &'static str,
    /// Whether it was said already that its sessions have no key.
    pub(crate) warned: &'a AtomicBool,
}

/// Takes over what a plugin asked for, or what it left in the exchange. `Some`: it is to be saved.
///
/// # Errors
/// When the policies that the session names cannot be applied: it would allow more than its maker meant.
pub(crate) fn take(
    exchange: &mut Exchange,
    by: &By<'_>,
    keyring: &Arc<Keyring>,
) -> Result<Option<Unsaved>, RequestError> {
    let Exchange { caller, ctx, .. } = exchange;
    let was_stored = caller.is_stored();
    let before = caller.session().map(|session| session.key_id.clone()).zip(caller.id().cloned());
    let counted = caller.counted().cloned();
    let (session, persist) = match ctx.asked_mut().session.take() {
        Some((session, persist)) => (Some(*session), persist),
        None if caller.is_raw() => (std::mem::take(caller).into_session(), false),
        None => (None, false),
    };
    let Some(mut session) = session else { return Ok(None) };
    let api = ctx.api();
    if let Some((key, _)) = before.as_ref().filter(|_| session.key_id.is_empty()) {
        session.key_id.clone_from(key);
    }
    if session.key_id.is_empty() && (persist || !api.use_keyless) {
        by.warn(&api.api_id);
    }
    keyring
        .apply(Some(&api.org_id), &mut session)
        .map_err(|error| RequestError::PluginPolicies { plugin: by.plugin, error })?;
    // The key that was calling before has an id already.
    let same = before.filter(|(key, _)| *key == session.key_id).map(|(_, id)| id);
    let is_same = same.is_some();
    let id = same.unwrap_or_else(|| keyring.id_of(&session.key_id).into());
    let known = Known { session: Arc::new(session), id };
    let is_saved = persist && !known.session.key_id.is_empty();
    let unsaved = is_saved.then(|| Unsaved { known: known.clone(), is_stored: was_stored && is_same });
    caller.set(known.session, known.id, is_saved || (was_stored && is_same));
    if let Some(counted) = counted.filter(|_| is_same) {
        *caller.counted_mut() = counted;
    }
    Ok(unsaved)
}

impl By<'_> {
    /// Says once that there are sessions without a key.
    fn warn(&self, api_id: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                api_id,
                plugin = self.plugin,
                "a session has no `key_id`: it is not saved, and its limits count for all such sessions together; set it \
                 to what tells callers apart"
            );
        }
    }
}
