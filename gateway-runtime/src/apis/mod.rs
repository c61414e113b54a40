//! API definitions: where they come from, what becomes of them, and which one a request is for.

pub(crate) mod closed;
pub(crate) mod compile;
pub(crate) mod edge;
pub(crate) mod host;
pub(crate) mod listen_path;
pub(crate) mod load;
pub(crate) mod matcher;
pub(crate) mod paths;
pub(crate) mod pattern;
pub(crate) mod plan;
pub(crate) mod policies;
pub(crate) mod source;
pub(crate) mod table;
