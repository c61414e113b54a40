//! An API that is known, and that serves nobody: with a hole in its place, requests would fall through to an API with a
//! shorter listen path, which may ask for less.

use crate::error::RequestError;

/// An API is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Its requests are refused, since this is wrong.
    Broken(String),
    /// Its bundle is not here: it is as if there were no such API. Source: plugin-system.md §7.3.
    Absent,
}

impl Closed {
    /// What a client gets.
    pub(crate) fn error(&self) -> RequestError {
        match self {
            Self::Broken(reason) => RequestError::Broken(reason.clone()),
            Self::Absent => RequestError::NotRouted,
        }
    }
}
