//! `cargo xtask image`: a gateway as a container image, written without a container engine.
//!
//! ```text
//! settings.rs   what a manifest may say about the image, and what goes in
//! name.rs       the name of an image, by the grammar of registries
//! layer.rs      the root of the image
//! archive.rs    its documents, and the archive that holds everything
//! ```

mod archive;
mod layer;
mod name;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fmt, fs, io};

use serde::{Serialize, Serializer};
use tempfile::{Builder, TempDir};
use thiserror::Error;

pub use self::name::{ImageName, NameError};
pub use self::settings::{Contents, ImageSettings, User, UserError, contents};
use crate::build::build;
use crate::cli::{BuildArgs, ImageArgs, Profile};
use crate::elf::{Elf, ElfError, mebibytes};
use crate::gateway::BuildError;
use crate::gateway::manifest::ManifestFile;
use crate::gateway::place::replace;
use crate::gateway::plan::{PlanError, probe};
use crate::gateway::prove::{self, Linkage, ProveError};
use crate::inspect::InspectError;
use crate::report::{Failure, Report};
use crate::repository::{Repository, shown};

/// A bundle of all authorities has a quarter of a mebibyte.
const LARGEST_CERTIFICATES: u64 = 16 << 20;
/// The last second of the year 9999: later ones have no RFC 3339.
const LAST_SECOND: u64 = 253_402_300_799;

/// Why there is no image. The previous one, if there is one, is as it was.
#[derive(Debug, Error)]
pub enum ImageError {
    /// There is no gateway to put in.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The binary is none for Linux.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The binary's plugin table cannot be read.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// What the binary says about itself cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The binary needs what is not in the image.
    #[error(
        "`{}` needs a loader and shared libraries, and the image has none\n  = build a static one: cargo xtask build --profile ship",
        path.display()
    )]
    Dynamic {
        /// The binary.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read the certificates `{}`\n  = `ca-certificates` names a file in PEM form", path.display())]
    UnreadableCertificates {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that would do harm, or nothing.
    #[error("`{}` {what}\n  = `ca-certificates` names a file in PEM form, such as /etc/ssl/certs/ca-certificates.crt", path.display())]
    Certificates {
        /// As given.
        path: PathBuf,
        /// The rest of the sentence.
        what: &'static str,
    },
    /// The output cannot be a file.
    #[error("the output `{0}` is a folder\n  = name a file: --output {0}/gateway.tar", output.display())]
    Folder {
        /// As given.
        output: PathBuf,
    },
    /// The environment asks for a time that is none.
    #[error("SOURCE_DATE_EPOCH is `{0}`, and should be seconds since 1970, such as 1767225600")]
    Epoch(String),
    /// The disk says no.
    #[error("cannot write `{}`", path.display())]
    Io {
        /// What was written.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
}

impl Failure for ImageError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            Self::Name(_) | Self::Folder { .. } | Self::Epoch(_) => crate::USAGE,
            _ => crate::FAILED,
        }
    }
}

/// An image in its place. Its `Display` is the result line.
#[derive(Debug, Serialize)]
pub struct Written {
    /// The archive.
    pub path: PathBuf,
    /// Of the archive, in bytes.
    pub size: u64,
    /// Of the image's manifest: what registries know it by.
    pub digest: String,
    /// With its tag.
    #[serde(serialize_with = "as_text")]
    pub name: ImageName,
    /// What the image says it serves.
    pub port: u16,
    /// As images name machines.
    pub architecture: &'static str,
}

fn as_text<S: Serializer>(name: &ImageName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, size) = (shown(&self.path), mebibytes(self.size));
        write!(out, "{path}  {size}  {}  {}  linux/{}", self.digest, self.name, self.architecture)
    }
}

impl Written {
    /// How to go on from here.
    #[must_use]
    pub fn ways_to_use(&self) -> String {
        let (path, name, port, home) = (shown(&self.path), &self.name, self.port, layer::HOME);
        let registry = if name.has_registry() { "" } else { "REGISTRY/" };
        format!(
            "load it:  docker load -i {path}\n\
             run it:   docker run -p {port}:{port} -v $PWD/tyk.conf:{home}/tyk.conf:ro -v $PWD/apps:{home}/apps:ro {name}\n\
             push it:  skopeo copy oci-archive:{path} docker://{registry}{name}"
        )
    }
}

/// Runs the command.
///
/// # Errors
/// When there is no new image; the previous one is then still there.
pub fn command(args: &ImageArgs, report: &Report) -> Result<ExitCode, ImageError> {
    let repository = Repository::discover();
    let manifest = args.selection.manifest.as_deref().map(ManifestFile::read).transpose();
    let manifest = manifest.map_err(|error| BuildError::from(PlanError::from(error)))?;
    let mut args = args.clone();
    let settings = manifest.map(|file| written_settings(&file, &mut args)).unwrap_or_default();
    let written = image(&repository, &args, &settings, report)?;
    report.product("image", &written.to_string(), &written);
    report.note(&written.ways_to_use());
    Ok(ExitCode::SUCCESS)
}

