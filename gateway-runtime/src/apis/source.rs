//! Where definitions come from: the `*.json` files of a folder, one API (or policy) each. Source: Tyk, `gateway/api_definition.go`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_model::oas::EXTENSION;

/// A larger file is not an API definition, in bytes.
pub(crate) const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How the names of OpenAPI documents end that stand beside a definition.
const DOCUMENT: &str = "-oas.json";

/// One definition file.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// As messages show it.
    pub(crate) file: Arc<str>,
    /// What it says, or why it cannot be read.
    pub(crate) text: Result<Arc<str>, String>,
    /// The OpenAPI document that belongs to a definition, if there is one.
    pub(crate) document: Option<Result<Arc<str>, String>>,
}

/// The folder of definitions cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`app_path` {}: {error}; make the folder, or set `app_path` to the one with the API definitions", folder.display())]
pub(crate) struct SourceError {
    pub(crate) folder: PathBuf,
    pub(crate) error: io::Error,
}

/// The files, by name. An OpenAPI document `x-oas.json` beside `x.json` belongs to that; one that stands alone is a
/// definition if it has `x-tyk-api-gateway`, and else nothing. Source: gateway.md §4.1.
///
/// # Errors
/// When the folder cannot be listed. A file that cannot be read is told in its [`Source`].
pub(crate) fn read(folder: &Path) -> Result<Vec<Source>, SourceError> {
    let is_definition = |name: &str| match name.strip_suffix(DOCUMENT) {
        Some(base) => !folder.join(format!("{base}.json")).exists(),
        None => name.ends_with(".json"),
    };
    let mut sources = list(folder, is_definition).map_err(|error| SourceError { folder: folder.to_owned(), error })?;
    let is_wanted = |Source { file, text, .. }: &Source| {
        !file.ends_with(DOCUMENT) || text.as_ref().is_ok_and(|text| text.contains(EXTENSION))
    };
    sources.retain(is_wanted);
    for source in &mut sources {
        source.document = document(&source.file);
    }
    Ok(sources)
}

/// The OpenAPI document beside a file: `orders-oas.json` beside `orders.json`. Source: gateway.md §4.1.
fn document(file: &str) -> Option<Result<Arc<str>, String>> {
    let path = beside(Path::new(file))?;
    path.exists().then(|| text(&path))
}

/// The file of that document.
pub(crate) fn beside(file: &Path) -> Option<PathBuf> {
    Some(PathBuf::from(format!("{}{DOCUMENT}", file.to_str()?.strip_suffix(".json")?)))
}

/// The files of a folder whose names are wanted, by name. Hidden ones are not.
///
/// # Errors
/// When the folder cannot be listed. A file that cannot be read is told in its [`Source`].
pub(crate) fn list(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_wanted(&name) && !name.starts_with('.') && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    let source = |path: PathBuf| Source { file: path.display().to_string().into(), text: text(&path), document: None };
    Ok(files.into_iter().map(source).collect())
}

/// A pipe or a device named like a definition would be read for ever.
pub(crate) fn text(path: &Path) -> Result<Arc<str>, String> {
    let fail = |error: io::Error| error.to_string();
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    if metadata.len() > FILE_BYTES {
        return Err(format!("larger than {FILE_BYTES} bytes"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(fail)?;
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(fail)?;
    Ok(text.into())
}
