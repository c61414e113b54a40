//! What steps that read a whole body have in common: how large it may be, and where it is worked on.

use crate::error::RequestError;

/// In bytes: no step reads a larger body.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;

/// In bytes: work on a larger body would hold its core, and those it serves, for too long.
const AT_ONCE: usize = 128 * 1024;

/// Works on a body of so many bytes; on a large one in another thread.
///
/// # Errors
/// When it panics there.
pub(super) async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RequestError> {
    if bytes <= AT_ONCE {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RequestError::Broken(format!("work on a large body ended: {error}")))
}
