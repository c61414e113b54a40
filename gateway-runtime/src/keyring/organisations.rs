//! The sessions of organisations: what all requests to the APIs of one may do together.
//!
//! No policy applies to them. An organisation without a session is one that nothing limits, and that is remembered as a
//! session is. Source: gateway.md §2.6, §7.7; Tyk, `gateway/mw_organisation_activity.go`.

use std::sync::Arc;
use std::time::Instant;

use gateway_model::Session;

use super::{KeyError, Keyring, Known};
use crate::session::cache::SessionCache;
use crate::storage::StoreError;

/// What stands before an organisation where its session is stored. The name is never hashed.
const STORED: &str = "orgkey.";
/// In place of an organisation, as an organisation is the key: these are kept beside the sessions of keys.
const KEPT: &str = "\0organisations";

impl Keyring {
    /// The session of an organisation that was looked up a moment ago.
    pub(crate) fn cached_organisation(&self, org_id: &str) -> Option<Known> {
        self.cache.as_ref()?.get(KEPT, org_id, Instant::now())
    }

    /// The session of an organisation; one that limits nothing if it has none.
    ///
    /// # Errors
    /// When the store does not answer, or what it has is no session.
    pub(crate) async fn look_up_organisation(&self, org_id: &str) -> Result<Known, KeyError> {
        let ticket = self.cache.as_ref().map(SessionCache::ticket);
        let session = self.organisation(org_id).await?.unwrap_or_default();
        let known = Known { session: Arc::new(session), id: self.id_of(org_id).into() };
        if let Some((cache, ticket)) = self.cache.as_ref().zip(ticket) {
            cache.keep(ticket, KEPT, org_id, known.clone(), Instant::now());
        }
        Ok(known)
    }

    /// The session of an organisation, as it was written.
    ///
    /// # Errors
    /// When the store does not answer, or what it has is no session.
    pub(crate) async fn organisation(&self, org_id: &str) -> Result<Option<Session>, KeyError> {
        let Some(value) = self.store.get().keys().get(&name(org_id)).wait().await? else { return Ok(None) };
        let fail =
            |error: serde_json::Error| KeyError::CorruptOrganisation { org_id: org_id.to_owned(), error: error.into() };
        Session::from_json(&value).map(Some).map_err(fail)
    }

    /// Writes the session of an organisation, for good.
    ///
    /// # Errors
    /// When the store does not take it.
    pub(crate) async fn put_organisation(&self, org_id: &str, session: &Session) -> Result<(), StoreError> {
        let written = self.store.get().keys().set(&name(org_id), super::record::value(session), None).wait().await;
        self.forget(&self.id_of(org_id));
        written
    }

    /// Deletes the session of an organisation; whether there was one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn delete_organisation(&self, org_id: &str) -> Result<bool, StoreError> {
        let deleted = self.store.get().keys().delete(&name(org_id)).wait().await;
        self.forget(&self.id_of(org_id));
        deleted
    }

    /// The organisations with a session whose ids begin with `prefix`, in their order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn organisations(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let names = self.store.get().keys().list(&name(prefix)).wait().await?;
        let mut ids: Vec<String> =
            names.iter().filter_map(|name| name.strip_prefix(STORED).map(str::to_owned)).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

fn name(org_id: &str) -> String {
    format!("{STORED}{org_id}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Settings;
    use super::*;
    use crate::session::hash::Algorithm;
    use crate::session::key::KeyRules;
    use crate::storage::{Memory, Store};

    fn keyring(hash_keys: bool) -> Keyring {
        let rules = KeyRules { hash_keys, ..KeyRules::default() };
        Keyring::new(Store::new(Memory::default()).into(), Settings { rules, ..Settings::default() })
    }

    #[tokio::test]
    async fn an_organisation_without_a_session_is_known_as_one_until_it_gets_one() {
        let keyring = keyring(false);
        assert!(keyring.cached_organisation("acme").is_none());
        let known = keyring.look_up_organisation("acme").await.expect("an answer");
        assert_eq!(*known.session, Session::default());
        assert!(keyring.cached_organisation("acme").is_some());
        let session = Session { is_inactive: true, ..Session::default() };
        keyring.put_organisation("acme", &session).await.expect("there is room");
        assert!(keyring.cached_organisation("acme").is_none(), "it is another now");
        assert!(keyring.look_up_organisation("acme").await.expect("an answer").session.is_inactive);
        assert!(keyring.delete_organisation("acme").await.expect("an answer"));
        assert!(!keyring.delete_organisation("acme").await.expect("an answer"));
        assert!(!keyring.look_up_organisation("acme").await.expect("an answer").session.is_inactive);
    }

    /// Source: gateway.md §7.7.
    #[tokio::test]
    async fn the_name_is_plain_and_what_counts_is_hashed() {
        let keyring = keyring(true);
        keyring.put_organisation("acme", &Session::default()).await.expect("there is room");
        keyring.put_organisation("other", &Session::default()).await.expect("there is room");
        assert!(keyring.store().keys().exists("orgkey.acme").wait().await.expect("an answer"));
        let known = keyring.look_up_organisation("acme").await.expect("an answer");
        assert_eq!(*known.id, *Algorithm::Murmur32.hash("acme"));
        assert_eq!(keyring.organisations("").await.expect("an answer"), ["acme", "other"]);
        assert_eq!(keyring.organisations("o").await.expect("an answer"), ["other"]);
        assert!(keyring.ids("").await.expect("an answer").is_empty(), "no key is among them");
    }

    #[tokio::test]
    async fn what_is_no_session_is_told_by_its_name() {
        let keyring = keyring(false);
        keyring.store().keys().set("orgkey.acme", Bytes::from_static(b"{"), None).wait().await.expect("there is room");
        let error = keyring.look_up_organisation("acme").await.expect_err("no session");
        assert!(error.to_string().starts_with("what is stored under `orgkey.acme` is no session"), "{error}");
        assert!(keyring.cached_organisation("acme").is_none());
    }
}
