//! From the text of a definition to its data, and to everything wrong in it.

use std::sync::Arc;

use serde_json::Value;

use crate::api_definition::ApiDefinition;
use crate::finding::{Finding, Severity};
use crate::json_path::JsonPath;
use crate::locate::Locator;
use crate::oas::{self, Places};
use crate::{meaning, shape, unhonoured};

/// A definition that was read, and everything that was found out about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The definition; `None` if any finding is an error.
    pub definition: Option<ApiDefinition>,
    /// Who the definition is for, as far as it could be read, also when there is no `definition` because of errors.
    ///
    /// It keeps the listen path closed: without it, requests to an API whose definition is wrong would fall to the API
    /// with the next shorter listen path, which may ask for less. `None` only if the text is not JSON, or has no
    /// `proxy.listen_path` that is well-formed and not empty.
    pub identity: Option<Identity>,
    /// The text is no JSON, or a value in it is of the wrong type: there are errors that are not about what it means.
    pub is_malformed: bool,
    /// All errors and warnings, from the top of the document to its end.
    pub findings: Vec<Finding>,
    /// Of an OpenAPI document: where the parts of its classic form are in it.
    pub places: Option<Arc<Places>>,
}

impl Reading {
    /// The path in the text of what has this path in the classic form.
    pub fn path(&self, classic: &str) -> String {
        match &self.places {
            Some(places) => places.of(&classic.parse().unwrap_or_default()).to_string(),
            None => classic.to_owned(),
        }
    }
}

/// Who a definition is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The API; empty if the text has no id, or one that no API can have.
    pub api_id: String,
    /// Where it listens, as it is written; well-formed and never empty.
    pub listen_path: String,
    /// The host that it is for, if it is for one and that is well-formed.
    pub domain: Option<String>,
}

impl Identity {
    pub(crate) fn of(definition: &ApiDefinition) -> Option<Self> {
        let ApiDefinition { api_id, proxy, .. } = definition;
        let api_id = if meaning::api_id(api_id).is_ok() { api_id.clone() } else { String::new() };
        meaning::listen_path(&proxy.listen_path).ok()?;
        let domain =
            definition.custom_domain().filter(|domain| meaning::host_mistake(domain).is_ok()).map(str::to_owned);
        Some(Self { api_id, listen_path: proxy.listen_path.clone(), domain })
    }
}

/// Reads a definition in Tyk's classic form, or in the OpenAPI form, and finds all that is wrong in it in one run.
///
/// A mistake of syntax is told alone, since nothing behind it can be read. Otherwise mistakes of shape (a wrong type)
/// and of meaning (a value that cannot be honoured) are errors, and fields without effect are warnings.
pub fn read(text: &str) -> Reading {
    let mut locator = Locator::new(text);
    let document = match serde_json::from_str::<Value>(text) {
        Ok(document) => document,
        Err(error) => {
            let findings = vec![Finding::of_syntax(&locator, &error)];
            return Reading { definition: None, identity: None, is_malformed: true, findings, places: None };
        }
    };
    if oas::is_oas(&document) {
        return oas::read(&mut locator, document);
    }
    let Interpreted { definition, is_malformed, mistakes } = interpret(&document);
    let (findings, refused) = locate_all(&mut locator, mistakes);
    let identity = Identity::of(&definition);
    Reading { definition: (!refused).then_some(definition), identity, is_malformed, findings, places: None }
}

/// What a document in the classic form says, with everything wrong in it.
pub(crate) struct Interpreted {
    pub(crate) definition: ApiDefinition,
    /// A value is of the wrong type.
    pub(crate) is_malformed: bool,
    pub(crate) mistakes: Vec<meaning::Mistake>,
}

pub(crate) fn interpret(document: &Value) -> Interpreted {
    let (mut definition, notes) = shape::read::<ApiDefinition>(document);
    let guards = unhonoured::guards(document, &definition);
    definition.unhonoured_guards = guards.iter().map(JsonPath::to_string).collect();

    // What was of the wrong type was read as empty: that it is empty would be no news.
    let is_news = |(_, path, _): &meaning::Mistake| !notes.mistakes.iter().any(|(wrong, _)| wrong.contains(path));
    let meant = meaning::check(&definition).into_iter().filter(is_news);
    let warnings = unhonoured::warnings(document, &notes.unknown, &guards).into_iter();
    let shapes = notes.mistakes.iter().map(|(path, reason)| (Severity::Error, path.clone(), reason.clone()));
    let mistakes =
        shapes.chain(meant).chain(warnings.map(|(path, reason)| (Severity::Warning, path, reason))).collect();
    Interpreted { definition, is_malformed: !notes.mistakes.is_empty(), mistakes }
}

/// The mistakes with their positions, from the top of the document to its end; and whether any is an error.
pub(crate) fn locate_all(
    locator: &mut Locator<'_>,
    mistakes: impl IntoIterator<Item = meaning::Mistake>,
) -> (Vec<Finding>, bool) {
    let locate = |(severity, path, reason): meaning::Mistake| Finding {
        severity,
        position: locator.position(&path),
        path: path.to_string(),
        reason,
    };
    let mut findings: Vec<Finding> = mistakes.into_iter().map(locate).collect();
    findings.sort_by_key(|finding| finding.position);
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    (findings, refused)
}

#[cfg(test)]
mod tests;
