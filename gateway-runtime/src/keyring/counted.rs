//! What is counted for a key: what is left of its quotas, and how they begin anew.

use std::collections::BTreeSet;

use gateway_model::Session;

use super::Keyring;
use crate::session::limits::{Quota, blocked_name, endpoint_hash, quota_name, rate_name};
use crate::storage::{Counters, StoreError};

impl Keyring {
    /// The counters of all keys.
    pub(crate) fn counters(&self) -> &dyn Counters {
        self.store.get().counters()
    }

    /// Writes into a session what is left of its quotas at this moment. Source: gateway.md §2.6.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn refresh(&self, id: &str, session: &mut Session) -> Result<(), StoreError> {
        session.quota_remaining = self.left("", id, session.quota_max).await?.unwrap_or(session.quota_remaining);
        for access in session.access_rights.values_mut() {
            if !access.limit.is_zero() {
                let left = self.left(&access.allowance_scope, id, access.limit.quota_max).await?;
                access.limit.quota_remaining = left.unwrap_or(access.limit.quota_remaining);
            }
        }
        Ok(())
    }

    /// Lets all quotas and rates of a key that are counted in the store begin anew; who was blocked is not any more. Windows
    /// of the clock go on. Source: gateway.md §2.6.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn reset(&self, id: &str, session: &Session) -> Result<(), StoreError> {
        // All are under way before the first is waited for.
        let removals: Vec<_> = names(id, session).iter().map(|name| self.counters().remove(name)).collect();
        for removal in removals {
            removal.wait().await?;
        }
        Ok(())
    }

    /// What is left of a quota; `None` if it is not limited.
    async fn left(&self, scope: &str, id: &str, max: i64) -> Result<Option<i64>, StoreError> {
        if !(Quota { max, ..Quota::default() }).is_limited() {
            return Ok(None);
        }
        let count = self.counters().read(&quota_name(scope, id)).wait().await?;
        Ok(Some(max.saturating_sub(count.map_or(0, |count| count.value)).max(0)))
    }
}

/// The names of all that is counted for a key.
fn names(id: &str, session: &Session) -> BTreeSet<String> {
    let mut rates = BTreeSet::from([rate_name("", id, None)]);
    let mut names = BTreeSet::from([quota_name("", id)]);
    for access in session.access_rights.values() {
        let scope = access.allowance_scope.as_str();
        names.insert(quota_name(scope, id));
        rates.insert(rate_name(scope, id, None));
        for endpoint in &access.endpoints {
            let hashes = endpoint.methods.iter().map(|method| endpoint_hash(&method.name, &endpoint.path));
            rates.extend(hashes.map(|hash| rate_name(scope, id, Some(&hash))));
        }
    }
    names.extend(rates.iter().map(|rate| blocked_name(rate)));
    names.append(&mut rates);
    names
}
