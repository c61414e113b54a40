//! The binary, put where it was asked for: all of it or nothing.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io, process};

use serde::Serialize;
use thiserror::Error;

use super::graph::Graph;
use super::plan::Plan;
use super::prove::{Linkage, Proof};
use crate::elf::mebibytes;
use crate::repository::shown;

/// Why the output is as it was.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// No room.
    #[error(
        "no space is left for `{}`, which needs {}; the previous file is still there\n  = make room, or choose another disk: --output FILE",
        shown(path), mebibytes(*size)
    )]
    Full {
        /// What was written.
        path: PathBuf,
        /// How large it is, in bytes.
        size: u64,
    },
    /// Forbidden.
    #[error(
        "`{}` cannot be written; the previous file is still there\n  = choose another place: --output FILE",
        shown(path)
    )]
    Forbidden {
        /// What was written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot write `{}`; the previous file is still there", shown(path))]
    Io {
        /// What was written.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
}

/// A gateway in its place. Its `Display` is the last line that the builder prints.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// The file.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// How it was compiled.
    pub profile: &'static str,
    /// What it needs to run.
    pub linkage: Linkage,
    /// `name version` of each plugin.
    pub plugins: Vec<String>,
    /// Of the file's content, in hexadecimal.
    pub sha256: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, size) = (shown(&self.path), mebibytes(self.size));
        let plugins = if self.plugins.is_empty() { "none".to_owned() } else { self.plugins.join(", ") };
        write!(out, "{path}  {size}  {}  {}  plugins: {plugins}", self.profile, self.linkage)
    }
}

/// Copies the binary beside the output, and renames it over the output.
///
/// # Errors
/// When the disk says no. The previous output is then still there.
pub fn place(plan: &Plan, product: &Path, proof: &Proof, graph: &Graph) -> Result<Placed, PlaceError> {
    copy_over(product, &plan.output)?;
    let plugins = graph.plugins().iter().map(|plugin| format!("{} {}", plugin.package, plugin.version)).collect();
    Ok(Placed {
        path: plan.output.clone(),
        size: proof.size,
        profile: plan.profile.name(),
        linkage: proof.linkage,
        plugins,
        sha256: proof.sha256.clone(),
    })
}

fn copy_over(from: &Path, to: &Path) -> Result<(), PlaceError> {
    let size = fs::metadata(from).map(|file| file.len()).unwrap_or_default();
    let copied = replace(to, |beside| fs::copy(from, beside).map(drop));
    copied.map_err(|source| failed(to, size, source))
}

fn failed(to: &Path, size: u64, source: io::Error) -> PlaceError {
    let path = to.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PlaceError::Full { path, size },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => PlaceError::Forbidden { path, source },
        _ => PlaceError::Io { path, source },
    }
}

/// Makes a file beside another one, and renames it over that: all of it or nothing.
///
/// # Errors
/// When it cannot be made. The previous file is then still there.
pub fn replace(to: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let beside = to.with_file_name(format!(".{name}.{}", process::id()));
    let made = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| make(&beside));
    made.and_then(|()| fs::rename(&beside, to)).inspect_err(|_| {
        // Best effort: the error that is told is the first one.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_fails_leaves_the_previous_output() {
        let dir = tempfile::tempdir().expect("temp dir");
        let output = dir.path().join("gateway");
        fs::write(&output, "previous").expect("written");
        let error = copy_over(&dir.path().join("absent"), &output).expect_err("nothing to copy");
        let said = format!("cannot write `{}`; the previous file is still there", output.display());
        assert_eq!(error.to_string(), said);
        assert_eq!(fs::read_to_string(&output).expect("there"), "previous");
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_full_disk_and_a_forbidden_one_are_told_with_a_remedy() {
        let said = |kind: io::ErrorKind| failed(Path::new("dist/gateway"), 3 << 20, kind.into()).to_string();
        assert_eq!(
            said(io::ErrorKind::StorageFull),
            "no space is left for `dist/gateway`, which needs 3.0 MiB; the previous file is still there\n  = make room, \
             or choose another disk: --output FILE"
        );
        assert!(said(io::ErrorKind::ReadOnlyFilesystem).starts_with("`dist/gateway` cannot be written; "));
    }

    #[test]
    fn a_running_output_is_replaced_and_its_folder_made() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (product, output) = (dir.path().join("product"), dir.path().join("dist/gateway"));
        fs::write(&product, "one").expect("written");
        copy_over(&product, &output).expect("placed");
        fs::write(&product, "two").expect("written");
        copy_over(&product, &output).expect("placed again");
        assert_eq!(fs::read_to_string(&output).expect("there"), "two");
    }
}
