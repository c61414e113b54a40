//! `gateway check`: everything that loading would find, without starting a plugin or a listener.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Finding, Position, Severity, locate};
use serde::Serialize;

use super::{diagnose, print, print_json};
use crate::apis::listen_path::canonical;
use crate::apis::plan;
use crate::apis::source;
use crate::config;

#[derive(Serialize)]
struct Report {
    files: usize,
    errors: usize,
    warnings: usize,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    file: String,
    line: usize,
    column: usize,
    path: String,
    severity: String,
    reason: String,
}

/// Prints every finding; exit code 1 if one is an error.
pub(super) fn run(conf: Option<&Path>, apis: Option<&Path>, json: bool) -> ExitCode {
    let loaded = match config::load(conf, std::env::vars()) {
        Ok(loaded) => loaded,
        Err(error) => {
            diagnose(&error);
            return ExitCode::FAILURE;
        }
    };
    for warning in &loaded.warnings {
        diagnose(warning);
    }
    let folder = apis.unwrap_or(&loaded.config.app_path);
    let sources = match source::read(folder) {
        Ok(sources) => sources,
        Err(error) => {
            diagnose(&error);
            return ExitCode::FAILURE;
        }
    };
    let files = sources.len();
    let mut findings: Vec<(Arc<str>, Finding)> = Vec::new();
    let mut definitions: Vec<(Arc<str>, Arc<str>, Arc<ApiDefinition>)> = Vec::new();
    for source in sources {
        let text = match source.text {
            Ok(text) => text,
            Err(reason) => {
                findings.push((source.file, unreadable(reason)));
                continue;
            }
        };
        let planned = plan::plan(&text, loaded.config.paths);
        findings.extend(planned.findings.into_iter().map(|finding| (Arc::clone(&source.file), finding)));
        definitions.extend(planned.definition.map(|definition| (source.file, text, definition)));
    }
    findings.extend(duplicates(&definitions));
    let count = |severity| findings.iter().filter(|(_, finding)| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if json {
        let findings = findings.iter().map(|(file, finding)| found(file, finding)).collect();
        print_json(&Report { files, errors, warnings, findings });
    } else {
        for (file, finding) in &findings {
            diagnose(&format_args!("{}: {}", finding.severity, finding.at(file)));
        }
        let [files, errors, warnings] =
            [(files, "definition"), (errors, "error"), (warnings, "warning")].map(|(n, what)| counted(n, what));
        print(&format!("{files}, {errors}, {warnings}\n"));
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn unreadable(reason: String) -> Finding {
    let position = Position { line: 1, column: 1 };
    Finding { severity: Severity::Error, path: String::new(), position, reason }
}

/// What is wrong only beside other definitions: an id or a listen path that is another's.
fn duplicates(definitions: &[(Arc<str>, Arc<str>, Arc<ApiDefinition>)]) -> Vec<(Arc<str>, Finding)> {
    let mut found = Vec::new();
    let mut owners: HashMap<(&str, String), &Arc<str>> = HashMap::new();
    for (file, text, definition) in definitions {
        let claims =
            [("api_id", definition.api_id.clone()), ("proxy.listen_path", canonical(&definition.proxy.listen_path))];
        for (path, value) in claims {
            let reason = match owners.get(&(path, value.clone())) {
                Some(owner) => format!("`{value}` is taken by {owner}"),
                None => {
                    owners.insert((path, value), file);
                    continue;
                }
            };
            let position = locate(text, path);
            let finding = Finding { severity: Severity::Error, path: path.to_owned(), position, reason };
            found.push((Arc::clone(file), finding));
        }
    }
    found
}

fn found(file: &str, finding: &Finding) -> Found {
    Found {
        file: file.to_owned(),
        line: finding.position.line,
        column: finding.position.column,
        path: finding.path.clone(),
        severity: finding.severity.to_string(),
        reason: finding.reason.clone(),
    }
}
