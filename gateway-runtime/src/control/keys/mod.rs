//! `/tyk/keys`: keys are created, read, changed, listed and deleted. Source: gateway.md §2.6; Tyk, `gateway/api.go`.

mod change;

use gateway_sdk::{Response, Session, StatusCode};
use serde::Serialize;

use super::call::Call;
use super::refusal::Refusal;
use super::reply::json;
use crate::events::Kind;
use crate::gateway::Gateway;
use crate::keyring::{KeyError, Keyring, Stored};
use crate::session::password::HashError;
use crate::storage::{Notice, StoreError};

pub(super) use change::{create, create_at, create_here, policies, preview, read, update};

#[derive(Serialize)]
struct Listed {
    keys: Vec<String>,
}

/// What became of a key.
#[derive(Serialize)]
struct Changed<'a> {
    key: &'a str,
    status: &'static str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hash: Option<String>,
}

/// A failure that the log has to tell: the operator's words say less.
pub(super) fn failed(error: &dyn std::error::Error, refusal: Refusal) -> Refusal {
    tracing::error!(%error, "a key is not read or written");
    refusal
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        failed(&error, Self::Store)
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        let refusal = match &error {
            KeyError::Corrupt { .. } | KeyError::CorruptOrganisation { .. } => Self::Corrupt,
            KeyError::Policies(_) => Self::Internal,
            KeyError::Store(_) => Self::Store,
        };
        failed(&error, refusal)
    }
}

impl From<HashError> for Refusal {
    fn from(error: HashError) -> Self {
        match error {
            HashError::TooLong => Self::Key(error.to_string()),
            other => failed(&other, Self::Internal),
        }
    }
}

/// Tells all gateways on the store that a key is another one.
pub(super) async fn tell(gateway: &Gateway, id: &str) {
    let notice = gateway.config.notices.sign(&Notice::Keys(vec![id.to_owned()]));
    if let Err(error) = gateway.store.signals().publish(&notice).wait().await {
        tracing::warn!(%error, "other gateways are not told of a key: they notice within ten seconds");
    }
}

pub(super) async fn list(call: Call<'_>) -> Result<Response, Refusal> {
    let keyring = &call.gateway.keyring;
    let is_hashed = keyring.settings.rules.hash_keys;
    if is_hashed && !keyring.settings.lists_hashed {
        return Err(Refusal::HashedListing);
    }
    // The hash of a key begins with nothing that anybody knows.
    let filter = call.query("filter").filter(|_| !is_hashed).unwrap_or_default();
    let mut keys = keyring.ids(&filter).await?;
    if let Some(api_id) = call.query("api_id").filter(|api_id| !api_id.is_empty()) {
        keys = with_rights(keyring, keys, &api_id).await?;
    }
    Ok(json(StatusCode::OK, &Listed { keys }))
}

