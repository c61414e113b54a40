//! A gateway of your own. What it can do is in `gateway_runtime`; which plugins it has is in plugins.rs.

mod about;
mod plugins;

use std::process::ExitCode;

use gateway_runtime::Build;

fn main() -> ExitCode {
    gateway_runtime::main_with(Build { expected: plugins::EXPECTED, about: about::build(), sbom: about::sbom() })
}
