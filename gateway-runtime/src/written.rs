//! What goes out on a stream, kept when somebody has asked for it.

use std::io::IoSlice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was written first after it was asked for. The stream and who asks share it.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The next bytes are those that were asked for.
    awaited: bool,
    bytes: Vec<u8>,
}

impl Written {
    /// Asks for what is written next.
    pub(crate) fn ask(&self) {
        let mut kept = self.lock();
        kept.awaited = true;
        kept.bytes.clear();
    }

    /// Is told what is about to be written.
    pub(crate) fn note(&self, parts: &[IoSlice<'_>]) {
        let mut kept = self.lock();
        if std::mem::take(&mut kept.awaited) {
            parts.iter().for_each(|part| kept.bytes.extend_from_slice(part));
        }
    }

    /// Looks at what was asked for; there are no bytes if it never came to be written.
    pub(crate) fn with_bytes<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.lock().bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
