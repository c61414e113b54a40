//! A definition in the classic form beside the document that it was made from. The classic form is what counts. Source:
//! gateway.md §4.1.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::{EXTENSION, OasDefinition, VERSION, check, extract, known};
use crate::api_definition::ApiDefinition;
use crate::document::interpret;
use crate::finding::Severity;
use crate::json_path::{JsonPath, Segment};
use crate::locate::Locator;

/// What the document beside a definition adds to it.
#[derive(Debug, Default)]
pub struct Twin {
    /// The document, if it is one.
    pub oas: Option<Arc<OasDefinition>>,
    /// Paths of what guards access there, and nothing enforces: requests to the API are refused.
    pub guards: Vec<String>,
    /// What is to be told, by paths of the classic form.
    pub told: Vec<(JsonPath, String)>,
}

/// Reads the document beside a definition.
pub fn twin(definition: &ApiDefinition, document: &str) -> Twin {
    let at = JsonPath::default().key("is_oas");
    let parsed: Value = match serde_json::from_str(document) {
        Ok(parsed) => parsed,
        Err(error) => {
            let reason = format!("the OpenAPI document beside this file (`-oas.json`) is no JSON: {error}");
            return Twin { told: vec![(at, reason)], ..Twin::default() };
        }
    };
    let mut told = Vec::new();
    let mut locator = Locator::new(document);
    for (_, path, reason) in check::check(&parsed) {
        let position = locator.position(&path);
        told.push((
            at.clone(),
            format!("the OpenAPI document beside this file (`-oas.json`), {position}: {path}: {reason}"),
        ));
    }
    let mut guards = Vec::new();
    for (_, path, reason) in known::guards(&parsed) {
        let position = locator.position(&path);
        told.push((
            at.clone(),
            format!("the OpenAPI document beside this file (`-oas.json`), {position}: {path}: {reason}"),
        ));
        guards.push(path.to_string());
    }
    told.extend(contradictions(definition, &parsed));
    Twin { oas: Some(Arc::new(OasDefinition::new(parsed))), guards, told }
}

/// What the document says and the definition says otherwise.
fn contradictions(definition: &ApiDefinition, document: &Value) -> Vec<(JsonPath, String)> {
    if document.get(EXTENSION).is_none() {
        return Vec::new();
    }
    let (classic, notes) = extract(document);
    let said = interpret(&classic);
    if said.is_malformed || notes.mistakes.iter().any(|(severity, ..)| *severity == Severity::Error) {
        let reason = "`x-tyk-api-gateway` of the OpenAPI document beside this file (`-oas.json`) has mistakes: `gateway \
                      check` finds them in a folder with that document alone; what stands here counts";
        return vec![(JsonPath::default().key("is_oas"), reason.to_owned())];
    }
    let (Ok(said), Ok(counts)) = (serde_json::to_value(&said.definition), serde_json::to_value(definition)) else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut told = Vec::new();
    for (classic, at) in notes.places.iter().filter(|(_, at)| at_path(document, at).is_some()) {
        // Lists are compared as wholes.
        let is_member = |segment: &&Segment| matches!(segment, Segment::Key(_));
        let classic: JsonPath = classic.segments().iter().take_while(is_member).cloned().collect();
        let own = own(&classic, definition);
        if !seen.insert(classic.clone()) {
            continue;
        }
        if let (Some(said), Some(counts)) = (at_path(&said, &classic), at_path(&counts, &own))
            && said != counts
        {
            let reason = format!(
                "`{at}` of the OpenAPI document beside this file (`-oas.json`) says otherwise; what stands here counts: \
                 write the same in both, or take one of the files away"
            );
            told.push((own, reason));
        }
    }
    told
}

/// The path of the same thing in a definition whose one version has a name of its own.
fn own(classic: &JsonPath, definition: &ApiDefinition) -> JsonPath {
    let mut versions = definition.version_data.versions.keys();
    let (Some(name), None) = (versions.next(), versions.next()) else { return classic.clone() };
    let segments = classic.segments();
    let is_of_version = segments.len() > VERSION.len()
        && segments.iter().zip(VERSION).all(|(segment, key)| *segment == Segment::Key(key.to_owned()));
    if !is_of_version {
        return classic.clone();
    }
    let rename = |(depth, segment): (usize, &Segment)| match segment {
        Segment::Key(_) if depth + 1 == VERSION.len() => Segment::Key(name.clone()),
        other => other.clone(),
    };
    segments.iter().enumerate().map(rename).collect()
}

fn at_path<'v>(value: &'v Value, path: &JsonPath) -> Option<&'v Value> {
    path.segments().iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => super::rule::member(value.as_object()?, key),
        Segment::Index(index) => value.get(index),
    })
}
