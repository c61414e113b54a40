//! `/tyk/org/keys`: the sessions of organisations are written, read, listed and deleted. Source: gateway.md §2.6; Tyk,
//! `orgHandler` in `gateway/api.go`.

use gateway_sdk::{Response, StatusCode};
use serde::Serialize;

use super::call::Call;
use super::keys::{self, failed, tell};
use super::refusal::Refusal;
use super::reply::{self, json};
use crate::clock::unix_now;
use crate::storage::StoreError;

#[derive(Serialize)]
struct Listed {
    keys: Vec<String>,
}

/// `GET /tyk/org/keys`.
pub(super) async fn list(call: Call<'_>) -> Result<Response, Refusal> {
    if !has_apis(&call) {
        return Err(Refusal::NoOrganisations);
    }
    let keys = call.gateway.keyring.organisations(&call.query("filter").unwrap_or_default()).await?;
    Ok(json(StatusCode::OK, &Listed { keys }))
}

/// `GET /tyk/org/keys/{org_id}`: with what is left of its quotas.
pub(super) async fn one(call: Call<'_>) -> Result<Response, Refusal> {
    let (keyring, org_id) = (&call.gateway.keyring, call.argument());
    let found = if has_apis(&call) { keyring.organisation(org_id).await? } else { None };
    let mut session = found.ok_or(Refusal::UnknownOrganisation)?;
    keyring.refresh(&keyring.id_of(org_id), &mut session).await?;
    Ok(json(StatusCode::OK, &session))
}

/// `POST /tyk/org/keys/{org_id}`.
pub(super) async fn create(call: Call<'_>) -> Result<Response, Refusal> {
    write(call, "added").await
}

/// `PUT /tyk/org/keys/{org_id}`: one that is not there is made, as in Tyk.
pub(super) async fn update(call: Call<'_>) -> Result<Response, Refusal> {
    write(call, "modified").await
}

async fn write(mut call: Call<'_>, action: &str) -> Result<Response, Refusal> {
    let mut session = keys::read(&call.text().await?).ok_or(Refusal::Malformed)?;
    let (keyring, org_id) = (&call.gateway.keyring, call.argument());
    if keyring.settings.refuses_unknown_organisations && !has_apis(&call) {
        return Err(Refusal::InactiveOrganisation);
    }
    let id = keyring.id_of(org_id).into_owned();
    let write = async {
        let begins_anew = call.query("reset_quota").as_deref() == Some("1");
        if begins_anew {
            session.quota_renews = unix_now().saturating_add(session.quota_renewal_rate);
        }
        keyring.put_organisation(org_id, &session).await?;
        tell(call.gateway, &id).await;
        // What was counted is kept if nothing was written.
        if begins_anew { keyring.reset(&id, &session).await } else { Ok(()) }
    };
    write.await.map_err(|error: StoreError| failed(&error, Refusal::WriteOrganisation(error.to_string())))?;
    Ok(reply::changed(org_id, action))
}

/// `DELETE /tyk/org/keys/{org_id}`.
pub(super) async fn delete(call: Call<'_>) -> Result<Response, Refusal> {
    let (keyring, org_id) = (&call.gateway.keyring, call.argument());
    if !has_apis(&call) {
        return Err(Refusal::UnknownOrganisation);
    }
    let was_there = keyring.delete_organisation(org_id).await?;
    tell(call.gateway, &keyring.id_of(org_id)).await;
    if !was_there {
        return Err(Refusal::RemoveKey);
    }
    Ok(reply::changed(org_id, "deleted"))
}

/// Tyk finds the sessions of an organisation by way of any API, and without one it finds none.
fn has_apis(call: &Call<'_>) -> bool {
    !call.gateway.table.load().apis().is_empty()
}
