//! The stock gateway: no plugins.

fn main() -> std::process::ExitCode {
    gateway_runtime::main(&[])
}
