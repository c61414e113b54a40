//! [`Sink`]: where records are kept.

use std::io::{self, Write};
use std::path::PathBuf;

use gateway_sdk::analytics::AnalyticsRecord;

use super::file::LinesFile;
use super::{SinkSettings, json};
use crate::later::Later;
use crate::storage::StoreError;

/// Why records are not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error(
        "{}: {error}; name a file that can be written in `analytics_config.file_path`, or write `stdout` into \
         `analytics_config.sink`", path.display()
    )]
    File { path: PathBuf, error: io::Error },
    #[error("the standard output takes nothing: {0}")]
    Stdout(io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the file that is usual cannot be written; name another in `analytics_config.file_path`")]
    Nowhere,
    #[error("the store keeps no lists")]
    NoLists,
}

pub(super) enum Sink {
    File(LinesFile, PathBuf),
    Stdout,
    Store(Lists),
    /// The usual file cannot be written, and nobody has asked for it.
    Nowhere,
}

/// The lists of records in a store.
pub(super) struct Lists {
    store: Later,
    several: bool,
    ttl: Option<std::time::Duration>,
    turn: usize,
}

/// What records are kept under. Source: gateway.md §7.7.
const LIST: &str = "analytics-tyk-system-analytics";
/// So many lists, where there are several.
const LISTS: usize = 10;

impl Sink {
    /// # Errors
    /// When the file that was asked for cannot be written.
    pub(super) fn open(settings: &SinkSettings, store: Later) -> Result<Self, SinkError> {
        match settings {
            SinkSettings::Stdout => Ok(Self::Stdout),
            SinkSettings::Redis { several, ttl } => {
                Ok(Self::Store(Lists { store, several: *several, ttl: *ttl, turn: 0 }))
            }
            SinkSettings::File(file) => match LinesFile::open(file.clone()) {
                Ok(opened) => Ok(Self::File(opened, file.path.clone())),
                Err(error) => {
                    let error = SinkError::File { path: file.path.clone(), error };
                    if file.is_set {
                        return Err(error);
                    }
                    tracing::warn!(%error, "analytics records are not kept");
                    Ok(Self::Nowhere)
                }
            },
        }
    }

    pub(super) fn encode(&self, record: &AnalyticsRecord) -> Vec<u8> {
        match self {
            #[cfg(feature = "redis")]
            Self::Store(_) => super::msgpack::map(record),
            _ => json::line(record),
        }
    }

    /// # Errors
    /// When they are not kept.
    pub(super) async fn write(&mut self, records: Vec<Vec<u8>>) -> Result<(), SinkError> {
        match self {
            Self::File(file, path) => {
                file.write(&records).map_err(|error| SinkError::File { path: path.clone(), error })
            }
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&records.concat()).and_then(|()| out.flush()).map_err(SinkError::Stdout)
            }
            Self::Store(lists) => lists.append(records).await,
            Self::Nowhere => Err(SinkError::Nowhere),
        }
    }
}

impl Lists {
    async fn append(&mut self, records: Vec<Vec<u8>>) -> Result<(), SinkError> {
        let name = if self.several {
            self.turn = (self.turn + 1) % LISTS;
            format!("{LIST}_{}", self.turn)
        } else {
            LIST.to_owned()
        };
        let lists = self.store.get().engine().lists().ok_or(SinkError::NoLists)?;
        Ok(lists.append(&name, records, self.ttl).wait().await?)
    }
}
