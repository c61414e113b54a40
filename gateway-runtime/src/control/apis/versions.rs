//! Versions that are APIs of their own, and the API that they are versions of. Source: gateway.md §2.4, §3.3.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use gateway_sdk::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::apis::compile::Api;
use crate::apis::table::Table;
use crate::control::call::Call;
use crate::control::files::{self, Change};
use crate::control::oas::{self, Home};
use crate::control::refusal::Refusal;
use crate::control::reply;
use crate::gateway::Gateway;

/// What names a version, where a base says nothing else.
const KEY: &str = "x-api-version";
/// The default version that is the base itself.
const BASE_ITSELF: &str = "self";

/// `definition` of a base.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Versioning {
    name: String,
    default: String,
    /// Ids of APIs, by the names of versions.
    versions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WithVersioning {
    #[serde(default)]
    definition: Versioning,
}

impl Versioning {
    fn of(api: &Api) -> Self {
        let read = serde_json::from_str(&super::classic_of(api)).map(|WithVersioning { definition }| definition);
        read.unwrap_or_default()
    }

    fn is_default(&self, name: &str, is_base: bool) -> bool {
        self.default == name || (is_base && self.default == BASE_ITSELF)
    }
}

/// The API that another is a version of.
pub(super) fn base_of<'t>(table: &'t Table, id: &str) -> Option<&'t Arc<Api>> {
    let names =
        |api: &&Arc<Api>| api.text.contains(id) && Versioning::of(api).versions.values().any(|other| other == id);
    table.apis().iter().find(names)
}

/// One version, as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    version_name: &'a str,
    internal: bool,
    expiration_date: &'a str,
    is_default_version: bool,
}

/// `GET /tyk/apis/{api_id}/versions`: the base first, then its versions by name, whichever of them is asked for.
pub(in crate::control) fn versions(call: &Call<'_>) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct List<'a> {
        status: &'static str,
        apis: Vec<Listed<'a>>,
    }
    let table = call.gateway.table.load();
    let asked = table.by_id(call.argument()).ok_or(Refusal::UnknownApi)?;
    let base = base_of(&table, call.argument()).unwrap_or(asked);
    let versioning = Versioning::of(base);
    let children = versioning.versions.iter().filter_map(|(name, id)| Some((name, table.by_id(id)?, false)));
    let all = std::iter::once((&versioning.name, base, true)).chain(children);
    let text = call.query("searchText").unwrap_or_default().to_lowercase();
    let internal = call.query("accessType").and_then(|kind| match kind.as_str() {
        "internal" => Some(true),
        "external" => Some(false),
        _ => None,
    });
    let listed = all.map(|(version_name, api, is_base)| Listed {
        id: &api.definition.api_id,
        name: &api.definition.name,
        version_name,
        internal: api.definition.internal,
        expiration_date: &api.definition.expiration,
        is_default_version: versioning.is_default(version_name, is_base),
    });
    let wanted = listed.filter(|version| {
        version.name.to_lowercase().contains(&text) && internal.is_none_or(|internal| version.internal == internal)
    });
    Ok(reply::json(StatusCode::OK, &List { status: "success", apis: wanted.collect() }))
}

/// What the query of a `POST` asks to make of an API.
pub(in crate::control) struct NewVersion {
    /// The API that it is a version of.
    base: String,
    /// The name of the base among the versions, if that is to change.
    base_name: Option<String>,
    name: String,
    is_default: bool,
}

impl NewVersion {
    /// # Errors
    /// When the version has no name.
    pub(in crate::control) fn of(call: &Call<'_>) -> Result<Option<Self>, Refusal> {
        let given = |name| call.query(name).filter(|value| !value.is_empty());
        let Some(base) = given("base_api_id") else { return Ok(None) };
        let name = given("new_version_name").ok_or(Refusal::VersionName)?;
        let is_default = given("set_default").as_deref() == Some("true");
        Ok(Some(Self { base, base_name: given("base_api_version_name"), name, is_default }))
    }
}

/// The files of a base, with a version more.
pub(in crate::control) fn added(gateway: &Gateway, version: NewVersion, id: &str) -> Result<Vec<Change>, Refusal> {
    let table = gateway.table.load();
    let base = table.by_id(&version.base).ok_or(Refusal::UnknownApi)?;
    changed(base, |definition| add(definition, version, id))
}

/// The files of the base of an API, without it.
pub(in crate::control) fn removed(gateway: &Gateway, id: &str) -> Result<Vec<Change>, Refusal> {
    let table = gateway.table.load();
    base_of(&table, id).map_or_else(|| Ok(Vec::new()), |base| changed(base, |definition| remove(definition, id)))
}

