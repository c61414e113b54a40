//! A C compiler for each target, and a static program that is really compiled and linked: that a `cc` is there does not
//! say that it finds its headers, and a linker without `libc.a` is found out by linking only.

use std::ffi::OsString;
use std::path::Path;
use std::{fs, io};

use tempfile::TempDir;

use super::rust::usable_targets;
use super::{Examination, Finding, last_lines};
use crate::gateway::prove::{Linkage, inspect};

/// What the program prints.
const GREETING: &str = "linked";

/// A folder where builds take place, so that cargo finds the same configuration; elsewhere if that cannot be written to.
pub(super) fn workshop(of: &Examination<'_>) -> io::Result<TempDir> {
    let work = of.repository.work_dir();
    let there = fs::create_dir_all(&work).and_then(|()| tempfile::Builder::new().prefix("doctor.").tempdir_in(&work));
    there.or_else(|_| tempfile::tempdir())
}

/// One finding for each target: the allocator and the cryptography have parts in C.
pub(super) fn compilers(of: &Examination<'_>) -> Vec<Finding> {
    let mut targets = usable_targets(of);
    if of.host.is_none() {
        // Whoever has to install Rust hears at once what else is to be installed.
        targets.push("this machine".to_owned());
    }
    targets.iter().map(|target| compiler(of, target).unwrap_or_else(no_workshop)).collect()
}

fn compiler(of: &Examination<'_>, target: &str) -> io::Result<Finding> {
    let dir = workshop(of)?;
    fs::write(dir.path().join("probe.c"), "#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n")?;
    let compiler = compiler_for(of, target);
    let name = compiler.display();
    let Some(mut command) = of.machine.command(&compiler, dir.path()) else {
        let text = format!("there is no C compiler `{name}` for {target}: the allocator and the cryptography need it");
        return Ok(Finding::problem("cc", text, install_compiler(of, &compiler.to_string_lossy())));
    };
    let output = command.args(["-c", "probe.c", "-o", "probe.o"]).output()?;
    Ok(if output.status.success() {
        Finding::ok("cc", format!("C compiler `{name}` for {target}"))
    } else {
        let said = last_lines(&String::from_utf8_lossy(&output.stderr));
        let text = format!("the C compiler `{name}` cannot compile two lines for {target}; it says:\n{said}");
        Finding::problem("cc", text, install_compiler(of, &compiler.to_string_lossy()))
    })
}

/// As the build scripts choose it.
fn compiler_for(of: &Examination<'_>, target: &str) -> OsString {
    let is_host = of.host.as_deref().is_none_or(|host| host == target);
    let mut variables = vec![format!("CC_{target}"), format!("CC_{}", target.replace(['-', '.'], "_"))];
    variables.push(if is_host { "HOST_CC" } else { "TARGET_CC" }.to_owned());
    variables.push("CC".to_owned());
    if let Some(chosen) = variables.iter().find_map(|name| of.machine.variable(name)) {
        return chosen.to_owned();
    }
    let arch = target.split('-').next().unwrap_or_default();
    let host_arch = of.host.as_deref().and_then(|host| host.split('-').next());
    if is_host {
        "cc".into()
    } else if target.ends_with("-linux-musl") && host_arch == Some(arch) {
        "musl-gcc".into()
    } else {
        // `aarch64-unknown-linux-gnu` is `aarch64-linux-gnu` to gcc.
        format!("{}-gcc", target.replacen("-unknown-", "-", 1)).into()
    }
}

fn install_compiler(of: &Examination<'_>, compiler: &str) -> String {
    match compiler {
        "cc" => of.machine.install("a C compiler", ["gcc libc6-dev", "gcc glibc-devel", "gcc musl-dev"]),
        "musl-gcc" => of.machine.install("musl-gcc", ["musl-tools", "musl-gcc", "musl-dev"]),
        other => match other.strip_suffix("-gcc") {
            Some(target) => of.machine.install(other, [&format!("gcc-{target}"), &format!("gcc-{target}"), ""]),
            None => format!("install `{other}`, or set CC to a compiler that is there"),
        },
    }
}

