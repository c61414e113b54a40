//! How keys are created and changed.

use std::time::SystemTime;

use gateway_sdk::{Response, Session, StatusCode};
use serde::Deserialize;

use super::{Named, changed, tell};
use crate::certificates::LookUpError;
use crate::clock::unix_now;
use crate::control::call::Call;
use crate::control::refusal::Refusal;
use crate::control::reply::json;
use crate::events::Kind;
use crate::gateway::Gateway;
use crate::keyring::{Keyring, Stored};
use crate::session::apply::ApplyError;
use crate::session::key::new_id;

/// A new key with an id of our own. Source: Tyk, `createKeyHandler`.
pub(in super::super) async fn create(mut call: Call<'_>) -> Result<Response, Refusal> {
    let mut session = read(&call.text().await?).ok_or(Refusal::Unmarshalling)?;
    let keyring = &call.gateway.keyring;
    let key = new_key(keyring, &session).await?;
    if session.hmac_enabled && session.hmac_string.is_empty() {
        session.hmac_string = new_id().map_err(|error| Refusal::Key(error.to_string()))?;
    }
    hash_password(call.gateway, &mut session).await?;
    date(&mut session);
    touch(&mut session);
    write(call.gateway, &key, &mut session, Resets::Quota).await?;
    Ok(changed(keyring, &key, "added", Some(&key)))
}

/// The key of a new session: that of its certificate, or one that nobody can guess.
async fn new_key(keyring: &Keyring, session: &Session) -> Result<String, Refusal> {
    let rules = &keyring.settings.rules;
    if session.certificate.is_empty() {
        let id = new_id().map_err(|error| Refusal::Key(error.to_string()))?;
        return Ok(rules.compose(&session.org_id, &id));
    }
    let key = rules.compose(&session.org_id, &session.certificate);
    match keyring.stored(&keyring.id_of(&key)).await? {
        Some(_) => Err(Refusal::Key(format!("Key with given certificate already found:{key}"))),
        None => Ok(key),
    }
}

/// A key that stands for a certificate stands for one that is in the store. Source: gateway.md §2.6.
async fn check_certificate(gateway: &Gateway, before: &Session, session: &Session) -> Result<(), Refusal> {
    if session.certificate == before.certificate {
        return Ok(());
    }
    if session.certificate.is_empty() {
        return Err(Refusal::WithoutCertificate);
    }
    match gateway.config.edge.certificates.stored(&session.certificate).await {
        Ok(Some(_)) => Ok(()),
        Err(LookUpError::Store(error)) => Err(error.into()),
        Ok(None) | Err(_) => Err(Refusal::NoSuchCertificate),
    }
}

/// The same, where Tyk says less of what is wrong.
pub(in super::super) async fn create_here(call: Call<'_>) -> Result<Response, Refusal> {
    create(call).await.map_err(Refusal::in_fewer_words)
}

/// A new key whose id the operator chose. Source: Tyk, `handleAddOrUpdate`.
pub(in super::super) async fn create_at(mut call: Call<'_>) -> Result<Response, Refusal> {
    let mut session = read(&call.text().await?).ok_or(Refusal::Malformed)?;
    let keyring = &call.gateway.keyring;
    let (id, rules) = (call.argument(), &keyring.settings.rules);
    if id.len() < rules.min_length {
        return Err(Refusal::ShortKey { length: id.len(), least: rules.min_length });
    }
    let key = rules.compose(&session.org_id, id);
    let is_user = !session.basic_auth_data.password.is_empty();
    hash_password(call.gateway, &mut session).await?;
    date(&mut session);
    let resets = Resets::of(&call);
    if resets == Resets::Quota {
        touch(&mut session);
    }
    write(call.gateway, &key, &mut session, resets).await.map_err(Refusal::in_fewer_words)?;
    // Where keys are hashed nobody is told that of a user, who has a name.
    let told = if is_user && rules.hash_keys { "" } else { &key };
    Ok(changed(keyring, told, "added", Some(&key)))
}

/// Another session for a key that is there.
pub(in super::super) async fn update(mut call: Call<'_>) -> Result<Response, Refusal> {
    let mut session = read(&call.text().await?).ok_or(Refusal::Malformed)?;
    let keyring = &call.gateway.keyring;
    let mut named = Named::of(&call)?;
    if named.org_id.is_empty() {
        named.org_id.clone_from(&session.org_id);
    }
    let Stored { id, session: before } = named.find(keyring).await?.ok_or(Refusal::KeyNotFound)?;
    check_certificate(call.gateway, &before, &session).await?;
    session.date_created.clone_from(&before.date_created);
    session.key_id.clone_from(&before.key_id);
    let resets = Resets::of(&call);
    match resets {
        Resets::Quota => touch(&mut session),
        Resets::Nothing => {
            session.quota_renews = before.quota_renews;
            session.last_updated.clone_from(&before.last_updated);
        }
    }
    // A password is written once, and read by nobody: who leaves it out, or has what is stored, keeps it.
    let password = &session.basic_auth_data.password;
    if password.is_empty() || *password == before.basic_auth_data.password {
        session.basic_auth_data.clone_from(&before.basic_auth_data);
    } else {
        hash_password(call.gateway, &mut session).await?;
    }
    write_at(call.gateway, &id, &mut session, resets, false).await.map_err(Refusal::in_fewer_words)?;
    let hashed = (!named.is_hash).then_some(before.key_id.as_str());
    Ok(changed(keyring, call.argument(), "modified", hashed))
}

