//! A gateway of your own. What it can do is in `gateway_runtime`; which plugins it has is in plugins.rs.

mod plugins;

use std::process::ExitCode;

use gateway_runtime::Build;

fn main() -> ExitCode {
    gateway_runtime::main_with(Build {
        expected: plugins::EXPECTED,
        // Set by the builder, for `gateway version`.
        commit: option_env!("GW_COMMIT"),
        profile: option_env!("GW_PROFILE"),
        target: option_env!("GW_TARGET"),
        rustc: option_env!("GW_RUSTC"),
    })
}
