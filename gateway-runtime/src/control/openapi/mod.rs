//! `GET /tyk/openapi.json`: what every route takes and gives, in OpenAPI 3. A row of ROUTES that is not told here fails a
//! test.

use gateway_sdk::{Response, StatusCode};
use serde_json::{Map, Value};

use super::call::Call;
use super::refusal::Refusal;
use super::reply;
use crate::config::Config;

/// The document, in parts: what all routes have in common, and one part for each kind of them.
const PARTS: &[&str] = &[
    include_str!("base.json"),
    include_str!("gateway.json"),
    include_str!("apis.json"),
    include_str!("oas.json"),
    include_str!("policies.json"),
    include_str!("keys.json"),
    include_str!("organisations.json"),
    include_str!("certs.json"),
];

pub(super) fn document(call: &Call<'_>) -> Result<Response, Refusal> {
    let document = whole(&call.gateway.config).map_err(|error| {
        tracing::error!(%error, "the control API cannot be described");
        Refusal::Internal
    })?;
    Ok(reply::json(StatusCode::OK, &document))
}

/// The document of this gateway, whose health paths may have names of their own.
fn whole(config: &Config) -> serde_json::Result<Value> {
    let mut document = Map::new();
    for part in PARTS {
        merge(&mut document, serde_json::from_str(part)?);
    }
    if let Some(Value::Object(info)) = document.get_mut("info") {
        info.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    }
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        for (name, own) in [("/hello", &config.hello_path), ("/ready", &config.ready_path)] {
            if let Some(path) = paths.remove(name) {
                paths.insert(own.clone(), path);
            }
        }
    }
    Ok(document.into())
}

/// Puts the members of one object into another, and so with those that are objects in both.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{PREFIX, ROUTES};
    use super::*;

    fn document() -> Value {
        let config = crate::config::load(None, []).expect("the defaults").config;
        whole(&config).expect("JSON")
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = document();
        let operations = document["paths"].as_object().expect("paths").iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys().filter(|method| *method != "parameters");
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        let routes = ROUTES.iter().map(|route| format!("{} {PREFIX}{}", route.method, route.path));
        let health = ["/hello", "/ready"].map(|path| format!("GET {path}"));
        assert_eq!(operations.collect::<BTreeSet<_>>(), routes.chain(health).collect());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(to)) = members.get("$ref") {
                        let pointer = to.strip_prefix('#').expect("a place in this document");
                        assert!(document.pointer(pointer).is_some(), "{to}");
                    }
                    members.values().for_each(|value| check(document, value));
                }
                Value::Array(items) => items.iter().for_each(|value| check(document, value)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
    }

    #[test]
    fn operations_have_names_of_their_own_and_tell_who_may_not_call_them() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let Some(name) = operation["operationId"].as_str() else { continue };
                assert!(names.insert(name.to_owned()), "{name}");
                let is_open = operation["security"] == Value::Array(Vec::new());
                let told = operation["responses"].as_object().expect("responses");
                assert_eq!(told.contains_key("403"), !is_open, "{method} {path}");
                assert!(told.contains_key("405"), "{method} {path}");
                assert_eq!(told.contains_key("413"), operation.get("requestBody").is_some(), "{method} {path}");
            }
        }
    }
}
