//! One build at a time: all generated crates share a target folder, in which their binaries have one name, and two
//! builds of one gateway share a folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::report::Report;
use crate::repository::shown;

/// The turn could not be taken.
#[derive(Debug, Error)]
#[error("cannot lock `{}`", shown(path))]
pub struct TurnError {
    path: PathBuf,
    source: io::Error,
}

/// Held for as long as a build uses the work folder.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits until nobody else builds in `work_dir`.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn take(work_dir: &Path, report: &Report) -> Result<Self, TurnError> {
        Self::after(work_dir, "another build of a gateway", report)
    }

    /// As [`Turn::take`], where something else than a build is waited for.
    ///
    /// # Errors
    /// As [`Turn::take`].
    pub fn after(work_dir: &Path, another: &str, report: &Report) -> Result<Self, TurnError> {
        let path = work_dir.join("lock");
        let wrong = |source| TurnError { path: path.clone(), source };
        fs::create_dir_all(work_dir).map_err(wrong)?;
        let file = File::create(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => return Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => report.note(&format!("waiting for {another} …")),
            Err(TryLockError::Error(source)) => return Err(wrong(source)),
        }
        file.lock().map_err(wrong)?;
        Ok(Self { _lock: file })
    }
}
