//! `/tyk/policies`. What is read are those that are loaded; what is written are files of `policies.policy_path`, which
//! have no effect before a reload. Source: gateway.md §2.7, §6.3.

use std::io;
use std::path::{Path, PathBuf};

use gateway_model::{Policy, Severity, read_policy};
use gateway_sdk::{Response, StatusCode};
use serde_json::{Map, Value};

use super::call::Call;
use super::files::{self, Change};
use super::refusal::Refusal;
use super::reply;
use crate::apis::source;
use crate::gateway::Gateway;
use crate::policies::PolicySource;

/// The member of a policy that says which it is.
const ID: &str = "id";

/// `GET /tyk/policies`.
pub(super) fn list(call: &Call<'_>) -> Response {
    let policies = call.gateway.keyring.policies();
    let list: Vec<&Policy> = policies.values().collect();
    reply::json(StatusCode::OK, &list)
}

/// `GET /tyk/policies/{policy_id}`.
pub(super) fn one(call: &Call<'_>) -> Result<Response, Refusal> {
    let policies = call.gateway.keyring.policies();
    let policy = policies.get(call.argument()).ok_or(Refusal::UnknownPolicy)?;
    Ok(reply::json(StatusCode::OK, policy))
}

/// `POST`: the policy says itself which it is. One of that id that is there already is replaced, as in Tyk.
pub(super) async fn create(mut call: Call<'_>) -> Result<Response, Refusal> {
    let folder = folder(call.gateway)?.to_owned();
    let text = call.text().await?;
    let _changing = call.gateway.changing.lock().await;
    let written = blocking(move || {
        let id = id_in(&text)?.ok_or(Refusal::NoPolicyId)?;
        write(&folder, &id, &text).map(|()| id)
    });
    Ok(reply::changed(&written.await?, "added"))
}

/// `PUT /tyk/policies/{policy_id}`: the policy need not be there, as in Tyk.
pub(super) async fn update(mut call: Call<'_>) -> Result<Response, Refusal> {
    let folder = folder(call.gateway)?.to_owned();
    let (text, wanted) = (call.text().await?, call.argument().to_owned());
    let _changing = call.gateway.changing.lock().await;
    let written = blocking(move || {
        id_in(&text)?.filter(|id| *id == wanted).ok_or(Refusal::OtherPolicyId)?;
        write(&folder, &wanted, &text)
    });
    written.await?;
    Ok(reply::changed(call.argument(), "modified"))
}

/// `DELETE /tyk/policies/{policy_id}`.
pub(super) async fn delete(call: Call<'_>) -> Result<Response, Refusal> {
    let (folder, id) = (folder(call.gateway)?.to_owned(), call.argument().to_owned());
    let _changing = call.gateway.changing.lock().await;
    let deleted = blocking(move || {
        check_id(&id)?;
        let fail = |error| failed(&id, &error, Refusal::Delete);
        let file = place(&folder, &id).map_err(fail)?;
        if !file.is_file() {
            return Err(Refusal::UnknownPolicy);
        }
        files::apply(&[Change { file, content: None }]).map_err(fail)
    });
    deleted.await?;
    Ok(reply::changed(call.argument(), "deleted"))
}

/// Writes a policy that a load would take.
fn write(folder: &Path, id: &str, text: &str) -> Result<(), Refusal> {
    check_id(id)?;
    let findings = read_policy(text).findings;
    for finding in &findings {
        tracing::warn!(policy_id = id, finding = %finding.at("body"), "policy");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Refusal::Malformed);
    }
    let written =
        place(folder, id).and_then(|file| files::apply(&[Change { file, content: Some(text.as_bytes().to_owned()) }]));
    written.map_err(|error| failed(id, &error, Refusal::WritePolicy))
}

/// Where policies are written.
fn folder(gateway: &Gateway) -> Result<&Path, Refusal> {
    match &gateway.config.policies {
        PolicySource::Folder(folder) => Ok(folder),
        PolicySource::Service => Err(Refusal::PolicyService),
        PolicySource::Nowhere | PolicySource::File(_) => Err(Refusal::NoPolicyFolder),
    }
}

/// The file of a policy: whichever says that it is of it, else one that no other policy has.
fn place(folder: &Path, id: &str) -> io::Result<PathBuf> {
    let named = folder.join(format!("{id}.json"));
    if files::id_in(&named, ID).as_deref() == Some(id) {
        return Ok(named);
    }
    let sources = source::list(folder, |name| name.ends_with(".json"))?;
    let mut files = sources.into_iter().map(|source| PathBuf::from(&*source.file));
    let owner = files.find(|file| files::id_in(file, ID).as_deref() == Some(id));
    Ok(owner.unwrap_or_else(|| files::place(folder, ID, id)))
}

fn check_id(id: &str) -> Result<(), Refusal> {
    if files::is_name(id) { Ok(()) } else { Err(Refusal::PolicyId) }
}

/// The id in a policy, if there is one.
fn id_in(text: &str) -> Result<Option<String>, Refusal> {
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|_| Refusal::Malformed)?;
    match files::member(&members, ID) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone()).filter(|id| !id.is_empty())),
        Some(_) => Err(Refusal::Malformed),
    }
}

/// What takes its time is not done on a core that serves requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a policy cannot be changed");
        Err(Refusal::Internal)
    })
}

fn failed(id: &str, error: &io::Error, refusal: Refusal) -> Refusal {
    tracing::error!(policy_id = id, %error, "the file of a policy stays as it was");
    refusal
}
