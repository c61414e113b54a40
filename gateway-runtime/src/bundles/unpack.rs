//! A zip file becomes a folder: nothing of it is written elsewhere, and no more of it than there is room for.
//! Source: plugin-system.md §7.5.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gateway_model::bundle::is_inside;
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::Limits;
use super::place::make;

/// What of a Unix mode is the kind of a file, and the kinds that are unpacked.
const KIND: u32 = 0o170_000;
const PLAIN: [u32; 3] = [0, 0o100_000, 0o040_000];
/// What an entry may take in the archive's directory, and what is read beside that to find it, in bytes.
const ENTRY: u64 = 1024;
const AROUND: u64 = 1024 * 1024;

/// An archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("not a zip file that can be read: {0}; build it with `gateway bundle build`")]
    Archive(ZipError),
    #[error("invalid file path in archive: {0}; build it with paths below the folder of the manifest")]
    Path(String),
    #[error("a name in the archive is not UTF-8: {0}; rename the file, and build it again")]
    Name(String),
    #[error("{0} is in the archive twice; build it again")]
    Twice(String),
    #[error("`{0}` is a link or a device; put the file itself into the archive")]
    Kind(String),
    #[error("`{0}` is encrypted; build the archive without a password")]
    Encrypted(String),
    #[error("more than {0} entries, or folders for them; raise `bundle_max_files` if that is right")]
    Files(usize),
    #[error("more than {0} bytes when unpacked; raise `bundle_max_unpacked_bytes` if that is right")]
    Bytes(u64),
    #[error("`{name}`: {error}; build the archive again with `gateway bundle build`, or make room for it")]
    Entry { name: String, error: io::Error },
}

/// Unpacks an archive into a folder that is there, and empty.
///
/// # Errors
/// When it is no archive, or holds what is not to be unpacked, or more than the limits allow; what was written by then is
/// left to the caller.
pub(crate) fn unpack(zip: impl Read + Seek, folder: &Path, limits: &Limits) -> Result<(), UnpackError> {
    let allowance = Rc::new(Cell::new(AROUND.saturating_add(ENTRY.saturating_mul(limits.files as u64))));
    let mut zip = Metered { inner: BufReader::new(zip), left: Rc::clone(&allowance) };
    let length = zip.seek(SeekFrom::End(0)).map_err(|error| UnpackError::Archive(error.into()))?;
    let mut archive = ZipArchive::new(zip).map_err(|error| match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => UnpackError::Files(limits.files),
        other => UnpackError::Archive(other),
    })?;
    if archive.len() > limits.files {
        return Err(UnpackError::Files(limits.files));
    }
    if archive.has_duplicate_names() {
        return Err(UnpackError::Twice("a name".to_owned()));
    }
    // Each byte is read about once: entries that lie over each other would have no end.
    allowance.set(AROUND.saturating_add(length.saturating_mul(2)));
    let (mut left, mut seen) = (limits.unpacked_bytes, Seen::default());
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(UnpackError::Archive)?;
        left = take(entry, folder, &mut seen, left, limits)?;
    }
    Ok(())
}

/// What was met so far.
#[derive(Default)]
struct Seen {
    entries: HashSet<PathBuf>,
    /// Those that are made for what is in them, too: a short name may lead through hundreds.
    folders: HashSet<PathBuf>,
}

impl Seen {
    /// Whether an entry is the first of its name.
    ///
    /// # Errors
    /// When there are more files and folders than the limits allow.
    fn meet(&mut self, path: &Path, is_folder: bool, limits: &Limits) -> Result<bool, UnpackError> {
        let is_first = self.entries.insert(path.to_owned());
        for folder in path.ancestors().skip(usize::from(!is_folder)).filter(|folder| *folder != Path::new("")) {
            if !self.folders.insert(folder.to_owned()) {
                break;
            }
            // The files are no more than the entries.
            if self.folders.len() > limits.files {
                return Err(UnpackError::Files(limits.files));
            }
        }
        Ok(is_first)
    }
}

/// Writes one entry, and gives how many bytes are left.
fn take<R: Read>(
    mut entry: ZipFile<'_, R>,
    folder: &Path,
    seen: &mut Seen,
    left: u64,
    limits: &Limits,
) -> Result<u64, UnpackError> {
    let name = std::str::from_utf8(entry.name_raw())
        .map_err(|_| UnpackError::Name(String::from_utf8_lossy(entry.name_raw()).into_owned()))?
        .to_owned();
    if !is_inside(&name) {
        return Err(UnpackError::Path(name));
    }
    if entry.encrypted() {
        return Err(UnpackError::Encrypted(name));
    }
    if entry.is_symlink() || !PLAIN.contains(&(entry.unix_mode().unwrap_or(0) & KIND)) {
        return Err(UnpackError::Kind(name));
    }
    let path: PathBuf = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if !seen.meet(&path, entry.is_dir(), limits)? {
        return Err(UnpackError::Twice(format!("`{name}`")));
    }
    let place = folder.join(path);
    let failed = |error| UnpackError::Entry { name: name.clone(), error };
    if entry.is_dir() {
        make(&place).map_err(failed)?;
        return Ok(left);
    }
    place.parent().map_or(Ok(()), make).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&place).map_err(failed)?;
    // One byte more tells that there are more.
    let copied = io::copy(&mut (&mut entry).take(left.saturating_add(1)), &mut file).map_err(failed)?;
    left.checked_sub(copied).ok_or(UnpackError::Bytes(limits.unpacked_bytes))
}

/// A reader that gives so many bytes and no more.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left.set(self.left.get().checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?);
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests;
