//! `POST`, `PUT`, `PATCH` and `DELETE`: files of definitions. What a load would not take is not written.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_model::{Finding, Severity};
use gateway_sdk::Response;
use serde_json::{Map, Value};

use super::merge_patch;
use super::versions::{self, NewVersion};
use crate::apis::plan::{self, Ground, Planned};
use crate::apis::source::{FILE_BYTES, beside};
use crate::control::call::{Call, LARGEST_BODY};
use crate::control::files::{self, Change};
use crate::control::oas;
use crate::control::refusal::Refusal;
use crate::control::reply;
use crate::events::Queue;
use crate::gateway::Gateway;
use crate::session::key::new_id;

/// The member of a definition that says which it is.
const ID: &str = "api_id";

/// `POST /tyk/apis`: an API of an id that is there already is replaced, as in Tyk.
pub(in crate::control) async fn create(mut call: Call<'_>) -> Result<Response, Refusal> {
    let version = NewVersion::of(&call)?;
    let text = call.text().await?;
    let gateway = call.gateway;
    let Examined { id, text } = examine(gateway, text, None).await?;
    let _changing = gateway.changing.lock().await;
    let file = place(gateway, &id)?;
    if is_oas(gateway, &id) {
        return Err(Refusal::OasApi);
    }
    let mut changes = vec![Change { file, content: Some(text.into_bytes()) }];
    if let Some(version) = version {
        changes.extend(versions::added(gateway, version, &id)?);
    }
    apply(changes).await.map_err(|error| failed(&id, &error, Refusal::Write))?;
    Ok(reply::changed(&id, "added"))
}

/// `PUT /tyk/apis/{api_id}`: its file is replaced, whatever its name is.
pub(in crate::control) async fn update(mut call: Call<'_>) -> Result<Response, Refusal> {
    let gateway = call.gateway;
    changeable(gateway, call.argument())?;
    let text = call.text().await?;
    let Examined { id, text } = examine(gateway, text, Some(call.argument())).await?;
    let _changing = gateway.changing.lock().await;
    // It may have been deleted meanwhile.
    let file = changeable(gateway, &id)?;
    apply(vec![Change { file, content: Some(text.into_bytes()) }])
        .await
        .map_err(|error| failed(&id, &error, Refusal::Write))?;
    Ok(reply::changed(&id, "modified"))
}

/// `PATCH /tyk/apis/{api_id}`: a merge patch (RFC 7396) of what is in its file, whether that is loaded already or not.
pub(in crate::control) async fn patch(mut call: Call<'_>) -> Result<Response, Refusal> {
    let gateway = call.gateway;
    changeable(gateway, call.argument())?;
    let patch: Value = serde_json::from_str(&call.text().await?).map_err(|_| Refusal::Malformed)?;
    // Nobody else changes the file between its reading and its writing.
    let _changing = gateway.changing.lock().await;
    let file = changeable(gateway, call.argument())?;
    let from = file.clone();
    let text =
        tokio::task::spawn_blocking(move || patched(&from, patch)).await.map_err(std::io::Error::other).flatten();
    let text = text.map_err(|error| failed(call.argument(), &error, Refusal::Unpatchable))?;
    let Examined { id, text } = examine(gateway, text, Some(call.argument())).await?;
    apply(vec![Change { file, content: Some(text.into_bytes()) }])
        .await
        .map_err(|error| failed(&id, &error, Refusal::Write))?;
    Ok(reply::changed(&id, "modified"))
}

/// What a file becomes by a patch.
fn patched(file: &Path, patch: Value) -> std::io::Result<String> {
    let content = files::read(file)?.ok_or(std::io::ErrorKind::NotFound)?;
    let mut document: Value = serde_json::from_slice(&content)?;
    merge_patch::apply(&mut document, patch);
    Ok(format!("{document:#}\n"))
}

/// `DELETE /tyk/apis/{api_id}`: its file, its OpenAPI document, and its place among the versions of another.
pub(in crate::control) async fn delete(call: Call<'_>) -> Result<Response, Refusal> {
    let (gateway, id) = (call.gateway, call.argument());
    let _changing = gateway.changing.lock().await;
    let file = existing(gateway, id)?;
    let document = beside(&file).filter(|document| document.is_file());
    let mut changes = versions::removed(gateway, id)?;
    changes.push(Change { file, content: None });
    changes.extend(document.map(|file| Change { file, content: None }));
    apply(changes).await.map_err(|error| failed(id, &error, Refusal::Delete))?;
    Ok(reply::changed(id, "deleted"))
}

/// A definition that a load would take.
struct Examined {
    id: String,
    /// As it is to be written.
    text: String,
}

/// Makes of a text what a load would, but for the start of plugins. It must be of the API `wanted`, if that is given.
async fn examine(gateway: &Gateway, text: String, wanted: Option<&str>) -> Result<Examined, Refusal> {
    let wanted = wanted.map(str::to_owned);
    gateway.config.edge.certificates.fetch(&text).await;
    // Hosts that only this text names are not to be remembered.
    let ground = Ground { marks: Arc::default(), events: Queue::default(), ..gateway.ground.clone() };
    let examined = tokio::task::spawn_blocking(move || examined(&text, wanted.as_deref(), &ground)).await;
    examined.unwrap_or_else(|error| {
        tracing::error!(%error, "a definition cannot be examined");
        Err(Refusal::Internal)
    })
}

