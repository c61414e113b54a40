//! xtask from outside. One binary: linking is what costs.
//!
//! `standin.rs` makes a repository of crates without dependencies, in which a gateway is built within a second; what
//! must hold of the real crates is in `linkage.rs` and `scaffold.rs`.

mod cli;
mod elf;
mod linkage;
mod plan;
mod scaffold;
mod standin;
mod steps;
