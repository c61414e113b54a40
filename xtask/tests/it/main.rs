//! xtask from outside. One binary: linking is what costs.
//!
//! `standin.rs` makes a repository of crates without dependencies, in which a gateway is built within a second; what
//! must hold of the real crates is in `linkage.rs` and `scaffold.rs`.

mod apis;
mod apis_offers;
mod apis_place;
mod bad_input;
mod bench;
mod cli;
mod describe;
mod dev;
mod doctor;
mod eject;
mod elf;
mod events;
mod explain;
mod from_apis;
mod graph;
mod image;
mod import;
mod inspect;
mod linkage;
mod manifest;
mod plan;
mod preflight;
mod preflight_cli;
mod ran;
mod scaffold;
mod sources;
mod stage;
mod stale;
mod standin;
mod steps;
mod update;
