//! [`Stamps`]: by which it is known that the files of an API's plugins are others than they were.

use gateway_model::ApiDefinition;

/// The files that a definition may name, as they were when it was read. Without plugins of files there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<Option<Stamp>>);

/// Which file it is, and when it was written last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    number: u64,
    bytes: u64,
    /// In seconds since 1970 and nanoseconds: of its content, then of anything about it.
    changed: [(i64, i64); 2],
}

#[cfg(feature = "dynamic")]
mod dynamic {
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;
    use crate::drivers::dynamic;

    impl Stamps {
        /// Those of `api`, whose plugins were looked for just now.
        pub(crate) fn as_read(api: &ApiDefinition) -> Self {
            Self::by(api, |path| dynamic::as_read(path).or_else(|| Stamp::of(path)))
        }

        /// Whether the files of `api` are as they were.
        pub(crate) fn are_current(&self, api: &ApiDefinition) -> bool {
            *self == Self::by(api, Stamp::of)
        }

        fn by(api: &ApiDefinition, stamp: impl Fn(&Path) -> Option<Stamp>) -> Self {
            let of_path = |path: &str| dynamic::find(path).and_then(|path| stamp(&path));
            // A name may be found in any file of the folder.
            let in_folder = dynamic::in_folder().into_iter().map(|path| stamp(&path));
            Self(api.plugin_paths().into_iter().map(of_path).chain(in_folder).collect())
        }
    }

    impl Stamp {
        /// Of the file at `path`, if it can be looked at.
        pub(in crate::drivers) fn of(path: &Path) -> Option<Self> {
            let found = std::fs::metadata(path).ok()?;
            let changed = [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())];
            Some(Self { device: found.dev(), number: found.ino(), bytes: found.len(), changed })
        }
    }
}

#[cfg(not(feature = "dynamic"))]
impl Stamps {
    /// There are none.
    pub(crate) fn as_read(_api: &ApiDefinition) -> Self {
        Self::default()
    }

    /// Nothing can have changed.
    pub(crate) fn are_current(&self, _api: &ApiDefinition) -> bool {
        self.0.is_empty()
    }
}
