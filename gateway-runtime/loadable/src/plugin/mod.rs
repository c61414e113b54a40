//! The file's side.
