//! [`Rulebook`]: what reloads change of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Session};

use crate::policies::Policies;

/// Policies, and what APIs say of keys. It is swapped whole.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    /// By id.
    pub(crate) policies: Arc<Policies>,
    /// By id, those that say anything.
    lifetimes: BTreeMap<String, Lifetimes>,
}

/// What an API says about how long keys are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lifetimes {
    /// In seconds; zero says nothing.
    pub(super) lifetime_s: i64,
    /// No key is gone before it expires.
    pub(super) respects_expiry: bool,
}

impl Rulebook {
    pub(crate) fn new<'a>(policies: Arc<Policies>, apis: impl IntoIterator<Item = &'a ApiDefinition>) -> Self {
        let said = |api: &ApiDefinition| Lifetimes {
            lifetime_s: api.session_lifetime,
            respects_expiry: api.session_lifetime_respects_key_expiration,
        };
        let lifetimes = apis.into_iter().map(|api| (api.api_id.clone(), said(api)));
        Self { policies, lifetimes: lifetimes.filter(|(_, said)| *said != Lifetimes::default()).collect() }
    }

    /// What the APIs say that a session has rights on: the longest lifetime, and whether any respects the key's end.
    pub(super) fn lifetimes(&self, session: &Session) -> Lifetimes {
        let all = session.access_rights.keys().filter_map(|api_id| self.lifetimes.get(api_id));
        all.fold(Lifetimes::default(), |sum, said| Lifetimes {
            lifetime_s: sum.lifetime_s.max(said.lifetime_s),
            respects_expiry: sum.respects_expiry || said.respects_expiry,
        })
    }
}
