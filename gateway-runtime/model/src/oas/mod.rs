//! Definitions that are OpenAPI documents with `x-tyk-api-gateway`: what they say, in the classic form, and back.
//!
//! | module | what it holds |
//! |---|---|
//! | `rule`, `form` | one value in both forms, and the ways to write one |
//! | `info`, `upstream`, `server`, `global` | the rules of the parts of the extension |
//! | `authentication`, `schemes` | `server.authentication`, and what depends on the security schemes of the document |
//! | `events`, `operations`, `rewrites` | what is a list in one form and an object in the other |
//! | `mock` | answers of the gateway's own, which have no classic form |
//! | `paths` | the operations of a document, and their order |
//! | `places` | where in a document the parts of its classic form come from |
//! | `schema` | the JSON schema of a document, of what is read |
//! | `known`, `check` | what nothing reads, and what is wrong with a document itself |
//! | `twin` | a definition in the classic form beside its document: where they contradict each other |
//!
//! Everything that is honoured in the classic form is honoured here once there is a rule for it, and what is wrong in
//! the classic form is told at its place in the document.
//!
//! Source: gateway.md §4; plugin-system.md §2; Tyk, `apidef/oas`.

mod authentication;
mod check;
mod definition;
mod events;
mod form;
mod global;
mod info;
mod known;
mod mock;
mod operations;
mod paths;
mod places;
mod rewrites;
mod rule;
mod schema;
mod schemes;
mod server;
mod twin;
mod upstream;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::document::{Identity, Interpreted, Reading, interpret, locate_all};
use crate::finding::{Position, Severity};
use crate::json_path::JsonPath;
use crate::locate::{Locator, locate};
use crate::meaning::Mistake;
use rule::{Notes, get};

pub use definition::{OasDefinition, ReferenceError};
pub use mock::{FromExamples, MockHeader, OasMock, OasValidation};
pub use paths::Operation;
pub use places::Places;
pub use schema::schema;
pub use twin::{Twin, twin};

/// The member of an OpenAPI document that makes it a definition.
pub const EXTENSION: &str = "x-tyk-api-gateway";

/// The one version of an API whose definition is a document. Source: gateway.md §4.4.
const VERSION: [&str; 3] = ["version_data", "versions", ""];

/// Whether a document is of OpenAPI, and no definition in the classic form.
pub fn is_oas(document: &Value) -> bool {
    let has = |key| document.get(key).is_some();
    has(EXTENSION) || ((has("openapi") || has("swagger")) && !has("proxy"))
}

/// What a document says in the classic form, without a word about what is wrong in it.
pub fn classic(document: &Value) -> Value {
    extract(document).0
}

/// Puts a definition in the classic form into a document, which is made if it is `null`. What the document says
/// otherwise stays.
pub fn fill(classic: &Value, document: &mut Value) {
    if !document.is_object() {
        let text = |path: &str| get(classic, path).and_then(Value::as_str).unwrap_or_default().to_owned();
        *document = json!({"openapi": "3.0.3", "info": {"title": text("name"), "version": "1.0.0"}, "paths": {}});
    }
    let mut extension = document.get(EXTENSION).cloned().unwrap_or_else(|| json!({}));
    for rules in [info::RULES, info::VERSIONING, server::RULES, global::RULES] {
        rule::fill(rules, classic, &mut extension);
    }
    upstream::fill(classic, &mut extension);
    events::fill(classic, &mut extension);
    if rule::is_on(get(classic, "use_keyless")) {
        rule::remove(&mut extension, authentication::AT);
    } else {
        let mut found = get(&extension, authentication::AT).cloned().unwrap_or_else(|| json!({}));
        authentication::fill(classic, &mut found);
        schemes::fill(classic, document, &mut found);
        rule::put(&mut extension, authentication::AT, found);
    }
    let versions = get(classic, "version_data.versions").and_then(Value::as_object);
    if let Some((_, version)) = versions.and_then(|versions| versions.iter().next()) {
        rule::fill(upstream::VERSION, version, &mut extension);
        rule::fill(global::VERSION, version, &mut extension);
        let mut found = get(&extension, operations::AT).cloned().unwrap_or_else(|| json!({}));
        let lists = get(version, "extended_paths").filter(|_| rule::is_on(get(version, "use_extended_paths")));
        operations::fill(lists.unwrap_or(&Value::Null), document, &mut found);
        if !rule::is_zero(&found) {
            rule::put(&mut extension, operations::AT, found);
        }
    }
    rule::object(document).insert(EXTENSION.to_owned(), extension);
}

/// Puts `definition` of a definition in the classic form into a document.
pub fn fill_versions(classic: &Value, document: &mut Value) {
    let mut extension = document.get_mut(EXTENSION).map(Value::take).unwrap_or_default();
    rule::fill(info::VERSIONING, classic, &mut extension);
    rule::object(document).insert(EXTENSION.to_owned(), extension);
}

