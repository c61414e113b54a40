//! `gateway bundle build`: files and a manifest become a bundle. Source: plugin-system.md §7.8.
//!
//! The same files and the same key give the same bytes, whenever and wherever it is built.

use std::fs::{self, Permissions};
use std::io::{self, Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_model::bundle::{MANIFEST, Manifest, ManifestError, parse};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::verify::{self, VerifyError};

/// Of the bundle.
const MODE: u32 = 0o755;

/// A bundle is not built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("Couldn't load manifest file {}: {error}; name it with `-m FILE`", file.display())]
    Manifest { file: PathBuf, error: io::Error },
    #[error("{}: {error}", file.display())]
    Form { file: PathBuf, error: ManifestError },
    #[error(
        "Referencing a nonexistent file: {name}, in the `file_list` of {}; paths are from the current folder, which \
         is {}",
        file.display(), folder.display()
    )]
    Missing { name: String, file: PathBuf, folder: PathBuf },
    #[error(
        "No hooks defined: a bundle names a plugin in `custom_middleware`, such as {{\"post\": [{{\"name\": \"AddFooBarHeader\"}}]}}"
    )]
    NoHooks,
    #[error("No driver specified: write `\"driver\": \"goplugin\"` in `custom_middleware`")]
    NoDriver,
    #[error(transparent)]
    Read(#[from] VerifyError),
    #[error("{}: {reason}; make a key with `openssl genrsa -out {} 2048`", file.display(), file.display())]
    Key { file: PathBuf, reason: String },
    #[error("{}: {error}", file.display())]
    Write { file: PathBuf, error: io::Error },
    #[error("the archive cannot be made: {0}")]
    Zip(#[from] ZipError),
}

/// A manifest, and the folder that its files are in, which are there.
#[derive(Debug)]
pub(crate) struct Plan {
    manifest: Manifest,
    members: Map<String, Value>,
    folder: PathBuf,
}

impl Plan {
    /// # Errors
    /// When the manifest is none, or names a file that is not there, or nothing to run.
    pub(crate) fn read(file: &Path, folder: &Path) -> Result<Self, BuildError> {
        let text = fs::read(file).map_err(|error| BuildError::Manifest { file: file.to_owned(), error })?;
        let form = |error| BuildError::Form { file: file.to_owned(), error };
        let manifest = parse(&text).map_err(form)?;
        let members = serde_json::from_slice(&text).map_err(io::Error::from);
        let members = members.map_err(|error| BuildError::Manifest { file: file.to_owned(), error })?;
        if let Some(name) = manifest.file_list.iter().find(|name| !folder.join(name).is_file()) {
            return Err(BuildError::Missing { name: name.clone(), file: file.to_owned(), folder: folder.to_owned() });
        }
        if !manifest.has_hooks() {
            return Err(BuildError::NoHooks);
        }
        if manifest.custom_middleware.driver.is_empty() {
            return Err(BuildError::NoDriver);
        }
        Ok(Self { manifest, members, folder: folder.to_owned() })
    }

    /// The archive: the files in their order, then the manifest.
    ///
    /// # Errors
    /// When a file cannot be read, or the key is none.
    pub(crate) fn archive(mut self, key: Option<&Path>) -> Result<Vec<u8>, BuildError> {
        let content = verify::read(&self.folder, &self.manifest.file_list, true, u64::MAX)?;
        let signature = key.map(|key| sign(key, &content.bytes)).transpose()?.unwrap_or_default();
        self.members.insert("checksum".to_owned(), content.checksum.into());
        self.members.insert("signature".to_owned(), signature.into());
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default());
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in &self.manifest.file_list {
            let file = self.folder.join(name);
            let read = fs::read(&file).map_err(|error| BuildError::Read(VerifyError::File { file, error }))?;
            zip.start_file(name, options.large_file(u32::try_from(read.len()).is_err()))?;
            zip.write_all(&read).map_err(ZipError::from)?;
        }
        zip.start_file(MANIFEST, options)?;
        zip.write_all(Value::Object(self.members).to_string().as_bytes()).map_err(ZipError::from)?;
        Ok(zip.finish()?.into_inner())
    }
}

/// Writes a bundle, all of it at once.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write(output: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let failed = |error| BuildError::Write { file: output.to_owned(), error };
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(MODE);
    let beside = tempfile::Builder::new().prefix(".gw-").permissions(permissions).tempfile_in(folder);
    let mut beside = beside.map_err(failed)?;
    beside.write_all(bytes).map_err(failed)?;
    beside.persist(output).map_err(|error| failed(error.error))?;
    Ok(())
}

/// RSA, PKCS #1 v1.5, over SHA-256; in base64.
fn sign(file: &Path, bytes: &[u8]) -> Result<String, BuildError> {
    let failed = |reason: String| BuildError::Key { file: file.to_owned(), reason };
    let text = fs::read(file).map_err(|error| failed(error.to_string()))?;
    let der = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| failed("no `PRIVATE KEY` and no `RSA PRIVATE KEY` is in it".to_owned()))?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(failed("it is no key of RSA's".to_owned())),
    };
    let pair = pair.map_err(|error| failed(format!("it is no key of RSA's of 2048 bits or more ({error})")))?;
    let mut signature = vec![0; pair.public().modulus_len()];
    let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature);
    signed.map_err(|_| failed("it does not sign".to_owned()))?;
    Ok(BASE64_STANDARD.encode(signature))
}

#[cfg(test)]
mod tests;