/// What a manifest says about the image. What was typed counts more; paths are relative to the manifest.
fn written_settings(file: &ManifestFile, args: &mut ImageArgs) -> ImageSettings {
    let beside = || file.relative(Path::new("dist/gateway.tar"));
    args.output.get_or_insert_with(beside);
    args.selection.profile = args.selection.profile.or(file.manifest.build.profile);
    let mut settings = file.manifest.image.clone();
    settings.ca_certificates = settings.ca_certificates.map(|path| file.relative(&path));
    settings
}

/// Builds a gateway, unless there is one, and puts it into an image.
///
/// # Errors
/// When there is no new image; the previous one is then still there.
pub fn image(
    repository: &Repository,
    args: &ImageArgs,
    settings: &ImageSettings,
    report: &Report,
) -> Result<Written, ImageError> {
    let output = args.output.clone().unwrap_or_else(|| repository.root().join("dist/gateway.tar"));
    // What can be known to be wrong is said before minutes of compiling.
    refuse_folder(&output)?;
    settings::name(args, settings)?;
    if let Some(path) = &settings.ca_certificates {
        certificates(path)?;
    }
    probe(&output).map_err(BuildError::from)?;
    let created = epoch(env::var_os("SOURCE_DATE_EPOCH").map(|text| text.to_string_lossy().into_owned()))?;
    let (binary, _dir) = match &args.binary {
        Some(binary) => (binary.clone(), None),
        None => built(repository, args, report).map(|(binary, dir)| (binary, Some(dir)))?,
    };
    write(&contents(args, &binary, settings, created)?, &output)
}

/// The gateway, in a folder of its own: two commands may run at once.
fn built(repository: &Repository, args: &ImageArgs, report: &Report) -> Result<(PathBuf, TempDir), ImageError> {
    let parent = repository.work_dir();
    let made = fs::create_dir_all(&parent).and_then(|()| Builder::new().prefix("image-").tempdir_in(&parent));
    let dir = made.map_err(|source| ImageError::Io { path: parent, source })?;
    let mut selection = args.selection.clone();
    selection.profile.get_or_insert(Profile::Ship);
    let output = Some(dir.path().join("gateway"));
    let (placed, _) = build(repository, &BuildArgs { selection, output, ..BuildArgs::default() }, report)?;
    Ok((placed.path, dir))
}

/// Writes an image beside the output, and renames it over the output.
///
/// # Errors
/// When the contents cannot be an image, or the disk says no. The previous output is then still there.
pub fn write(contents: &Contents, output: &Path) -> Result<Written, ImageError> {
    refuse_folder(output)?;
    let binary = Elf::read(&contents.binary)?;
    let architecture = binary.architecture()?;
    if prove::inspect(&contents.binary)?.linkage == Linkage::Dynamic {
        return Err(ImageError::Dynamic { path: contents.binary.clone() });
    }
    let certificates = contents.ca_certificates.as_deref().map(certificates).transpose()?;
    let io = |source| ImageError::Io { path: output.to_owned(), source };
    let User { uid, gid } = contents.user;
    let modified = contents.created;
    let root = layer::Root { gateway: binary.data(), certificates: certificates.as_deref(), uid, gid, modified };
    let tar = layer::tar(&root).map_err(io)?;
    let compressed = layer::gzip(&tar).map_err(io)?;
    let facts = archive::Facts {
        name: &contents.name,
        architecture,
        created: settings::rfc3339(modified),
        modified,
        user: contents.user.to_string(),
        port: contents.port,
        labels: &contents.labels,
    };
    let packed = archive::pack(&facts, &tar, compressed).map_err(io)?;
    replace(output, |beside| fs::write(beside, &packed.bytes)).map_err(io)?;
    Ok(Written {
        path: output.to_owned(),
        size: packed.bytes.len() as u64,
        digest: packed.digest,
        name: contents.name.clone(),
        port: contents.port,
        architecture,
    })
}

fn refuse_folder(output: &Path) -> Result<(), ImageError> {
    if output.is_dir() { Err(ImageError::Folder { output: output.to_owned() }) } else { Ok(()) }
}

/// A file of certificates, which holds some and no key.
fn certificates(path: &Path) -> Result<Vec<u8>, ImageError> {
    let unreadable = |source| ImageError::UnreadableCertificates { path: path.to_owned(), source };
    let wrong = |what| Err(ImageError::Certificates { path: path.to_owned(), what });
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return wrong("is no file");
    }
    if metadata.len() > LARGEST_CERTIFICATES {
        return wrong("is larger than 16 MiB");
    }
    let data = fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&data);
    if text.contains("PRIVATE KEY-----") {
        return wrong("holds a private key, which everybody who has the image could read");
    }
    let begun = text.matches("-----BEGIN CERTIFICATE-----").count();
    if begun == 0 {
        return wrong("holds no certificate");
    }
    if begun != text.matches("-----END CERTIFICATE-----").count() {
        return wrong("holds a certificate without its end");
    }
    Ok(data)
}

/// The time that everything in the image gets.
fn epoch(variable: Option<String>) -> Result<u64, ImageError> {
    let Some(text) = variable else { return Ok(0) };
    match text.parse() {
        Ok(seconds) if seconds <= LAST_SECOND => Ok(seconds),
        _ => Err(ImageError::Epoch(text)),
    }
}

#[cfg(test)]
mod tests;
