//! Plugins in C, compiled as they are needed.

use std::path::Path;
use std::process::Command;

use xtask::repository::Repository;

/// Compiles a file of `tests/foreign/` to a shared object at `output`, which is put in the place of what is there. Macros
/// are given as `NAME=value`.
///
/// # Panics
/// When it does not compile, or there is no C compiler.
pub fn compile(source: &str, macros: &[&str], output: &Path) {
    let repository = Repository::of_xtask();
    let fresh = output.with_extension("new");
    let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&fresh);
    command.arg("-I").arg(repository.root().join("gateway-runtime/sdk/include"));
    command.args(macros.iter().map(|name| format!("-D{name}")));
    command.arg(repository.root().join("tests/foreign").join(source));
    let done = command.output().expect("there is a C compiler");
    assert!(done.status.success(), "{source}: {}", String::from_utf8_lossy(&done.stderr));
    std::fs::rename(fresh, output).expect("it was made beside it");
}
