//! `x-tyk-api-gateway` as the parameters of an import make it. Source: gateway.md §2.5; Tyk, `apidef/oas/default.go`.

use gateway_model::oas::EXTENSION;
use serde_json::{Map, Value, json};

use crate::control::call::Call;

/// The query of an import, or of a patch. What is not given is left as it is.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    upstream_url: Option<String>,
    listen_path: Option<String>,
    custom_domain: Option<String>,
    api_id: Option<String>,
    allow_list: Option<bool>,
    validate_request: Option<bool>,
    mock_response: Option<bool>,
    authentication: Option<bool>,
    security_processing_mode: Option<String>,
}

impl Parameters {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let text = |name| call.query(name).filter(|value| !value.is_empty());
        let flag = |name| match call.query(name).as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        Self {
            upstream_url: text("upstreamURL"),
            listen_path: text("listenPath"),
            custom_domain: text("customDomain"),
            api_id: text("apiID"),
            allow_list: flag("allowList"),
            validate_request: flag("validateRequest"),
            mock_response: flag("mockResponse"),
            authentication: flag("authentication"),
            security_processing_mode: text("securityProcessingMode"),
        }
    }
}

/// Makes the extension of a document that has none.
///
/// # Errors
/// When neither the parameters nor the document say what they have to.
pub(super) fn make(document: &mut Value, parameters: &Parameters) -> Result<(), String> {
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut extension = json!({
        "info": {"name": title, "state": {"active": true, "internal": false}},
        "server": {"listenPath": {"value": "/", "strip": true}},
    });
    if let Some(id) = &parameters.api_id {
        extension["info"]["id"] = id.as_str().into();
    }
    if parameters.upstream_url.is_none() {
        let url = document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
        if !url.contains("://") {
            return Err(
                "the document names no server with a whole URL: say where requests go, with `upstreamURL`".to_owned()
            );
        }
        extension["upstream"] = json!({"url": url});
    }
    document[EXTENSION] = extension;
    change(document, parameters)
}

/// Changes the extension of a document.
///
/// # Errors
/// When the document does not have what a parameter asks for, or is no document.
pub(super) fn change(document: &mut Value, parameters: &Parameters) -> Result<(), String> {
    let mut extension = document.get_mut(EXTENSION).map(Value::take).unwrap_or_default();
    let result = changed(document, &mut extension, parameters);
    document[EXTENSION] = extension;
    result
}

fn changed(document: &mut Value, extension: &mut Value, parameters: &Parameters) -> Result<(), String> {
    let texts = [
        (&["upstream", "url"][..], &parameters.upstream_url),
        (&["server", "listenPath", "value"][..], &parameters.listen_path),
        (&["server", "customDomain", "name"][..], &parameters.custom_domain),
    ];
    for (path, value) in texts {
        if let Some(value) = value {
            *at(extension, path) = value.as_str().into();
        }
    }
    if parameters.custom_domain.is_some() {
        *at(extension, &["server", "customDomain", "enabled"]) = true.into();
    }
    if let Some(is_asked) = parameters.authentication {
        authenticate(document, at(extension, &["server", "authentication"]), is_asked, parameters)?;
    }
    let kinds = [
        ("allow", parameters.allow_list),
        ("validateRequest", parameters.validate_request),
        ("mockResponse", parameters.mock_response),
    ];
    for (kind, is_on) in kinds {
        let Some(is_on) = is_on else { continue };
        for (id, operation) in operations(document) {
            if is_on && !applies(kind, &operation) {
                continue;
            }
            let entry = at(extension, &["middleware", "operations", &id, kind]);
            if is_on && kind == "mockResponse" {
                *entry = json!({"enabled": true, "fromOASExamples": {"enabled": true}});
            } else if is_on || !entry.is_null() {
                *at(entry, &["enabled"]) = is_on.into();
            } else if let Some(members) = at(extension, &["middleware", "operations", &id]).as_object_mut() {
                members.remove(kind);
            }
        }
    }
    Ok(())
}

/// Switches on the schemes that the document asks for, each with the usual place of its credential.
fn authenticate(document: &Value, into: &mut Value, is_on: bool, parameters: &Parameters) -> Result<(), String> {
    *at(into, &["enabled"]) = is_on.into();
    if !is_on {
        return Ok(());
    }
    let groups = document.get("security").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if groups.is_empty() {
        return Err("the document has no `security`, so that `authentication=true` asks for nothing".to_owned());
    }
    if let Some(mode) = &parameters.security_processing_mode {
        *at(into, &["securityProcessingMode"]) = mode.as_str().into();
    }
    let is_compliant = into.get("securityProcessingMode").is_some_and(|mode| mode == "compliant");
    let counted = groups.iter().take(if is_compliant { groups.len() } else { 1 });
    for name in counted.filter_map(Value::as_object).flat_map(Map::keys) {
        let component = document.pointer(&format!("/components/securitySchemes/{}", pointer(name)));
        let Some(component) = component else {
            return Err(format!("`security` names `{name}`, which is not under `components.securitySchemes`"));
        };
        let scheme = at(into, &["securitySchemes", name]);
        *at(scheme, &["enabled"]) = true.into();
        if component.get("type").is_some_and(|kind| kind == "http") {
            *at(scheme, &["header"]) = json!({"enabled": true, "name": "Authorization"});
        }
    }
    Ok(())
}

/// The operations of a document by their ids, which are made where there are none.
fn operations(document: &mut Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten().filter(|(method, _)| is_method(method)) {
            let Some(members) = operation.as_object_mut() else { continue };
            let made = || Value::from(format!("{}{}", path.trim_start_matches('/'), method.to_uppercase()));
            if let Some(id) = members.entry("operationId").or_insert_with(made).as_str().map(str::to_owned) {
                found.push((id, operation.clone()));
            }
        }
    }
    found
}

fn is_method(key: &str) -> bool {
    matches!(key, "delete" | "get" | "head" | "options" | "patch" | "post" | "put" | "trace")
}

/// Whether an operation has anything to validate, or an example to answer with.
fn applies(kind: &str, operation: &Value) -> bool {
    let has_examples =
        || operation.get("responses").is_some_and(|responses| responses.to_string().contains("\"example"));
    match kind {
        "validateRequest" => ["parameters", "requestBody"].iter().any(|key| operation.get(key).is_some()),
        "mockResponse" => has_examples(),
        _ => true,
    }
}

/// Takes out of the extension what it says of operations that the document does not have.
pub(super) fn forget_operations(document: &mut Value) {
    let mut extension = document.get_mut(EXTENSION).map(Value::take).unwrap_or_default();
    let known: Vec<String> = operations(document).into_iter().map(|(id, _)| id).collect();
    if let Some(entries) = extension.pointer_mut("/middleware/operations").and_then(Value::as_object_mut) {
        entries.retain(|id, _| known.contains(id));
    }
    document[EXTENSION] = extension;
}

/// The value at a path; what is on the way becomes an object.
fn at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(value, |value, key| {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        &mut value[*key]
    })
}

/// A key as a segment of a JSON pointer. Source: RFC 6901 §3.
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