/// What is in the file counts, not what was loaded: there may have been changes in between.
fn changed(base: &Api, change: impl FnOnce(&mut Map<String, Value>)) -> Result<Vec<Change>, Refusal> {
    let file = Path::new(&*base.file);
    let fail = |error: io::Error| {
        tracing::error!(file = %file.display(), %error, "the versions of an API stay as they were");
        Refusal::Write
    };
    let read = || -> io::Result<String> {
        let content = files::read(file)?.ok_or(io::ErrorKind::NotFound)?;
        String::from_utf8(content).map_err(io::Error::other)
    };
    let text = read().map_err(fail)?;
    if oas::is_oas(&text) {
        let home = Home::of(file.to_owned(), &text)?;
        // A classic form without a document is all there is.
        if home.document.as_ref().is_none_or(|document| document.is_file()) {
            let mut document = home.read(&base.definition.api_id)?;
            let mut classic = gateway_model::oas::classic(&document);
            if let Value::Object(members) = &mut classic {
                change(object(members, "definition"));
            }
            gateway_model::oas::fill_versions(&classic, &mut document);
            let text = format!("{document:#}\n");
            return Ok(home.written(&document, text));
        }
    }
    let mut members: Map<String, Value> = serde_json::from_str(&text).map_err(|error| fail(error.into()))?;
    change(object(&mut members, "definition"));
    let text = format!("{:#}\n", Value::Object(members));
    Ok(vec![Change { file: file.to_owned(), content: Some(text.into_bytes()) }])
}

/// Source: Tyk, `handleAddApi` in `gateway/api.go`.
fn add(definition: &mut Map<String, Value>, version: NewVersion, id: &str) {
    definition.insert("enabled".to_owned(), true.into());
    if let Some(name) = version.base_name {
        definition.insert("name".to_owned(), name.clone().into());
        definition.insert("default".to_owned(), name.into());
    }
    for (key, value) in [("key", KEY), ("location", "header"), ("default", BASE_ITSELF)] {
        if definition.get(key).is_none_or(|value| value.is_null() || value == "") {
            definition.insert(key.to_owned(), value.into());
        }
    }
    if version.is_default {
        definition.insert("default".to_owned(), version.name.clone().into());
    }
    object(definition, "versions").insert(version.name, id.into());
}

/// Source: Tyk, `handleDeleteAPI` in `gateway/api.go`.
fn remove(definition: &mut Map<String, Value>, id: &str) {
    let versions = object(definition, "versions");
    let Some(name) = versions.iter().find(|(_, other)| *other == id).map(|(name, _)| name.clone()) else { return };
    versions.remove(&name);
    if definition.get("default") == Some(&json!(name)) {
        let base = definition.get("name").cloned().unwrap_or_default();
        definition.insert("default".to_owned(), base);
    }
}

/// A member that is an object, and becomes one if it is none.
fn object<'m>(members: &'m mut Map<String, Value>, key: &str) -> &'m mut Map<String, Value> {
    let member = members.entry(key).or_insert(Value::Null);
    if !member.is_object() {
        *member = Value::Object(Map::new());
    }
    member.as_object_mut().expect("made an object above")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(base_name: Option<&str>, is_default: bool) -> NewVersion {
        NewVersion { base: "base".into(), base_name: base_name.map(str::to_owned), name: "v2".into(), is_default }
    }

    fn check(before: Value, change: impl FnOnce(&mut Map<String, Value>), expected: &Value) {
        let Value::Object(mut definition) = before else { panic!("an object") };
        change(&mut definition);
        assert_eq!(&Value::Object(definition), expected);
    }

    #[test]
    fn a_first_version_switches_versions_on() {
        let on = |default: &str| json!({"enabled": true, "key": "x-api-version", "location": "header", "default": default, "versions": {"v2": "id"}});
        check(json!({}), |it| add(it, version(None, false), "id"), &on("self"));
        check(json!({"key": "", "location": null}), |it| add(it, version(None, true), "id"), &on("v2"));
    }

    #[test]
    fn what_a_base_says_is_kept_and_its_name_may_be_set() {
        let before = json!({"enabled": true, "key": "k", "location": "url", "default": "v1", "versions": {"v1": "a"}});
        let after = json!({"enabled": true, "key": "k", "location": "url", "name": "v0", "default": "v0", "versions": {"v1": "a", "v2": "id"}});
        check(before, |it| add(it, version(Some("v0"), false), "id"), &after);
    }

    #[test]
    fn a_version_that_goes_is_no_default_any_more() {
        let before = json!({"name": "v0", "default": "v1", "versions": {"v1": "a", "v2": "b"}});
        check(before.clone(), |it| remove(it, "a"), &json!({"name": "v0", "default": "v0", "versions": {"v2": "b"}}));
        check(before.clone(), |it| remove(it, "b"), &json!({"name": "v0", "default": "v1", "versions": {"v1": "a"}}));
        check(before.clone(), |it| remove(it, "c"), &before);
    }
}
