//! `POST`, `PUT`, `PATCH` and `DELETE` of documents. What a load would not take is not written, and of two files both are
//! or none.

use std::sync::Arc;

use gateway_model::oas::{self, EXTENSION};
use gateway_model::{Finding, Severity};
use gateway_sdk::Response;
use serde_json::{Map, Value, json};

use super::extension::{self, Parameters};
use super::files::Home;
use crate::apis::plan::{self, Ground, Planned};
use crate::apis::source::FILE_BYTES;
use crate::control::apis::{NewVersion, added, apply, check_id, failed, removed, tell};
use crate::control::call::{Call, LARGEST_BODY};
use crate::control::refusal::Refusal;
use crate::control::reply;
use crate::gateway::Gateway;
use crate::session::key::new_id;

/// `POST /tyk/apis/oas`: an API of an id that is there already is replaced.
pub(in crate::control) async fn create(mut call: Call<'_>) -> Result<Response, Refusal> {
    let version = NewVersion::of(&call)?;
    let text = call.text().await?;
    let document = parse(&text)?;
    if !document.contains_key(EXTENSION) {
        return Err(Refusal::NoExtension);
    }
    add(call.gateway, document, Some(text), version).await
}

/// `POST /tyk/apis/oas/import`: a document without `x-tyk-api-gateway`, which is made of the query.
pub(in crate::control) async fn import(mut call: Call<'_>) -> Result<Response, Refusal> {
    let version = NewVersion::of(&call)?;
    let parameters = Parameters::of(&call);
    let document = parse(&call.text().await?)?;
    if document.contains_key(EXTENSION) {
        return Err(Refusal::UnwantedExtension);
    }
    let mut document = Value::Object(document);
    extension::make(&mut document, &parameters).map_err(Refusal::Import)?;
    let Value::Object(document) = document else { return Err(Refusal::Malformed) };
    add(call.gateway, document, None, version).await
}

async fn add(
    gateway: &Arc<Gateway>,
    document: Map<String, Value>,
    text: Option<String>,
    version: Option<NewVersion>,
) -> Result<Response, Refusal> {
    let mut document = Value::Object(document);
    let text = if with_id(&mut document)? { None } else { text };
    let Examined { id, document, text } = examine(gateway, document, text, None).await?;
    let _changing = gateway.changing.lock().await;
    let home = Home::of_id(gateway, &id)?;
    let mut changes = home.written(&document, text);
    if let Some(version) = version {
        changes.extend(added(gateway, version, &id)?);
    }
    apply(changes).await.map_err(|error| failed(&id, &error, Refusal::Write))?;
    Ok(reply::changed(&id, "added"))
}

/// `PUT /tyk/apis/oas/{api_id}`: its files are replaced, whatever their names are.
pub(in crate::control) async fn update(mut call: Call<'_>) -> Result<Response, Refusal> {
    let gateway = call.gateway;
    Home::existing(gateway, call.argument())?;
    let text = call.text().await?;
    let document = parse(&text)?;
    if !document.contains_key(EXTENSION) {
        return Err(Refusal::NoExtension);
    }
    replace(gateway, document.into(), Some(text), call.argument()).await
}

/// `PATCH /tyk/apis/oas/{api_id}`: the OpenAPI part is replaced. The extension stays but for what the query says, and
/// but for what it says of operations that are gone.
pub(in crate::control) async fn patch(mut call: Call<'_>) -> Result<Response, Refusal> {
    let gateway = call.gateway;
    let parameters = Parameters::of(&call);
    let home = Home::existing(gateway, call.argument())?;
    let document = parse(&call.text().await?)?;
    let is_whole = document.contains_key(EXTENSION);
    let mut document = Value::Object(document);
    if !is_whole {
        let before = home.read(call.argument())?;
        document[EXTENSION] = before.get(EXTENSION).cloned().unwrap_or_else(|| json!({}));
        extension::forget_operations(&mut document);
    }
    extension::change(&mut document, &parameters).map_err(Refusal::Import)?;
    replace(gateway, document, None, call.argument()).await
}

