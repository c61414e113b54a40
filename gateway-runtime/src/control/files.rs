//! Files that the control API writes, each for one thing with an id: all of a change, or nothing of it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tempfile::Builder;

/// The permissions of a new file, under those that the process takes away.
const MODE: u32 = 0o666;
/// The longest id, in bytes: with what is added to it, it is the name of a file.
const LONGEST_ID: usize = 200;

/// What a file is to hold.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) file: PathBuf,
    /// `None`: it is not to be there.
    pub(super) content: Option<Vec<u8>>,
}

/// Carries several changes out, in their order. All are taken back if one fails.
///
/// # Errors
/// When the system refuses; or when a file that is to go is not there.
pub(super) fn apply(changes: &[Change]) -> io::Result<()> {
    let mut before = Vec::new();
    for change in changes {
        let result = read(&change.file).and_then(|content| {
            before.push(Change { file: change.file.clone(), content });
            carry_out(change)
        });
        if result.is_err() {
            before.iter().rev().for_each(take_back);
            return result;
        }
    }
    Ok(())
}

/// Whether a file that is named for this id is one of its folder, and not hidden.
pub(super) fn is_name(id: &str) -> bool {
    let foreign = |c: char| matches!(c, '/' | '\\') || c.is_control();
    !id.is_empty() && !id.starts_with('.') && !id.contains(foreign) && id.len() <= LONGEST_ID
}

/// The file of a folder for an id: the one that is named for it, unless that belongs to another id. `member` is where a
/// file says whose it is.
pub(super) fn place(folder: &Path, member: &str, id: &str) -> PathBuf {
    let mut name = id.to_owned();
    loop {
        let file = folder.join(format!("{name}.json"));
        if !file.exists() || id_in(&file, member).as_deref() == Some(id) {
            return file;
        }
        name.push('_');
    }
}

/// The id that a file says.
pub(super) fn id_in(file: &Path, member: &str) -> Option<String> {
    let members = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    self::member(&members, member).and_then(Value::as_str).map(str::to_owned)
}

/// A member of an object by its key, whatever its case. Source: Go, `encoding/json`.
pub(super) fn member<'v>(members: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let folded = || members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    members.get(key).or_else(folded)
}

fn take_back(before: &Change) {
    match carry_out(before) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!(file = %before.file.display(), %error, "a change cannot be taken back");
        }
        // What was not there is not there again, or still.
        _ => {}
    }
}

/// What a file holds; `None` if it is not there.
pub(super) fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn carry_out(change: &Change) -> io::Result<()> {
    let folder = change.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match &change.content {
        Some(content) => {
            let permissions = fs::metadata(&change.file).map_or(Permissions::from_mode(MODE), |was| was.permissions());
            let mut beside =
                Builder::new().prefix(".gw-").suffix(".tmp").permissions(permissions).tempfile_in(folder)?;
            beside.write_all(content)?;
            beside.as_file().sync_all()?;
            beside.persist(&change.file).map_err(|error| error.error)?;
        }
        None => fs::remove_file(&change.file)?,
    }
    // The name is part of the folder, not of the file.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn change(folder: &Path, name: &str, text: Option<&str>) -> Change {
        Change { file: folder.join(name), content: text.map(|text| text.as_bytes().to_owned()) }
    }

    #[test]
    fn files_are_written_and_removed_and_nothing_is_left_beside_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        apply(&[change(at, "a", Some("1")), change(at, "b", Some("2"))]).expect("written");
        apply(&[change(at, "a", Some("3")), change(at, "b", None)]).expect("written");
        assert_eq!(names(at), ["a"]);
        assert_eq!(fs::read_to_string(at.join("a")).expect("text"), "3");
    }

    #[test]
    fn a_change_that_fails_takes_the_others_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        apply(&[change(at, "old", Some("1"))]).expect("written");
        let failing = [change(at, "old", Some("2")), change(at, "new", Some("2")), change(at, "none/x", Some("2"))];
        assert_eq!(apply(&failing).expect_err("no folder").kind(), io::ErrorKind::NotFound);
        let failing = [change(at, "old", None), change(at, "none", None)];
        assert_eq!(apply(&failing).expect_err("no file").kind(), io::ErrorKind::NotFound);
        assert_eq!(names(at), ["old"]);
        assert_eq!(fs::read_to_string(at.join("old")).expect("text"), "1");
    }

    #[test]
    fn a_file_of_another_id_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        assert_eq!(place(at, "id", "a"), at.join("a.json"));
        apply(&[change(at, "a.json", Some(r#"{"ID": "b"}"#)), change(at, "b.json", Some("{"))]).expect("written");
        assert_eq!(place(at, "id", "a"), at.join("a_.json"));
        assert_eq!(place(at, "id", "b"), at.join("b_.json"), "nobody knows whose it is");
        apply(&[change(at, "b.json", Some(r#"{"id": "b"}"#))]).expect("written");
        assert_eq!(place(at, "id", "b"), at.join("b.json"));
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        apply(&[change(at, "a", Some("1"))]).expect("written");
        fs::set_permissions(at.join("a"), Permissions::from_mode(0o640)).expect("ours");
        apply(&[change(at, "a", Some("2"))]).expect("written");
        assert_eq!(fs::metadata(at.join("a")).expect("a file").permissions().mode() & 0o777, 0o640);
    }
}
