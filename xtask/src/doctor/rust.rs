//! rustc, cargo, and the standard library of each target.

use std::fs;
use std::path::Path;

use semver::Version;

use super::machine::said;
use super::{Examination, Finding, Machine};
use crate::repository::Repository;

/// Where a compiler comes from if the system has no good one.
const RUSTUP: &str = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";

/// What rustc calls this machine.
pub(super) fn host(machine: &Machine, repository: &Repository) -> Option<String> {
    let said = rustc_says(machine, repository.root())?;
    said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

fn rustc_says(machine: &Machine, dir: &Path) -> Option<String> {
    let mut rustc = machine.rustc(dir)?;
    rustc.arg("-vV");
    said(Some(rustc))
}

/// Both are there, and new enough.
pub(super) fn versions(of: &Examination<'_>) -> Vec<Finding> {
    let root = of.repository.root();
    let rustc = rustc_says(of.machine, root);
    let cargo = of.machine.cargo(root).and_then(|mut cargo| {
        cargo.arg("-vV");
        said(Some(cargo))
    });
    let needed = rust_version(root);
    [("rustc", rustc), ("cargo", cargo)]
        .into_iter()
        .map(|(program, said)| version(of.machine, program, said.as_deref(), needed.as_deref()))
        .collect()
}

fn version(machine: &Machine, program: &'static str, said: Option<&str>, needed: Option<&str>) -> Finding {
    let install = if machine.has("rustup") { "rustup update stable && rustup default stable" } else { RUSTUP };
    let Some(said) = said else {
        return Finding::problem(program, format!("{program} does not run"), install);
    };
    let release = said.lines().find_map(|line| line.strip_prefix("release: "));
    let Some(release) = release.and_then(|text| Version::parse(text.trim()).ok()) else {
        let said = said.lines().next().unwrap_or_default();
        return Finding::problem(program, format!("cannot tell which {program} this is: `{said}`"), install);
    };
    match needed {
        None => Finding::ok(program, format!("{program} {release}")),
        Some(needed) => {
            let text = format!("{program} {release} (needs {needed})");
            if is_enough(&release, needed) {
                Finding::ok(program, text)
            } else {
                Finding::problem(program, text, install)
            }
        }
    }
}

/// A `rust-version` leaves the last number out, and a nightly is before the release of its number.
fn is_enough(release: &Version, needed: &str) -> bool {
    let mut numbers = needed.split('.').map(|number| number.parse::<u64>().unwrap_or(u64::MAX));
    let needed = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (release.major, release.minor) >= needed
}

/// What the repository asks for.
fn rust_version(root: &Path) -> Option<String> {
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(root.join("Cargo.toml")).ok()?).ok()?;
    let version = manifest.get("workspace")?.get("package")?.get("rust-version")?;
    version.as_str().map(str::to_owned)
}

/// Whether rustc can make programs for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Std {
    /// It can.
    Installed,
    /// Not without its standard library.
    Missing,
    /// It has not heard of it.
    Unknown,
}

pub(super) fn std_of(machine: &Machine, dir: &Path, target: &str) -> Std {
    let libdir = machine.rustc(dir).and_then(|mut rustc| {
        rustc.args(["--print", "target-libdir", "--target", target]);
        said(Some(rustc))
    });
    let Some(libdir) = libdir else {
        return Std::Unknown;
    };
    let files = fs::read_dir(libdir.trim()).into_iter().flatten().flatten();
    let has_std = files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"));
    if has_std { Std::Installed } else { Std::Missing }
}

/// The targets whose programs are tried: this machine's, musl if it is there, and the one that was asked for.
pub(super) fn usable_targets(of: &Examination<'_>) -> Vec<String> {
    let musl = of.host.as_deref().and_then(musl);
    let all = of.host.iter().chain(&musl).chain(&of.args.target);
    let mut targets: Vec<String> = Vec::new();
    for target in all {
        let known = targets.contains(target);
        if !known && std_of(of.machine, of.repository.root(), target) == Std::Installed {
            targets.push(target.clone());
        }
    }
    targets
}

/// The same machine, with the other C library.
fn musl(host: &str) -> Option<String> {
    host.contains("-linux-gnu").then(|| host.replace("-linux-gnu", "-linux-musl"))
}

/// The standard library of each target that a build may use.
pub(super) fn targets(of: &Examination<'_>) -> Vec<Finding> {
    let Some(host) = &of.host else {
        return Vec::new();
    };
    let mut findings = vec![target(of, host, "this machine's")];
    let musl = musl(host);
    if let Some(musl) = musl.as_ref().filter(|musl| of.args.target.as_ref() != Some(musl)) {
        let installed = std_of(of.machine, of.repository.root(), musl) == Std::Installed;
        findings.push(if installed {
            Finding::ok("target", format!("target {musl}, for static binaries"))
        } else {
            let text = format!("target {musl} is not installed: static binaries are made with glibc");
            Finding::ok("target", text).hint(add(of.machine, musl))
        });
    }
    if let Some(asked) = of.args.target.as_ref().filter(|asked| *asked != host) {
        findings.push(target(of, asked, "--target"));
    }
    findings
}

fn target(of: &Examination<'_>, target: &str, why: &str) -> Finding {
    match std_of(of.machine, of.repository.root(), target) {
        Std::Installed => Finding::ok("target", format!("target {target} ({why})")),
        Std::Missing => Finding::problem(
            "target",
            format!("the standard library for {target} ({why}) is not installed"),
            add(of.machine, target),
        ),
        Std::Unknown => Finding::problem(
            "target",
            format!("rustc does not know the target `{target}` ({why})"),
            "rustc --print target-list",
        ),
    }
}

fn add(machine: &Machine, target: &str) -> String {
    let add = format!("rustup target add {target}");
    if machine.has("rustup") { add } else { format!("{RUSTUP} && {add}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_new_enough_from_the_named_release_on() {
        let check = |release: &str, needed| is_enough(&Version::parse(release).expect("a version"), needed);
        assert!(check("1.95.0", "1.95") && check("1.96.1", "1.95") && check("2.0.0", "1.95"));
        assert!(check("1.95.0-nightly", "1.95") && check("1.95.0", "1.95.0"));
        assert!(!check("1.94.1", "1.95") && !check("0.99.0", "1.95"));
    }

    #[test]
    fn musl_is_the_same_machine() {
        assert_eq!(musl("x86_64-unknown-linux-gnu").as_deref(), Some("x86_64-unknown-linux-musl"));
        assert_eq!(musl("armv7-unknown-linux-gnueabihf").as_deref(), Some("armv7-unknown-linux-musleabihf"));
        assert_eq!(musl("aarch64-apple-darwin"), None);
    }
}
