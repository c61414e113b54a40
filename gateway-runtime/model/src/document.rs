//! From the text of a definition to its data, and to everything wrong in it.

use serde_json::Value;

use crate::api_definition::ApiDefinition;
use crate::finding::{Finding, Severity};
use crate::json_path::JsonPath;
use crate::locate::Locator;
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
    fn of(definition: &ApiDefinition) -> Option<Self> {
        let ApiDefinition { api_id, proxy, .. } = definition;
        let api_id = if meaning::api_id(api_id).is_ok() { api_id.clone() } else { String::new() };
        meaning::listen_path(&proxy.listen_path).ok()?;
        let domain =
            definition.custom_domain().filter(|domain| meaning::host_mistake(domain).is_ok()).map(str::to_owned);
        Some(Self { api_id, listen_path: proxy.listen_path.clone(), domain })
    }
}

/// Reads a definition in Tyk's classic form, and finds all that is wrong in it in one run.
///
/// A mistake of syntax is told alone, since nothing behind it can be read. Otherwise mistakes of shape (a wrong type)
/// and of meaning (a value that cannot be honoured) are errors, and fields without effect are warnings.
pub fn read(text: &str) -> Reading {
    let mut locator = Locator::new(text);
    let document = match serde_json::from_str::<Value>(text) {
        Ok(document) => document,
        Err(error) => {
            let findings = vec![Finding::of_syntax(&locator, &error)];
            return Reading { definition: None, identity: None, is_malformed: true, findings };
        }
    };
    let (mut definition, notes) = shape::read::<ApiDefinition>(&document);
    let guards = unhonoured::guards(&document, &definition);
    definition.unhonoured_guards = guards.iter().map(JsonPath::to_string).collect();

    // What was of the wrong type was read as empty: that it is empty would be no news.
    let is_news = |(_, path, _): &meaning::Mistake| !notes.mistakes.iter().any(|(wrong, _)| wrong.contains(path));
    let mistakes = meaning::check(&definition).into_iter().filter(is_news);
    let warnings = unhonoured::warnings(&document, &notes.unknown, &guards).into_iter();
    let shapes = notes.mistakes.iter().map(|(path, reason)| (Severity::Error, path.clone(), reason.clone()));
    let found = shapes.chain(mistakes).chain(warnings.map(|(path, reason)| (Severity::Warning, path, reason)));
    let (findings, refused) = locate_all(&mut locator, found);
    let identity = Identity::of(&definition);
    let is_malformed = !notes.mistakes.is_empty();
    Reading { definition: (!refused).then_some(definition), identity, is_malformed, findings }
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