/// Moves what a document has in older places to the newer ones. Source: plugin-system.md §2.2.
pub fn renew(document: &mut Value) {
    let Some(extension) = document.as_object_mut().and_then(|members| members.get_mut(EXTENSION)) else { return };
    rule::renew(global::RULES, extension);
    let middleware = extension.as_object_mut().and_then(|members| members.get_mut("middleware"));
    let operations = middleware.and_then(Value::as_object_mut).and_then(|members| members.get_mut("operations"));
    for (_, entry) in operations.and_then(Value::as_object_mut).into_iter().flatten() {
        operations::renew(entry);
    }
}

/// Where the value of a definition in either form is that has this path in the classic form, and its path there.
pub fn place(text: &str, classic_path: &str) -> (String, Position) {
    let document = Some(text).filter(|text| text.contains(EXTENSION)).and_then(|text| serde_json::from_str(text).ok());
    let path = match document.filter(is_oas) {
        Some(document) => extract(&document).1.places.of(&classic_path.parse().unwrap_or_default()).to_string(),
        None => classic_path.to_owned(),
    };
    let position = locate(text, &path);
    (path, position)
}

/// A document in the classic form, and what was noted on the way.
fn extract(document: &Value) -> (Value, Notes) {
    let mut notes = Notes::default();
    let (root, at) = (JsonPath::default(), JsonPath::default().key(EXTENSION));
    let nothing = Value::Null;
    let extension = document.get(EXTENSION).unwrap_or(&nothing);
    let mut made = Value::Object(Map::new());
    for rules in [info::RULES, info::VERSIONING, server::RULES, global::RULES] {
        rule::extract(rules, (extension, &at), (&mut made, &root), &mut notes);
    }
    upstream::extract((extension, &at), (&mut made, &root), &mut notes);
    if let Some(handlers) = get(extension, events::AT) {
        events::extract((handlers, &rule::join(&at, events::AT)), (&mut made, &root), &mut notes);
    }
    let authentication = (get(extension, authentication::AT).unwrap_or(&nothing), &rule::join(&at, authentication::AT));
    authentication::extract(authentication, (&mut made, &root), &mut notes);
    if rule::is_on(get(authentication.0, "enabled")) {
        schemes::extract(document, authentication, (&mut made, &root), &mut notes);
    }
    let version = extract_version(document, (extension, &at), &mut notes);
    made["version_data"] = json!({"not_versioned": true, "default_version": "", "versions": {"": version}});
    made["is_oas"] = true.into();
    (made, notes)
}

fn extract_version(document: &Value, (extension, at): (&Value, &JsonPath), notes: &mut Notes) -> Value {
    let to = VERSION.into_iter().fold(JsonPath::default(), |path, key| path.key(key));
    let mut version = json!({"name": "", "use_extended_paths": true});
    rule::extract(upstream::VERSION, (extension, at), (&mut version, &to), notes);
    rule::extract(global::VERSION, (extension, at), (&mut version, &to), notes);
    let entries = (get(extension, operations::AT).unwrap_or(&Value::Null), &rule::join(at, operations::AT));
    version["extended_paths"] = operations::extract(document, entries, &to.key("extended_paths"), notes);
    version
}

/// Reads a document as a definition, with all that is wrong in it.
pub(crate) fn read(locator: &mut Locator<'_>, document: Value) -> Reading {
    let mut mistakes = check::check(&document);
    if document.get(EXTENSION).is_none() {
        let reason = format!(
            "this OpenAPI document has no `{EXTENSION}`, so that nothing says where the API listens and what it forwards \
             to; add it, or have it made by `POST /tyk/apis/oas/import`"
        );
        mistakes.push((Severity::Error, JsonPath::default(), reason));
        let (findings, _) = locate_all(locator, mistakes);
        return Reading { definition: None, identity: None, is_malformed: true, findings, places: None };
    }
    let (classic, notes) = extract(&document);
    let Notes { places, mistakes: noted } = notes;
    mistakes.extend(noted);
    mistakes.extend(known::unknown(&document));
    let Interpreted { mut definition, is_malformed, mistakes: meant } = interpret(&classic);
    // What is wrong here is wrong in the classic form because of it.
    let wrong: Vec<JsonPath> = mistakes
        .iter()
        .filter(|(severity, ..)| *severity == Severity::Error)
        .map(|(_, path, _)| path.clone())
        .collect();
    let told = meant.into_iter().map(|(severity, path, reason)| (severity, places.of(&path), reason));
    mistakes.extend(told.filter(|(_, path, _)| !wrong.iter().any(|wrong| wrong.contains(path))));
    let guards = known::guards(&document);
    definition.unhonoured_guards.extend(guards.iter().map(|(_, path, _)| path.to_string()));
    mistakes.extend(guards);
    let (findings, refused) = locate_all(locator, distinct(mistakes));
    let identity = Identity::of(&definition);
    definition.is_oas = true;
    definition.oas = Some(Arc::new(OasDefinition::new(document)));
    let definition = (!refused).then_some(definition);
    Reading { definition, identity, is_malformed, findings, places: Some(Arc::new(places)) }
}

fn distinct(mistakes: Vec<Mistake>) -> Vec<Mistake> {
    let mut distinct: Vec<Mistake> = Vec::with_capacity(mistakes.len());
    for mistake in mistakes {
        if !distinct.contains(&mistake) {
            distinct.push(mistake);
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
