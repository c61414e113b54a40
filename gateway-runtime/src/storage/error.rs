//! [`StoreError`]: which engine could not do what, why, and what to do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An engine did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("storage `{engine}` cannot {operation}: {fault}; {}", fault.advice())]
pub(crate) struct StoreError {
    pub(crate) engine: &'static str,
    pub(crate) operation: Operation,
    pub(crate) fault: Fault,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Delete,
    List,
    Count,
    Publish,
    Append,
    Close,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read a key",
            Self::Write => "write a key",
            Self::Delete => "delete a key",
            Self::List => "list keys",
            Self::Count => "count",
            Self::Publish => "tell other gateways",
            Self::Append => "add to a list",
            Self::Close => "finish",
        })
    }
}

/// Why not.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It holds as much as it may.
    Full,
    /// What is under the name is something else.
    OtherKind,
    /// No answer in time.
    Timeout(Duration),
    /// Nobody answers at the moment.
    Unreachable(String),
    /// More is waiting for an answer than may.
    Busy,
    /// The engine has ended, or is about to.
    Closed,
    /// The engine says why.
    Failed(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("it is full"),
            Self::OtherKind => f.write_str("what is under the name is of another kind"),
            Self::Timeout(after) => write!(f, "no answer within {after:?}"),
            Self::Unreachable(why) => write!(f, "it is not reachable ({why})"),
            Self::Busy => f.write_str("too much waits for an answer already"),
            Self::Closed => f.write_str("it is closed"),
            Self::Failed(why) => why.fmt(f),
        }
    }
}

impl Fault {
    /// What to do next.
    fn advice(&self) -> &'static str {
        match self {
            Self::Full => "delete keys, give them an end, or use another `storage.type`",
            Self::OtherKind => "delete it: nothing but the gateway should write there",
            Self::Timeout(_) | Self::Busy => "see how the store is loaded, or raise `storage.timeout`",
            Self::Unreachable(_) => "see that it runs and `storage` names it; the gateway goes on trying",
            Self::Closed => "the gateway is ending",
            Self::Failed(_) => "see that the store has room and lets the gateway write",
        }
    }
}
