//! How the file is opened, and when it is refused. What is refused is left as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database};

use super::tables::{self, FORMAT, Layout, guarded};

/// What of the file is kept in memory, in bytes.
const CACHE: usize = 16 << 20;
/// A file up to so many bytes is read whole when it is opened, to see that it is sound.
const CHECKED: u64 = 64 << 20;
/// How every file of redb's begins.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "{}: another process has this file open; end that process, or give this gateway a file of its own with \
         `storage.path`",
        path.display()
    )]
    Locked { path: PathBuf },
    #[error(
        "{}: this is not a file of a gateway's; it is left as it is: move it away, or name another one with \
         `storage.path`",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "{}: the file is damaged ({reason}); it is left as it is: put a copy of it in its place, or move it away to \
         begin with an empty one",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{}: the file is of another version of the gateway (format {found}, this one knows {FORMAT}); it is left as it \
         is: use that version, or name another file with `storage.path`",
        path.display()
    )]
    Format { path: PathBuf, found: u64 },
    #[error(
        "{}: the file cannot be opened ({error}); see that its folder is there and the gateway may write to it, or name \
         another file with `storage.path`",
        path.display()
    )]
    Io { path: PathBuf, error: io::Error },
}

impl OpenError {
    /// What an error of redb's means for a file that is being opened.
    pub(super) fn of(path: &Path, error: redb::Error) -> Self {
        let path = path.to_owned();
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked { path },
            // No gateway has written a file of that age.
            redb::Error::UpgradeRequired(_) => Self::Foreign { path },
            redb::Error::Io(error) if !is_of_the_content(&error) => Self::Io { path, error },
            other => Self::Damaged { path, reason: other.to_string() },
        }
    }
}

/// Whether the disk is well, and what is on it is not.
fn is_of_the_content(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// Opens the file, or makes it if there is none.
///
/// # Errors
/// When it is not ours, is damaged, or another process has it.
pub(super) fn open(path: &Path) -> Result<Database, OpenError> {
    let wrong = |error| OpenError::Io { path: path.to_owned(), error };
    let is_new = !path.exists();
    let mut file = begin(path).map_err(wrong)?;
    let length = file.metadata().map_err(wrong)?.len();
    if !is_ours(&mut file, length).map_err(wrong)? {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let wrong_in_it = |error| OpenError::of(path, error);
    let database = guarded(|| {
        let backend = FileBackend::new(file)?;
        let checks = length > 0 && length <= CHECKED;
        Ok(Builder::new().set_cache_size(CACHE).set_check_integrity_on_open(checks).create_with_backend(backend)?)
    })
    .map_err(wrong_in_it)?;
    match guarded(|| tables::layout(&database)).map_err(wrong_in_it)? {
        Layout::Ours(FORMAT) => {}
        Layout::Empty => guarded(|| tables::lay_out(&database)).map_err(wrong_in_it)?,
        Layout::Ours(found) => return Err(OpenError::Format { path: path.to_owned(), found }),
        Layout::Foreign => return Err(OpenError::Foreign { path: path.to_owned() }),
    }
    if is_new {
        // The file is in its folder from here on, whatever happens to the machine.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)?;
    }
    Ok(database)
}

/// Nobody else may read it: keys are in it.
fn begin(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Whether a file begins as redb's do, or is empty.
fn is_ours(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    let mut begins = [0; MAGIC.len()];
    match file.read_exact(&mut begins) {
        Ok(()) => Ok(begins == MAGIC),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