fn examined(text: &str, wanted: Option<&str>, ground: &Ground) -> Result<Examined, Refusal> {
    if wanted.is_some() && id_in(text)?.as_deref() != wanted {
        return Err(Refusal::OtherApiId);
    }
    let text = with_id(text)?;
    let id = id_in(&text)?.ok_or(Refusal::Malformed)?;
    check_id(&id)?;
    let Planned { is_malformed, findings, .. } = plan::plan(&text, None, ground);
    if is_malformed {
        tell(&id, &findings);
        return Err(Refusal::Malformed);
    }
    let wrong = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let reasons: Vec<String> = wrong.map(|Finding { path, reason, .. }| format!("{path}: {reason}")).collect();
    if !reasons.is_empty() {
        return Err(Refusal::Definition(reasons.join("; ")));
    }
    tell(&id, &findings);
    let text = if text.ends_with('\n') { text.into_owned() } else { format!("{text}\n") };
    if text.len() as u64 > FILE_BYTES {
        return Err(Refusal::TooLarge { limit_bytes: LARGEST_BODY });
    }
    Ok(Examined { id, text })
}

pub(in crate::control) fn tell(id: &str, findings: &[Finding]) {
    for finding in findings {
        tracing::warn!(api_id = id, finding = %finding.at("body"), "API definition");
    }
}

/// The text, with an id of ours if it has none.
fn with_id(text: &str) -> Result<Cow<'_, str>, Refusal> {
    let mut members: Map<String, Value> = serde_json::from_str(text).map_err(|_| Refusal::Malformed)?;
    // What has no effect in a classic definition makes another of it.
    if oas::is_oas(text) {
        return Err(Refusal::OasDefinition);
    }
    if files::member(&members, ID).is_some_and(|id| !id.is_null() && id != "") {
        return Ok(text.into());
    }
    let id = new_id().map_err(|error| {
        tracing::error!(%error, "an API gets no id");
        Refusal::Internal
    })?;
    members.retain(|key, _| !key.eq_ignore_ascii_case(ID));
    members.insert(ID.to_owned(), id.into());
    Ok(format!("{:#}\n", Value::Object(members)).into())
}

/// The id in a definition, if there is one.
fn id_in(text: &str) -> Result<Option<String>, Refusal> {
    let members = serde_json::from_str(text).map_err(|_| Refusal::Malformed)?;
    Ok(files::member(&members, ID).and_then(Value::as_str).map(str::to_owned))
}

/// Whether a file of this name stays in its folder, and the next load finds it as a definition.
pub(in crate::control) fn check_id(id: &str) -> Result<(), Refusal> {
    if files::is_name(id) && !id.ends_with("-oas") { Ok(()) } else { Err(Refusal::ApiId) }
}

/// The file of an API: the one that it was loaded from, else the one that it is loaded from next.
fn place(gateway: &Gateway, id: &str) -> Result<PathBuf, Refusal> {
    check_id(id)?;
    let loaded = gateway.table.load().by_id(id).map(|api| PathBuf::from(&*api.file));
    Ok(loaded.unwrap_or_else(|| files::place(&gateway.config.app_path, ID, id)))
}

/// The same of an API that has one.
fn existing(gateway: &Gateway, id: &str) -> Result<PathBuf, Refusal> {
    place(gateway, id).and_then(|file| if file.is_file() { Ok(file) } else { Err(Refusal::UnknownApi) })
}

/// The same of one that does not belong to an OpenAPI document.
fn changeable(gateway: &Gateway, id: &str) -> Result<PathBuf, Refusal> {
    let file = existing(gateway, id)?;
    if is_oas(gateway, id) { Err(Refusal::OasApi) } else { Ok(file) }
}

/// Whether a loaded API belongs to an OpenAPI document.
fn is_oas(gateway: &Gateway, id: &str) -> bool {
    let table = gateway.table.load();
    table.by_id(id).is_some_and(|api| oas::is_oas(&api.text))
}

pub(in crate::control) async fn apply(changes: Vec<Change>) -> std::io::Result<()> {
    tokio::task::spawn_blocking(move || files::apply(&changes)).await.map_err(std::io::Error::other)?
}

pub(in crate::control) fn failed(id: &str, error: &std::io::Error, refusal: Refusal) -> Refusal {
    tracing::error!(api_id = id, %error, "the file of a definition stays as it was");
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_leads_out_of_the_folder_or_out_of_sight_is_refused() {
        let long = "a".repeat(201);
        for id in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", "x-oas", &long] {
            assert!(matches!(check_id(id), Err(Refusal::ApiId)), "{id:?}");
        }
        for id in ["1", "a.b", "ä", "a b", "oas", &long[1..]] {
            assert!(check_id(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn an_id_is_made_where_there_is_none() {
        for text in [r#"{"name": "n"}"#, r#"{"api_id": ""}"#, r#"{"API_ID": null}"#] {
            let id = id_in(&with_id(text).expect("an object")).expect("an object").expect("an id");
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        let written = r#"{"Api_Id":  "x"}"#;
        assert_eq!(with_id(written).expect("an object"), written);
        for text in ["", "7", "[]", "null", "{", r#"{"api_id": 1"#] {
            assert!(matches!(with_id(text), Err(Refusal::Malformed)), "{text}");
        }
        for text in [r#"{"is_oas": true}"#, r#"{"x-tyk-api-gateway": {}}"#] {
            assert!(matches!(with_id(text), Err(Refusal::OasDefinition)), "{text}");
        }
    }
}