/// One finding for each target.
pub(super) fn linkers(of: &Examination<'_>) -> Vec<Finding> {
    let targets = usable_targets(of);
    targets.iter().map(|target| linker(of, target).unwrap_or_else(no_workshop)).collect()
}

fn linker(of: &Examination<'_>, target: &str) -> io::Result<Finding> {
    let dir = workshop(of)?;
    write_program(dir.path(), target)?;
    let Some(mut cargo) = of.machine.cargo(dir.path()) else {
        return Ok(Finding::problem("linker", "cannot try to link: cargo does not run", "see above"));
    };
    let output = cargo.args(["build", "--offline", "--quiet", "--target-dir", "out", "--target", target]).output()?;
    if !output.status.success() {
        return Ok(not_linked(of, target, &String::from_utf8_lossy(&output.stderr)));
    }
    let program = dir.path().join("out").join(target).join("debug/probe");
    let linkage = inspect(&program).map(|proof| proof.linkage).ok();
    if target.contains("-linux-") && linkage != Some(Linkage::Static) {
        let text = format!("a program for {target} is not static, although that was asked for");
        return Ok(Finding::problem("linker", text, "look for `linker` and `rustflags` in the config.toml of cargo"));
    }
    if of.host.as_deref() == Some(target) {
        let said = of.machine.command(program.as_os_str(), dir.path()).map(|mut program| program.output());
        let said = said.transpose()?.map(|output| output.stdout).unwrap_or_default();
        if said.trim_ascii() != GREETING.as_bytes() {
            let text = format!("a program that was linked for {target} does not run here");
            return Ok(Finding::problem("linker", text, "is the folder of the repository mounted with `noexec`?"));
        }
    }
    Ok(Finding::ok("linker", format!("a static program links for {target}")))
}

/// The smallest crate, with the flags of a gateway.
fn write_program(dir: &Path, target: &str) -> io::Result<()> {
    fs::write(
        dir.join("Cargo.toml"),
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    fs::create_dir_all(dir.join("src"))?;
    fs::create_dir_all(dir.join(".cargo"))?;
    fs::write(dir.join("src/main.rs"), format!("fn main() {{\n    println!(\"{GREETING}\");\n}}\n"))?;
    let flags = format!("[target.{target}]\nrustflags = [\"-C\", \"target-feature=+crt-static\"]\n");
    fs::write(dir.join(".cargo/config.toml"), flags)
}

fn not_linked(of: &Examination<'_>, target: &str, said: &str) -> Finding {
    if let Some((_, rest)) = said.split_once("linker `")
        && let Some((linker, after)) = rest.split_once('`')
        && after.trim_start().starts_with("not found")
    {
        let text = format!("there is no linker `{linker}` for {target}");
        return Finding::problem("linker", text, install_compiler(of, linker));
    }
    let of_libc = ["-lc:", "-lc\n", "-lc ", "library -lc", "libc.a"].iter().any(|words| said.contains(words));
    let remedy = if of_libc && said.contains("find") {
        of.machine.install("the static C library", ["libc6-dev", "glibc-static", "musl-dev"])
    } else if of.host.as_deref() == Some(target) {
        install_compiler(of, "cc")
    } else {
        let variable = target.replace(['-', '.'], "_").to_uppercase();
        format!("export CARGO_TARGET_{variable}_LINKER={}", compiler_for(of, target).display())
    };
    let text = format!("a static program does not link for {target}; the linker says:\n{}", last_lines(said));
    Finding::problem("linker", text, remedy)
}

fn no_workshop(error: io::Error) -> Finding {
    Finding::problem(
        "linker",
        format!("cannot try to compile and link: {error}"),
        "is there space in /tmp, and in target/?",
    )
}
