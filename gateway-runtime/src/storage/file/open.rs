//! How the file is opened, and when it is refused. What is refused is left as it is.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
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
/// Nobody else may read it: keys are in it.
const MODE: u32 = 0o600;
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
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(path),
        _ => open_there(path),
    }
}

/// Makes the file. It is laid out under another name, and has its own when it is whole: what a full disk or the end of the
/// process leaves behind is in nobody's way.
fn make(path: &Path) -> Result<Database, OpenError> {
    let wrong = |error| OpenError::Io { path: path.to_owned(), error };
    let draft = draft(path);
    let named = lay_out(path, &draft).and_then(|database| match fs::hard_link(&draft, path) {
        Ok(()) => Ok(Some(database)),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        // Not every file system has links.
        Err(_) => fs::rename(&draft, path).map(|()| Some(database)).map_err(wrong),
    });
    // It may have gone already.
    let _ = fs::remove_file(&draft);
    let Some(database) = named? else { return open_there(path) };
    // The file is in its folder from here on, whatever happens to the machine.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)?;
    Ok(database)
}

/// The name of a file that is not whole yet, beside that which it is to have. No two are the same.
fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}.new", RandomState::new().hash_one(std::process::id())));
    name.into()
}

/// A new file of that name, for one that is to be at `path`.
fn lay_out(path: &Path, draft: &Path) -> Result<Database, OpenError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(draft);
    let file = file.map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
    guarded(|| {
        let database = builder(false).create_with_backend(FileBackend::new(file)?)?;
        tables::lay_out(&database)?;
        Ok(database)
    })
    .map_err(|error| OpenError::of(path, error))
}

/// Opens a file that is there. An empty one is laid out in its place; if that fails, it is empty again.
fn open_there(path: &Path) -> Result<Database, OpenError> {
    let wrong = |error| OpenError::Io { path: path.to_owned(), error };
    let mut file = begin(path).map_err(wrong)?;
    let length = file.metadata().map_err(wrong)?.len();
    if !is_ours(&mut file, length).map_err(wrong)? {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let opened = open_as_it_is(path, file, length);
    if length == 0
        && let Err(OpenError::Io { .. }) = &opened
    {
        // Nobody has it, or it would be locked. If it cannot be emptied either, the error is the same.
        let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0));
    }
    opened
}

fn open_as_it_is(path: &Path, file: File, length: u64) -> Result<Database, OpenError> {
    let wrong_in_it = |error| OpenError::of(path, error);
    let checks = length > 0 && length <= CHECKED;
    let database =
        guarded(|| Ok(builder(checks).create_with_backend(FileBackend::new(file)?)?)).map_err(wrong_in_it)?;
    match guarded(|| tables::layout(&database)).map_err(wrong_in_it)? {
        Layout::Ours(FORMAT) => {}
        Layout::Empty => guarded(|| tables::lay_out(&database)).map_err(wrong_in_it)?,
        Layout::Ours(found) => return Err(OpenError::Format { path: path.to_owned(), found }),
        Layout::Foreign => return Err(OpenError::Foreign { path: path.to_owned() }),
    }
    Ok(database)
}

fn builder(checks: bool) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(checks);
    builder
}

fn begin(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
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
