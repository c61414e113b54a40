//! Plugin bundles: which of them a definition names, and what their manifests say. Source: plugin-system.md §7.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api_definition::ApiDefinition;
use crate::custom_middleware::{Hook, MiddlewareDefinition, MiddlewareSection};
use crate::finding::{Finding, Severity};
use crate::json_path::JsonPath;
use crate::locate::Locator;
use crate::shape;

/// The name of the manifest at the root of a bundle.
pub const MANIFEST: &str = "manifest.json";

/// The manifest of a bundle. Source: Tyk, `BundleManifest` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The files that `checksum` and `signature` are of, in their order.
    pub file_list: Vec<String>,
    /// The plugins: they take the place of those in the definition.
    pub custom_middleware: MiddlewareSection,
    /// The plugin of analytics records, which is `custom_middleware.traffic_logs` there.
    pub traffic_logs: MiddlewareDefinition,
    /// The MD5 of the files, one after another, in hexadecimal.
    pub checksum: String,
    /// In base64: RSA, PKCS #1 v1.5, over the SHA-256 of the same bytes. Empty: nobody has signed it.
    pub signature: String,
    /// What it says in vain.
    pub warnings: Vec<Finding>,
}

/// A text is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no text.
    #[error("{MANIFEST}: not UTF-8; write it again with `gateway bundle build`")]
    Encoding,
    /// What is wrong in it, one line each.
    #[error("{}", Lines(.0))]
    Wrong(Vec<Finding>),
}

struct Lines<'f>(&'f [Finding]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { "; " }, finding.at(MANIFEST))?;
        }
        Ok(())
    }
}

/// What is read of it; what else there is in it is for other gateways.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
struct Raw {
    file_list: Vec<String>,
    custom_middleware: MiddlewareSection,
    checksum: String,
    signature: String,
}

/// What only the section of a manifest has.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
struct RawLogs {
    custom_middleware: Logs,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
struct Logs {
    traffic_logs: MiddlewareDefinition,
}

/// Reads a manifest. Members that nobody knows are ignored; a `driver` counts within `custom_middleware` only.
///
/// # Errors
/// When it is no JSON, or a value is of the wrong type, or a listed file would be outside of the bundle.
pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Encoding)?;
    let mut locator = Locator::new(text);
    let document = serde_json::from_str::<Value>(text).map_err(|error| {
        let mut finding = Finding::of_syntax(&locator, &error);
        if error.is_eof() {
            // In Go's words, which are documented.
            finding.reason = "unexpected end of JSON input".to_owned();
        }
        ManifestError::Wrong(vec![finding])
    })?;
    let (raw, notes) = shape::read::<Raw>(&document);
    let (logs, of_logs) = shape::read::<RawLogs>(&document);
    let mut mistakes = notes.mistakes;
    let of_logs = of_logs.mistakes.into_iter().filter(|mistake| !mistakes.contains(mistake)).collect::<Vec<_>>();
    mistakes.extend(of_logs);
    for (index, name) in raw.file_list.iter().enumerate() {
        let path = JsonPath::default().key("file_list").index(index);
        // What is no text was read as an empty one, and told.
        if !is_inside(name) && mistakes.iter().all(|(wrong, _)| *wrong != path) {
            let reason = format!("`{name}` is not a path within the bundle; name a file of it, such as `plugin.so`");
            mistakes.push((path, reason));
        }
    }
    let mut finding = |severity, (path, reason): (JsonPath, String)| {
        let position = locator.position(&path);
        Finding { severity, path: path.to_string(), position, reason }
    };
    if !mistakes.is_empty() {
        let mut findings: Vec<_> = mistakes.into_iter().map(|mistake| finding(Severity::Error, mistake)).collect();
        findings.sort_by_key(|finding| finding.position);
        return Err(ManifestError::Wrong(findings));
    }
    let misplaced = misplaced_driver(&document, &raw.custom_middleware).map(|told| finding(Severity::Warning, told));
    let Raw { file_list, custom_middleware, checksum, signature } = raw;
    let traffic_logs = logs.custom_middleware.traffic_logs;
    let warnings = misplaced.into_iter().collect();
    Ok(Manifest { file_list, custom_middleware, traffic_logs, checksum, signature, warnings })
}

/// The published sample has its driver where nobody looks for it. Source: plugin-system.md §7.1.
fn misplaced_driver(document: &Value, section: &MiddlewareSection) -> Option<(JsonPath, String)> {
    let driver = document.get("driver").and_then(Value::as_str).filter(|_| section.driver.is_empty())?;
    let reason = format!("has no effect here; write `\"custom_middleware\": {{\"driver\": \"{driver}\", …}}`");
    Some((JsonPath::default().key("driver"), reason))
}

/// Whether a path, of a file in a bundle, leads to a file within it.
#[must_use]
pub fn is_inside(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
    !path.starts_with('/') && !path.contains('\0') && parts.peek().is_some() && parts.all(|part| part != "..")
}

impl Manifest {
    /// Whether anything would run: without that a bundle is of no use. Source: plugin-system.md §7.8.
    #[must_use]
    pub fn has_hooks(&self) -> bool {
        let section = &self.custom_middleware;
        let lists = [Hook::Pre, Hook::Post, Hook::PostKeyAuth, Hook::Response];
        let is_listed = lists.into_iter().any(|hook| !section.entries(hook).is_empty());
        is_listed || !section.auth_check.name.is_empty() || !self.traffic_logs.name.is_empty()
    }
}

/// The bundles that a definition names. Source: plugin-system.md §7.3, §7.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bundles {
    /// One, by the text as it stands in the definition.
    One(String),
    /// Several, or one that is written as a list.
    Several {
        /// The text as it stands in the definition.
        text: String,
        /// Their names, without blanks.
        names: Vec<String>,
    },
}

impl Bundles {
    /// Those of a definition; `None`: it names none, or says that they are not used.
    #[must_use]
    pub fn of(api: &ApiDefinition) -> Option<Self> {
        let text = &api.custom_middleware_bundle;
        let names: Vec<String> =
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if api.custom_middleware_bundle_disabled || names.is_empty() {
            return None;
        }
        let is_plain = !text.contains([',', ' ']);
        Some(if is_plain { Self::One(text.clone()) } else { Self::Several { text: text.clone(), names } })
    }

    /// The text as it stands in the definition, which the folder of the bundles is named for.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::One(text) | Self::Several { text, .. } => text,
        }
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several { names, .. } => names,
        }
    }
}

#[cfg(test)]
mod tests;
