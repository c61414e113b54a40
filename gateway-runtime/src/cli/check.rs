//! `gateway check`: everything that loading would find, without starting a plugin or a listener.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Finding, Position, Severity};
use serde::Serialize;

use super::{diagnose, print, print_json};
use crate::apis::host::key;
use crate::apis::listen_path::canonical;
use crate::apis::plan::{self, Ground};
use crate::apis::source::{self, SourceError};
use crate::config::{self, ConfigError, Edge, Loaded, Place, Remark};
use crate::drivers;
use crate::events::Queue;
use crate::policies::{self, PoliciesError};

#[derive(Default, Serialize)]
struct Report {
    files: usize,
    errors: usize,
    warnings: usize,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    file: String,
    /// 0 for what has no place in a file: a variable.
    line: usize,
    column: usize,
    path: String,
    severity: String,
    reason: String,
}

/// The check cannot go on.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{error}")]
    Folder { folder: PathBuf, error: SourceError },
}

/// Prints every finding; exit code 1 if one is an error.
pub(super) fn run(conf: Option<&Path>, apis: Option<&Path>, json: bool) -> ExitCode {
    let mut report = Report::default();
    let failure = examine(conf, apis, std::env::vars_os(), &mut report).err();
    if json {
        report.extend(failure.iter().flat_map(CheckError::findings));
        print_json(&report);
    } else {
        for found in &report.findings {
            diagnose(&format_args!("{}: {found}", found.severity));
        }
        match &failure {
            Some(failure) => diagnose(failure),
            None => print(&report.summary()),
        }
    }
    if failure.is_none() && report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts what there is to find into the report.
fn examine(
    conf: Option<&Path>,
    apis: Option<&Path>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    report: &mut Report,
) -> Result<(), CheckError> {
    let Loaded { config, warnings, .. } = config::load(conf, variables)?;
    drivers::set_up(&config.plugin_files);
    // What nobody has configured is not what is checked here.
    report.extend(warnings.into_iter().filter(|warning| warning.place != Place::Default).map(Found::from));
    match policies::load(&config.policies) {
        Ok(policies::Loaded { findings, .. }) | Err(PoliciesError::Wrong { findings, .. }) => {
            report.extend(findings.into_iter().map(|(file, finding)| Found::of(&file, finding)));
        }
        Err(PoliciesError::Read { path, error, .. }) => {
            report.extend([Found::whole(&path.display(), error.to_string())]);
        }
    }
    let folder = apis.unwrap_or(&config.app_path);
    let sources = source::read(folder).map_err(|error| CheckError::Folder { folder: folder.to_owned(), error })?;
    report.files = sources.len();
    let ports = [config.listen.port()].into();
    let ground = Ground {
        paths: config.paths,
        trust: config.trust,
        ports,
        has_control: config.control_port.is_none(),
        edge: config.edge.clone(),
        outbound: Arc::clone(&config.outbound),
        marks: Arc::default(),
        rate_headers: config.rate_headers,
        has_analytics: config.analytics.is_some(),
        version_header: config.version_header.clone(),
        errors: Arc::clone(&config.errors),
        max_response_body: config.max_response_body,
        events: Queue::default(),
    };
    let mut definitions: Vec<(Arc<str>, Arc<str>, Arc<ApiDefinition>)> = Vec::new();
    for source in sources {
        let text = match source.text {
            Ok(text) => text,
            Err(reason) => {
                report.extend([Found::whole(&source.file, reason)]);
                continue;
            }
        };
        let planned = plan::plan(&text, source.document.as_ref(), &ground);
        report.extend(planned.findings.into_iter().map(|finding| Found::of(&source.file, finding)));
        definitions.extend(planned.definition.map(|definition| (source.file, text, definition)));
    }
    report.extend(duplicates(&definitions, &config.edge));
    Ok(())
}

impl CheckError {
    fn findings(&self) -> Vec<Found> {
        match self {
            Self::Config(ConfigError::Read { file, source }) => vec![Found::whole(&file.display(), source.to_string())],
            Self::Config(ConfigError::Wrong(remarks)) => remarks.iter().cloned().map(Found::from).collect(),
            Self::Folder { folder, error } => vec![Found::whole(&folder.display(), error.to_string())],
        }
    }
}

impl Report {
    fn extend(&mut self, findings: impl IntoIterator<Item = Found>) {
        self.findings.extend(findings);
        let count = |severity: Severity| {
            let severity = severity.to_string();
            self.findings.iter().filter(|found| found.severity == severity).count()
        };
        (self.errors, self.warnings) = (count(Severity::Error), count(Severity::Warning));
    }

    fn summary(&self) -> String {
        let counts = [(self.files, "definition"), (self.errors, "error"), (self.warnings, "warning")];
        let [files, errors, warnings] = counts.map(|(n, what)| counted(n, what));
        format!("{files}, {errors}, {warnings}\n")
    }
}

impl Found {
    fn of(file: &str, finding: Finding) -> Self {
        let Finding { severity, path, position: Position { line, column }, reason } = finding;
        Self { file: file.to_owned(), line, column, path, severity: severity.to_string(), reason }
    }

    /// What is wrong with a file, or a folder, as a whole.
    fn whole(file: &impl ToString, reason: String) -> Self {
        let (path, severity) = (String::new(), Severity::Error.to_string());
        Self { file: file.to_string(), line: 1, column: 1, path, severity, reason }
    }
}

impl From<Remark> for Found {
    fn from(remark: Remark) -> Self {
        let Remark { severity, place, path, reason } = remark;
        let (file, Position { line, column }) = match place {
            Place::File(file, position) => (file, position),
            Place::Variable | Place::Default => ("environment".to_owned(), Position { line: 0, column: 0 }),
        };
        Self { file, line, column, path, severity: severity.to_string(), reason }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, path, reason, .. } = self;
        if *line > 0 {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(reason)
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// What is wrong only beside other definitions: an id or a listen path that is another's.
fn duplicates(definitions: &[(Arc<str>, Arc<str>, Arc<ApiDefinition>)], edge: &Edge) -> Vec<Found> {
    let mut found = Vec::new();
    let mut owners: HashMap<(&str, String, String), &Arc<str>> = HashMap::new();
    for (file, text, definition) in definitions {
        let domain = definition.custom_domain().filter(|_| edge.custom_domains).map(key).unwrap_or_default();
        let claims = [
            ("api_id", String::new(), definition.api_id.clone()),
            ("proxy.listen_path", domain.into_owned(), canonical(&definition.proxy.listen_path)),
        ];
        for (path, domain, value) in claims {
            let claim = (path, domain, value.clone());
            let reason = match owners.get(&claim) {
                Some(owner) => format!("`{value}` is taken by {owner}; give this API one of its own"),
                None => {
                    owners.insert(claim, file);
                    continue;
                }
            };
            let (path, position) = gateway_model::oas::place(text, path);
            let finding = Finding { severity: Severity::Error, path, position, reason };
            found.push(Found::of(file, finding));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The report on these files in a folder of their own, as `severity file path`, and the failure.
    fn check(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let folder = folder_of(files);
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let mut report = Report::default();
        let failure = examine(Some(&folder.join("tyk.conf")), Some(&folder.join("apps")), variables, &mut report);
        let line = |found: &Found| {
            let file = Path::new(&found.file).file_name().unwrap_or_default().display();
            format!("{} {file}:{}:{} {}", found.severity, found.line, found.column, found.path)
        };
        let failed = failure.err().map(|failure| failure.findings()).unwrap_or_default();
        fs::remove_dir_all(folder).expect("removed");
        (report.findings.iter().map(line).collect(), failed.iter().map(line).collect())
    }

    fn folder_of(files: &[(&str, &str)]) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("gw-check-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("written");
        }
        folder
    }

    const CONF: (&str, &str) = ("tyk.conf", r#"{"secret": "s"}"#);

    #[test]
    fn a_configuration_that_cannot_be_read_is_a_finding() {
        assert_eq!(check(&[], &[]), (vec![], vec!["error tyk.conf:1:1 ".to_owned()]));
        let (_, failed) = check(&[("tyk.conf", "{\n\"log_level\": \"loud\"}")], &[("TYK_GW_LISTENPORT", "x")]);
        assert_eq!(failed, ["error environment:0:0 TYK_GW_LISTENPORT", "error tyk.conf:2:14 log_level"]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_a_finding_and_the_warnings_before_it_stay() {
        let (found, failed) = check(&[("tyk.conf", "{}")], &[]);
        assert_eq!(found, ["warning tyk.conf:1:1 secret"]);
        assert_eq!(failed, ["error apps:1:1 "]);
    }

    #[test]
    fn warnings_of_the_configuration_are_findings_too() {
        let conf = ("tyk.conf", r#"{"secret": "s", "dns_cache": true}"#);
        let (found, failed) = check(&[conf, ("apps/x.txt", "")], &[("TYK_GW_DNSCACHE", "1")]);
        assert_eq!(found, ["warning environment:0:0 TYK_GW_DNSCACHE", "warning tyk.conf:1:30 dns_cache"]);
        assert!(failed.is_empty());
    }

    #[test]
    fn an_id_or_a_listen_path_that_is_anothers_is_found() {
        let text = r#"{"api_id":"a","proxy":{"listen_path":"/a/","target_url":"http://up"}}"#;
        let (found, failed) = check(&[CONF, ("apps/a.json", text), ("apps/b.json", text)], &[]);
        assert_eq!(found, ["error b.json:1:11 api_id", "error b.json:1:38 proxy.listen_path"]);
        assert!(failed.is_empty());
    }

    #[test]
    fn the_summary_counts() {
        let mut report = Report { files: 1, ..Report::default() };
        report.extend([Found::whole(&"a.json", "unreadable".to_owned())]);
        assert_eq!(report.summary(), "1 definition, 1 error, 0 warnings\n");
        assert_eq!(report.findings[0].to_string(), "a.json:1:1: unreadable");
    }
}
