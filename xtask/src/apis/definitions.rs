//! A folder of API definitions: the names of plugins in it, and what is wrong in it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gateway_model::{Finding, Hook, JsonPath, Position, Reading, Severity, locate};
use serde_json::Value;
use thiserror::Error;

use super::{classic, oas};
use crate::report::Failure;

/// A larger file is not an API definition, in bytes. The gateway does not read it either.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// A plugin that a definition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it runs.
    pub hook: Hook,
    /// Its name; `crate::name` chooses between crates.
    pub name: String,
    /// The file that Tyk would load; its stem chooses between crates, too.
    pub path: String,
    /// What runs it.
    pub driver: String,
    /// The definition.
    pub file: PathBuf,
    /// Where the name is in it, from 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The path of the name in the document, such as `custom_middleware.post[0].name`.
    pub field: String,
}

/// One finding in one file. Displays as `file:line:column: path: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub file: PathBuf,
    /// What is wrong in it.
    pub finding: Finding,
}

impl Remark {
    /// Whether the gateway would refuse the file.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.finding.severity == Severity::Error
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.at(&self.file.display().to_string()).fmt(out)
    }
}

/// What is in a folder of definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The definitions, in the order of their names.
    pub files: Vec<PathBuf>,
    /// The plugins that they ask for, but for those of files with an error.
    pub names: Vec<Named>,
    /// Errors, and fields that are not honoured.
    pub remarks: Vec<Remark>,
}

/// The folder cannot be listed.
#[derive(Debug, Error)]
#[error("cannot read the API definitions in `{}`\n  = name the folder that holds them, one `*.json` file each", dir.display())]
pub struct FolderError {
    /// Which.
    pub dir: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl Failure for FolderError {}

/// Why the names in a folder are not known.
#[derive(Debug, Error)]
pub enum ApisError {
    /// Not a folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Definitions that the gateway would refuse; all mistakes of all files, one line each.
    #[error("{}\n  = the gateway would refuse these definitions: mend them first", lines(.0))]
    Wrong(Vec<Remark>),
}

impl Failure for ApisError {}

fn lines(remarks: &[Remark]) -> String {
    remarks.iter().map(Remark::to_string).collect::<Vec<_>>().join("\n")
}

/// A name, not yet located.
pub(super) struct Found {
    pub(super) hook: Hook,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) driver: String,
    pub(super) at: JsonPath,
}

/// The plugins that the definitions in a folder ask for, in the order in which they stand there.
///
/// # Errors
/// When the folder cannot be read, and when there is a mistake in any file.
pub fn names(dir: &Path) -> Result<Vec<Named>, ApisError> {
    let Survey { names, remarks, .. } = survey(dir)?;
    let errors: Vec<Remark> = remarks.into_iter().filter(Remark::is_error).collect();
    if errors.is_empty() { Ok(names) } else { Err(ApisError::Wrong(errors)) }
}

/// Reads every definition of a folder: those that the gateway takes, and OpenAPI documents with
/// `x-tyk-api-gateway`.
///
/// # Errors
/// When the folder cannot be listed. A file that cannot be read is a remark.
pub fn survey(dir: &Path) -> Result<Survey, FolderError> {
    let mut survey = Survey::default();
    for file in json_files(dir).map_err(|source| FolderError { dir: dir.to_owned(), source })? {
        match text(&file) {
            Ok(text) => survey.read(file, &text),
            Err(error) => {
                let reason = error.to_string();
                let position = Position { line: 1, column: 1 };
                let finding = Finding { severity: Severity::Error, path: String::new(), position, reason };
                survey.remarks.push(Remark { file: file.clone(), finding });
                survey.files.push(file);
            }
        }
    }
    Ok(survey)
}

impl Survey {
    fn read(&mut self, file: PathBuf, text: &str) {
        let document = serde_json::from_str::<Value>(text);
        let extension = document.as_ref().ok().filter(|document| oas::is_oas(document));
        let (found, findings) = match extension {
            Some(document) => oas(text, document),
            // An OpenAPI document that says nothing to the gateway is no definition.
            None if is_companion(&file) && document.is_ok() => return,
            None => {
                let Reading { definition, mut findings, .. } = gateway_model::read(text);
                findings.extend(definition.iter().filter_map(|api| classic::bundle(text, api)));
                (definition.iter().flat_map(classic::names).collect(), findings)
            }
        };
        let named = |found: Found| {
            let field = found.at.to_string();
            let Position { line, column } = locate(text, &field);
            let Found { hook, name, path, driver, .. } = found;
            Named { hook, name, path, driver, file: file.clone(), line, column, field }
        };
        let mut named: Vec<Named> = found.into_iter().map(named).collect();
        named.sort_by_key(|named| (named.line, named.column));
        self.names.extend(named);
        self.remarks.extend(findings.into_iter().map(|finding| Remark { file: file.clone(), finding }));
        self.files.push(file);
    }
}

/// The names in an OpenAPI document, or its mistakes.
fn oas(text: &str, document: &Value) -> (Vec<Found>, Vec<Finding>) {
    let (found, mistakes) = oas::names(document);
    if mistakes.is_empty() {
        return (found, Vec::new());
    }
    let finding = |(path, reason): (JsonPath, String)| {
        let path = path.to_string();
        let position = locate(text, &path);
        Finding { severity: Severity::Error, path, position, reason }
    };
    let mut findings: Vec<Finding> = mistakes.into_iter().map(finding).collect();
    findings.sort_by_key(|finding| finding.position);
    (Vec::new(), findings)
}

/// `orders-oas.json`, which stands beside `orders.json`. Source: Tyk, `gateway/api_definition.go`.
fn is_companion(file: &Path) -> bool {
    file.to_string_lossy().ends_with("-oas.json")
}

/// As the gateway lists them, and their OpenAPI documents.
fn json_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".json") && !name.starts_with('.') && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A pipe or a device named like a definition would be read for ever.
fn text(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > FILE_BYTES {
        return Err(io::Error::other(format!("larger than {FILE_BYTES} bytes")));
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
