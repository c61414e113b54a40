//! `cargo xtask`: the commands of this repository. Everything is in the library, so that tests can call each step.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main()
}
