//! The gateway's side.
