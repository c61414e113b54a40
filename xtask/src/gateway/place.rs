//! The binary, put where it was asked for: all of it or nothing.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io, process};

use thiserror::Error;

use super::plan::Plan;
use super::prove::{Linkage, Proof};
use crate::repository::shown;

/// Why the output is as it was.
#[derive(Debug, Error)]
#[error("cannot write `{}`", path.display())]
pub struct PlaceError {
    /// What was written.
    path: PathBuf,
    /// Why it could not be.
    source: io::Error,
}

/// A gateway in its place. Its `Display` is the last line that the builder prints.
#[derive(Debug)]
pub struct Placed {
    /// The file.
    pub path: PathBuf,
    size: u64,
    profile: &'static str,
    linkage: Linkage,
    plugins: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, size) = (shown(&self.path), mebibytes(self.size));
        write!(out, "{path}  {size}  {}  {}  plugins: {}", self.profile, self.linkage, self.plugins)
    }
}

/// Copies the binary beside the output, and renames it over the output.
///
/// # Errors
/// When the disk says no. The previous output is then still there.
pub fn place(plan: &Plan, product: &Path, proof: &Proof) -> Result<Placed, PlaceError> {
    copy_over(product, &plan.output)?;
    Ok(Placed {
        path: plan.output.clone(),
        size: proof.size,
        profile: plan.profile.name(),
        linkage: proof.linkage,
        plugins: plan.plugin_list(),
    })
}

fn copy_over(from: &Path, to: &Path) -> Result<(), PlaceError> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let beside = to.with_file_name(format!(".{name}.{}", process::id()));
    let copied = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::copy(from, &beside));
    let moved = copied.and_then(|_| fs::rename(&beside, to));
    moved.map_err(|source| {
        // Best effort: the error that is told is the first one.
        let _ = fs::remove_file(&beside);
        PlaceError { path: to.to_owned(), source }
    })
}

/// `6.4 MiB`, rounded to the nearest tenth.
fn mebibytes(bytes: u64) -> String {
    let tenths = (bytes * 10 + (1 << 19)) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_mebibytes() {
        assert_eq!(mebibytes(6_700_000), "6.4 MiB");
        assert_eq!(mebibytes(1 << 20), "1.0 MiB");
        assert_eq!(mebibytes(10), "0.0 MiB");
    }

    #[test]
    fn a_copy_that_fails_leaves_the_previous_output() {
        let dir = tempfile::tempdir().expect("temp dir");
        let output = dir.path().join("gateway");
        fs::write(&output, "previous").expect("written");
        let error = copy_over(&dir.path().join("absent"), &output).expect_err("nothing to copy");
        assert_eq!(error.to_string(), format!("cannot write `{}`", output.display()));
        assert_eq!(fs::read_to_string(&output).expect("there"), "previous");
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1, "nothing is left beside it");
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
