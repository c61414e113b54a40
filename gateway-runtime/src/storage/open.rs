//! How the engine that was configured comes to be, when the gateway starts.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::file::{self, FileStore};
use super::{Memory, Storage, Store};
use crate::handover::Predecessor;

/// How long a gateway that takes over waits for the file of the other one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);

/// What to do about a gateway that has no Redis in it.
pub(crate) const NO_REDIS: &str = "`redis` is not in this binary: build one that has it with `cargo xtask build \
                                   --features redis`, or leave `storage` out to keep keys in a file";

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    File(#[from] file::OpenError),
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] super::redis::StartError),
    #[cfg(not(feature = "redis"))]
    #[error("{NO_REDIS}")]
    NoRedis,
}

/// Opens the store. A gateway that takes over from another one asks that one for its file.
///
/// # Errors
/// When it cannot be used: nothing of it is changed then.
pub(crate) async fn open(storage: &Storage, predecessor: Option<&Predecessor>) -> Result<Store, OpenError> {
    match storage {
        Storage::Memory => Ok(Store::new(Memory::default())),
        Storage::File { path, is_set } => match open_file(path, predecessor).await {
            Ok(file) => Ok(Store::new(file)),
            // Nobody has asked for keys: they are not why there should be no gateway.
            Err(error) if !is_set && cannot_write(&error) => {
                tracing::warn!(
                    %error,
                    "keys and counters are kept in memory, and gone when the gateway ends; set `storage.path`"
                );
                Ok(Store::new(Memory::default()))
            }
            Err(error) => Err(error.into()),
        },
        #[cfg(feature = "redis")]
        Storage::Redis(settings) => Ok(Store::new(super::redis::RedisStore::start((**settings).clone()).await?)),
        #[cfg(not(feature = "redis"))]
        Storage::Redis(_) => Err(OpenError::NoRedis),
    }
}

fn cannot_write(error: &file::OpenError) -> bool {
    let file::OpenError::Io { error, .. } = error else { return false };
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

async fn open_file(path: &Path, predecessor: Option<&Predecessor>) -> Result<FileStore, file::OpenError> {
    let locked = match (FileStore::open(path), predecessor) {
        (Err(locked @ file::OpenError::Locked { .. }), Some(predecessor)) => {
            if let Err(error) = predecessor.gives_store().await {
                tracing::warn!(%error, "the other gateway does not give its store");
                return Err(locked);
            }
            locked
        }
        (opened, _) => return opened,
    };
    // It lets go of the file when the last look-up is over.
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match FileStore::open(path) {
            Err(file::OpenError::Locked { .. }) => sleep(LOOK).await,
            opened => return opened,
        }
    }
    Err(locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_nothing_is_no_reason_not_to_start_and_another_gateway_is() {
        let io = |kind: ErrorKind| file::OpenError::Io { path: "tyk.redb".into(), error: kind.into() };
        for kind in [
            ErrorKind::PermissionDenied,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
        ] {
            assert!(cannot_write(&io(kind)), "{kind}");
        }
        assert!(!cannot_write(&io(ErrorKind::NotADirectory)));
        assert!(!cannot_write(&file::OpenError::Locked { path: "tyk.redb".into() }));
    }
}