/// What policies would make of a session.
pub(in super::super) async fn preview(mut call: Call<'_>) -> Result<Response, Refusal> {
    let mut session = read(&call.text().await?).ok_or(Refusal::Malformed)?;
    call.gateway.keyring.apply(None, &mut session).map_err(|error| Refusal::Key(error.to_string()))?;
    // No answer tells a password.
    session.basic_auth_data.password.clear();
    Ok(json(StatusCode::OK, &session))
}

/// Other policies for a key, which is named by what it is stored under.
pub(in super::super) async fn policies(mut call: Call<'_>) -> Result<Response, Refusal> {
    let text = call.text().await?;
    let instruction = is_object(&text).then(|| serde_json::from_str(&text).ok()).flatten();
    let instruction: Instruction = instruction.ok_or(Refusal::Instruction)?;
    let keyring = &call.gateway.keyring;
    let id = call.argument();
    let mut session = keyring.stored(id).await?.ok_or(Refusal::UnknownKey)?;
    match instruction {
        Instruction { policy, apply_policies } if apply_policies.is_empty() => session.apply_policies = vec![policy],
        Instruction { apply_policies, .. } => session.apply_policies = apply_policies,
    }
    touch(&mut session);
    // It is told of the key if the policies are refused.
    id.clone_into(&mut session.key_id);
    write_at(call.gateway, id, &mut session, Resets::Nothing, false).await.map_err(|refusal| match refusal {
        Refusal::KeyNotFound => Refusal::UnknownKey,
        other => other,
    })?;
    Ok(changed(keyring, id, "updated", None))
}

/// Which policies a key is to have.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Instruction {
    policy: String,
    apply_policies: Vec<String>,
}

/// Whether counters begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resets {
    Quota,
    Nothing,
}

impl Resets {
    fn of(call: &Call<'_>) -> Self {
        if call.query("suppress_reset").as_deref() == Some("1") { Self::Nothing } else { Self::Quota }
    }
}

/// A session, if the text is one.
pub(in super::super) fn read(text: &str) -> Option<Session> {
    is_object(text).then(|| Session::from_json(text.as_bytes()).ok()).flatten()
}

/// serde takes a list for an object whose members it lists.
fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Puts the hash of a password in its place, if there is one.
async fn hash_password(gateway: &Gateway, session: &mut Session) -> Result<(), Refusal> {
    let password = std::mem::take(&mut session.basic_auth_data.password);
    if !password.is_empty() {
        let keyring = &gateway.keyring;
        session.basic_auth_data = keyring.passwords.hash(keyring.settings.password_hash, password).await?;
    }
    Ok(())
}

fn date(session: &mut Session) {
    session.date_created = humantime::format_rfc3339(SystemTime::now()).to_string();
}

/// Another `last_updated` is another counter of the rate.
fn touch(session: &mut Session) {
    session.last_updated = unix_now().to_string();
}

async fn write(gateway: &Gateway, key: &str, session: &mut Session, resets: Resets) -> Result<(), Refusal> {
    let id = gateway.keyring.id_of(key).into_owned();
    key.clone_into(&mut session.key_id);
    write_at(gateway, &id, session, resets, true).await
}

/// Applies the policies, as each API of the key has them, and writes the session.
async fn write_at(
    gateway: &Gateway,
    id: &str,
    session: &mut Session,
    resets: Resets,
    is_new: bool,
) -> Result<(), Refusal> {
    let keyring = &gateway.keyring;
    let fail = |error: ApplyError| Refusal::Key(error.to_string());
    keyring.apply(None, session).map_err(fail)?;
    if session.access_rights.is_empty() && !keyring.settings.allows_master {
        return Err(Refusal::NoRights);
    }
    let is_kept = apply_by_api(gateway, session).map_err(fail)?;
    if is_new && let Some(expires) = keyring.expires_of_new(session, unix_now()) {
        session.expires = expires;
    }
    let begins_anew = resets == Resets::Quota && !is_kept;
    if begins_anew {
        session.quota_renews = unix_now().saturating_add(session.quota_renewal_rate);
    }
    if is_new {
        keyring.put(id, session).await?;
    } else if !keyring.replace(id, session).await? {
        return Err(Refusal::KeyNotFound);
    }
    tell(gateway, id).await;
    if let Some(events) = &gateway.events {
        let kind = if is_new { Kind::TokenCreated } else { Kind::TokenUpdated };
        events.token(kind, &session.org_id, &session.key_id);
    }
    // What was counted is kept if nothing was written.
    if begins_anew {
        keyring.reset(id, session).await?;
    }
    Ok(())
}

/// Applies the policies as the organisation of each API has them; whether one of the APIs keeps quotas as they are.
fn apply_by_api(gateway: &Gateway, session: &mut Session) -> Result<bool, ApplyError> {
    let table = gateway.table.load();
    let apis: Vec<_> = session.access_rights.keys().filter_map(|api_id| table.by_id(api_id)).collect();
    for api in &apis {
        gateway.keyring.apply(Some(&api.definition.org_id), session)?;
    }
    Ok(apis.iter().any(|api| api.definition.dont_set_quota_on_create))
}