/// The keys among these that have rights on an API. What is no session has none, and the log says so.
async fn with_rights(keyring: &Keyring, keys: Vec<String>, api_id: &str) -> Result<Vec<String>, KeyError> {
    let mut found = Vec::new();
    for id in keys {
        match keyring.stored(&id).await {
            Ok(Some(session)) if session.access_rights.contains_key(api_id) => found.push(id),
            Ok(_) => {}
            Err(error @ KeyError::Corrupt { .. }) => tracing::error!(%error, "a key is not listed"),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) async fn one(call: Call<'_>) -> Result<Response, Refusal> {
    let keyring = &call.gateway.keyring;
    let named = Named::of(&call)?;
    let Stored { id, mut session } = named.find(keyring).await?.ok_or(Refusal::UnknownKey)?;
    keyring.refresh(&id, &mut session).await?;
    session.basic_auth_data.password.clear();
    Ok(json(StatusCode::OK, &session))
}

pub(super) async fn delete(call: Call<'_>) -> Result<Response, Refusal> {
    let keyring = &call.gateway.keyring;
    // Tyk's answer where a key is to be deleted on all APIs, which it always is.
    if call.query("api_id").as_deref() == Some("-1") {
        return Ok(json(StatusCode::OK, &serde_json::Value::Null));
    }
    let named = Named::of(&call)?;
    let (id, session) = match named.find(keyring).await {
        Ok(Some(Stored { id, session })) => (id, Some(session)),
        Ok(None) => return Err(Refusal::NoSuchKey),
        // What is no session can be deleted all the same.
        Err(KeyError::Corrupt { id, .. }) => (id, None),
        Err(error) => return Err(error.into()),
    };
    let was_there = keyring.delete(&id).await?;
    // A store that was asked twice, as its connection broke, finds nothing any more: the others have to know all the same.
    tell(call.gateway, &id).await;
    if let Some(events) = call.gateway.events.as_ref().filter(|_| was_there) {
        let org_id = session.as_ref().map_or(&*named.org_id, |session| &*session.org_id);
        events.token(Kind::TokenDeleted, org_id, call.argument());
    }
    if let Some(session) = session {
        keyring.reset(&id, &session).await?;
    }
    if !was_there {
        return Err(Refusal::NoSuchKey);
    }
    Ok(changed(keyring, call.argument(), "deleted", None))
}

/// `hashed` is the key whose hash is told, if hashes are what keys are stored under.
fn changed(keyring: &Keyring, key: &str, action: &'static str, hashed: Option<&str>) -> Response {
    let key_hash = hashed.filter(|_| keyring.settings.rules.hash_keys).map(|key| keyring.id_of(key).into_owned());
    json(StatusCode::OK, &Changed { key, status: "ok", action, key_hash })
}

/// How a call names a key.
struct Named<'c> {
    argument: &'c str,
    org_id: String,
    /// It is the hash under which the key is stored.
    is_hash: bool,
    /// It is the name of a user, which is a key of an organisation.
    is_user: bool,
}

impl<'c> Named<'c> {
    fn of(call: &'c Call<'_>) -> Result<Self, Refusal> {
        let settings = &call.gateway.keyring.settings;
        let is_hash = call.query("hashed").is_some_and(|text| !text.is_empty());
        if is_hash && !settings.rules.hash_keys {
            return Err(Refusal::NotHashed);
        }
        let is_user = call.query("username").as_deref() == Some("true");
        if is_user && settings.refuses_names {
            return Err(Refusal::Usernames);
        }
        let of_api = |api_id: String| {
            call.gateway.table.load().by_id(&api_id).map(|api| api.definition.org_id.clone()).unwrap_or_default()
        };
        let org_id = call.query("org_id").or_else(|| call.query("api_id").map(of_api)).unwrap_or_default();
        Ok(Self { argument: call.argument(), org_id, is_hash, is_user })
    }

    /// The key that is named.
    async fn find(&self, keyring: &Keyring) -> Result<Option<Stored>, KeyError> {
        if self.is_hash {
            let session: Option<Session> = keyring.stored(self.argument).await?;
            return Ok(session.map(|session| Stored { id: self.argument.to_owned(), session }));
        }
        if self.is_user {
            let key = keyring.settings.rules.compose(&self.org_id, self.argument);
            return keyring.find(&self.org_id, &key).await;
        }
        keyring.find(&self.org_id, self.argument).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Settings;
    use crate::storage::{Memory, Store};

    #[tokio::test]
    async fn a_key_that_is_no_session_is_told_as_one_and_hides_no_other() {
        let keyring = Keyring::new(Store::new(Memory::default()).into(), Settings::default());
        for (id, value) in [("bad", "{"), ("good", r#"{"access_rights": {"api": {}}}"#), ("other", "{}")] {
            keyring
                .store()
                .keys()
                .set(&format!("apikey-{id}"), value.into(), None)
                .wait()
                .await
                .expect("there is room");
        }
        let keys = keyring.ids("").await.expect("an answer");
        assert_eq!(keys, ["bad", "good", "other"]);
        assert_eq!(with_rights(&keyring, keys, "api").await.expect("an answer"), ["good"]);
        let refusal = Refusal::from(keyring.stored("bad").await.expect_err("it is no session"));
        assert!(matches!(refusal, Refusal::Corrupt), "{refusal}");
        assert_eq!(Response::from(refusal).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