async fn replace(gateway: &Arc<Gateway>, document: Value, text: Option<String>, id: &str) -> Result<Response, Refusal> {
    let Examined { id, document, text } = examine(gateway, document, text, Some(id)).await?;
    let _changing = gateway.changing.lock().await;
    // It may have been deleted meanwhile.
    let home = Home::existing(gateway, &id)?;
    apply(home.written(&document, text)).await.map_err(|error| failed(&id, &error, Refusal::Write))?;
    Ok(reply::changed(&id, "modified"))
}

/// `DELETE /tyk/apis/oas/{api_id}`: its files, and its place among the versions of another.
pub(in crate::control) async fn delete(call: Call<'_>) -> Result<Response, Refusal> {
    let (gateway, id) = (call.gateway, call.argument());
    check_id(id)?;
    let _changing = gateway.changing.lock().await;
    let home = Home::existing(gateway, id)?;
    let mut changes = removed(gateway, id)?;
    changes.extend(home.removed());
    apply(changes).await.map_err(|error| failed(id, &error, Refusal::Delete))?;
    Ok(reply::changed(id, "deleted"))
}

fn parse(text: &str) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_str(text).map_err(|_| Refusal::OasMalformed)
}

/// A document that a load would take.
struct Examined {
    id: String,
    document: Value,
    /// As it is to be written.
    text: String,
}

/// Makes of a document what a load would, but for the start of plugins. It must be of the API `wanted`, if that is given.
/// `text` is how it was written, if it is still as it was.
async fn examine(
    gateway: &Gateway,
    mut document: Value,
    text: Option<String>,
    wanted: Option<&str>,
) -> Result<Examined, Refusal> {
    let id = document.pointer(ID).and_then(Value::as_str).unwrap_or_default().to_owned();
    if wanted.is_some_and(|wanted| wanted != id) {
        return Err(Refusal::OtherApiId);
    }
    check_id(&id)?;
    let before = document.clone();
    oas::renew(&mut document);
    let text = match text.filter(|_| before == document) {
        Some(text) if text.ends_with('\n') => text,
        Some(text) => text + "\n",
        None => format!("{document:#}\n"),
    };
    if text.len() as u64 > FILE_BYTES {
        return Err(Refusal::TooLarge { limit_bytes: LARGEST_BODY });
    }
    gateway.config.edge.certificates.fetch(&text).await;
    // Hosts that only this text names are not to be remembered.
    let ground = Ground { marks: Arc::default(), ..gateway.ground.clone() };
    let planning = tokio::task::spawn_blocking(move || {
        let Planned { findings, .. } = plan::plan(&text, None, &ground);
        (text, findings)
    });
    let (text, findings) = planning.await.map_err(|error| {
        tracing::error!(%error, "a definition cannot be examined");
        Refusal::Internal
    })?;
    tell(&id, &findings);
    let wrong = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let reasons: Vec<String> = wrong.map(|Finding { path, reason, .. }| format!("{path}: {reason}")).collect();
    if reasons.is_empty() { Ok(Examined { id, document, text }) } else { Err(Refusal::Definition(reasons.join("; "))) }
}

/// Where the id is in a document.
const ID: &str = "/x-tyk-api-gateway/info/id";

/// Gives a document an id of ours if it has none, and says whether it did.
fn with_id(document: &mut Value) -> Result<bool, Refusal> {
    let is_there = document.pointer(ID).is_some_and(|id| !id.is_null() && id != "");
    let Some(extension) = document.get_mut(EXTENSION).and_then(Value::as_object_mut) else {
        return Err(Refusal::OasMalformed);
    };
    if is_there {
        return Ok(false);
    }
    let id = new_id().map_err(|error| {
        tracing::error!(%error, "an API gets no id");
        Refusal::Internal
    })?;
    let info = extension.entry("info").or_insert_with(|| json!({}));
    let info = info.as_object_mut().ok_or(Refusal::OasMalformed)?;
    info.insert("id".to_owned(), id.into());
    Ok(true)
}
