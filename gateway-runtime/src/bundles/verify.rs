//! Whether a bundle is what somebody built, and who did. Source: plugin-system.md §7.7.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_model::bundle::{MANIFEST, Manifest};
use md5::{Digest, Md5};

use super::Settings;
use super::place::hex;

/// How much of a file is in memory where nothing is signed, in bytes.
const CHUNK: usize = 64 * 1024;

/// A bundle is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(
        "Bundle isn't signed, and `public_key_path` is set; sign it with `gateway bundle build -k KEY`, with the private \
         key of that public one"
    )]
    Unsigned,
    #[error(
        "invalid checksum: {MANIFEST} has `{expected}`, and the files of its `file_list` have `{found}`; build it again \
         with `gateway bundle build`"
    )]
    Checksum { expected: String, found: String },
    #[error("the `signature` in {MANIFEST} is not base64 ({0}); sign it with `gateway bundle build -k KEY`")]
    Encoding(base64::DecodeError),
    #[error(
        "crypto/rsa: verification error: the `signature` in {MANIFEST} is not of the key in `public_key_path`, or not of \
         these files; sign it with the private key of that public one"
    )]
    Signature,
    #[error("{}: {error}; it is in the `file_list` of {MANIFEST}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("its files have more than {0} bytes; raise `bundle_max_unpacked_bytes` if that is right")]
    Bytes(u64),
}

/// How closely a bundle is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// It has just come.
    Deep,
    /// It was there already.
    Partial,
}

/// # Errors
/// Why the bundle is not to be used.
pub(super) fn verify(folder: &Path, manifest: &Manifest, depth: Depth, settings: &Settings) -> Result<(), VerifyError> {
    let is_signed = !manifest.signature.is_empty();
    match depth {
        Depth::Deep if settings.key.is_some() && !is_signed => return Err(VerifyError::Unsigned),
        // Who can write to the store can write a manifest without a signature as well: nothing would be won.
        Depth::Partial if settings.trusts_existing || !is_signed => return Ok(()),
        Depth::Deep | Depth::Partial => {}
    }
    let key = settings.key.as_ref();
    let signature =
        key.map(|_| BASE64_STANDARD.decode(&manifest.signature)).transpose().map_err(VerifyError::Encoding)?;
    let read = read(folder, &manifest.file_list, key.is_some(), settings.limits.unpacked_bytes)?;
    if read.checksum != manifest.checksum {
        return Err(VerifyError::Checksum { expected: manifest.checksum.clone(), found: read.checksum });
    }
    match key.zip(signature) {
        Some((key, signature)) if !key.has_signed_bytes(&read.bytes, &signature) => Err(VerifyError::Signature),
        _ => Ok(()),
    }
}

/// What the files of a list come to.
pub(super) struct Content {
    /// In hexadecimal.
    pub(super) checksum: String,
    /// One after another; nothing unless that was asked for.
    pub(super) bytes: Vec<u8>,
}

/// Reads files one after another.
///
/// # Errors
/// When one cannot be read, or when they are larger than `limit` in all.
pub(super) fn read(folder: &Path, list: &[String], keeps: bool, limit: u64) -> Result<Content, VerifyError> {
    let (mut digest, mut bytes, mut left) = (Md5::new(), Vec::new(), limit);
    let mut chunk = vec![0; CHUNK];
    for name in list {
        let file = folder.join(name);
        let failed = |error| VerifyError::File { file: file.clone(), error };
        let mut opened = open(&file).map_err(failed)?;
        loop {
            let read = opened.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                break;
            }
            left = left.checked_sub(read as u64).ok_or(VerifyError::Bytes(limit))?;
            digest.update(&chunk[..read]);
            if keeps {
                bytes.extend_from_slice(&chunk[..read]);
            }
        }
    }
    Ok(Content { checksum: hex(&digest.finalize()), bytes })
}

/// A pipe would be read for ever.
fn open(file: &Path) -> io::Result<File> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(file)
}

#[cfg(test)]
mod tests;
