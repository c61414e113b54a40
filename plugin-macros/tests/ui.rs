//! What the author of a plugin reads after a mistake: one mistake to a file in `ui/`, its messages beside it.
//!
//! The messages hold rustc's own words too, so they are compared on the `rust-version` of `Cargo.toml` only. After a
//! change that is meant: `TRYBUILD=overwrite cargo test -p plugin-macros`, and read the difference.

use std::env;
use std::io::{self, Write};
use std::process::Command;

/// The release that the messages were written down from.
const PINNED: &str = env!("CARGO_PKG_RUST_VERSION");

#[test]
fn every_mistake_has_its_message() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output().expect("rustc tells its version");
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    if !version.starts_with(&format!("rustc {PINNED}.")) {
        // Not `eprintln!`, which the test harness keeps to itself when a test passes.
        writeln!(io::stderr(), "SKIPPED: messages are compared on rustc {PINNED}, and this is {version}")
            .expect("stderr can be written to");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
