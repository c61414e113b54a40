//! [`Reply`]: an answer, or the promise of one.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Fault, Operation, StoreError};

/// An answer that is still to come. Dropping it does not take back what was asked.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// What a call of an engine gives. Who asks an engine in this process has the answer at once, without an allocation.
#[must_use = "the answer may be an error; drop it on purpose with `drop`"]
pub(crate) enum Reply<T> {
    Ready(Result<T, StoreError>),
    Wait(Waiting<T>),
}

impl<T> Reply<T> {
    /// The answer, when it is there.
    ///
    /// # Errors
    /// When the engine cannot do what it was asked.
    pub(crate) async fn wait(self) -> Result<T, StoreError> {
        match self {
            Self::Ready(answer) => answer,
            Self::Wait(answer) => answer.await,
        }
    }

    /// The reply to `then` of the answer.
    pub(crate) fn map<U>(self, then: impl FnOnce(T) -> U + Send + 'static) -> Reply<U>
    where
        T: 'static,
    {
        match self {
            Self::Ready(answer) => Reply::Ready(answer.map(then)),
            Self::Wait(answer) => Reply::Wait(Box::pin(async move { answer.await.map(then) })),
        }
    }
}

impl<T> From<T> for Reply<T> {
    fn from(answer: T) -> Self {
        Self::Ready(Ok(answer))
    }
}

/// What `work` finds, which takes too long for a core: it has a thread of its own for it.
pub(super) fn aside<T: Send + 'static>(
    engine: &'static str,
    operation: Operation,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Reply<T> {
    let (done, found) = oneshot::channel();
    // Who asked may not wait for it.
    let thread = std::thread::Builder::new().name("storage".to_owned()).spawn(move || done.send(work()));
    match thread {
        Ok(_) => promised(engine, operation, found),
        Err(error) => Reply::Ready(Err(StoreError { engine, operation, fault: Fault::Failed(Arc::new(error)) })),
    }
}

/// What comes from the engine's own thread.
pub(super) fn promised<T: Send + 'static>(
    engine: &'static str,
    operation: Operation,
    answer: oneshot::Receiver<Result<T, StoreError>>,
) -> Reply<T> {
    let closed = move |_| Err(StoreError { engine, operation, fault: Fault::Closed });
    Reply::Wait(Box::pin(async move { answer.await.unwrap_or_else(closed) }))
}
