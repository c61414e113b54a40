//! [`Reply`]: an answer, or the promise of one.

use std::pin::Pin;

use super::StoreError;

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
