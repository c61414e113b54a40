//! Disk, folders, limits, git, and tools that are nice to have.

use std::ffi::OsStr;
use std::path::Path;
use std::{fs, io};

use super::machine::said;
use super::{Examination, Finding};

/// Less space than this is soon gone.
const SPACE: u64 = 3 << 30;

/// Fewer open files make linkers stumble, and a gateway refuse connections.
const OPEN_FILES: u64 = 1024;

/// Limits of the kernel on watching files, what `dev` can live with, and what to set.
const WATCHES: &[(&str, u64, u64)] = &[("max_user_watches", 8192, 65536), ("max_user_instances", 16, 128)];

/// Images are written without these.
const OPTIONAL: &[(&str, &str)] =
    &[("skopeo", "copies images to a registry"), ("umoci", "unpacks images, to look into them")];

/// For plugins of git repositories, and for the commit that a gateway was built from.
pub(super) fn git(of: &Examination<'_>) -> Vec<Finding> {
    let git = of.machine.command(OsStr::new("git"), of.repository.root());
    let version = said(git.map(|mut git| {
        git.arg("--version");
        git
    }));
    vec![match version {
        Some(version) => Finding::ok("git", version.trim()),
        None => Finding::warning(
            "git",
            "there is no git: a gateway cannot say which commit it is, and plugins of git repositories may not be found",
            of.machine.install("git", ["git", "git", "git"]),
        ),
    }]
}

/// The space for what is compiled.
pub(super) fn disk(of: &Examination<'_>) -> Vec<Finding> {
    let target = of.repository.root().join("target");
    let free = (of.machine.free)(existing(&target));
    vec![match free {
        Ok(free) if free >= SPACE => Finding::ok("disk", format!("{} free for {}", gib(free), target.display())),
        Ok(free) => Finding::warning(
            "disk",
            format!(
                "only {} free for {}: a gateway takes about 0.5 GiB there for each profile and target, and the tests of \
                 this repository 4 GiB",
                gib(free),
                target.display()
            ),
            format!(
                "cargo clean, in {}; or make `target` a link to a folder on a larger disk",
                of.repository.root().display()
            ),
        ),
        Err(error) => Finding::warning(
            "disk",
            format!("cannot ask how much space is free for {}: {error}", target.display()),
            "df -h",
        ),
    }]
}

fn gib(bytes: u64) -> String {
    // Tenths, without floating point.
    let tenths = bytes.saturating_mul(10) >> 30;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// The folder itself, or the nearest one above it.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir)
}

/// Builds write to `target`, and results go to `dist`.
pub(super) fn folders(of: &Examination<'_>) -> Vec<Finding> {
    let check = |name| {
        let dir = of.repository.root().join(name);
        let there = existing(&dir);
        match tempfile::Builder::new().prefix(".doctor.").tempfile_in(there) {
            Ok(_) => Finding::ok("folder", format!("{} can be written to", dir.display())),
            Err(error) => {
                let remedy = match (error.kind(), name) {
                    (io::ErrorKind::PermissionDenied, _) => {
                        format!("sudo chown -R \"$(id -u)\" {}", there.display())
                    }
                    (_, "dist") => "name another place: cargo xtask build --output FILE".to_owned(),
                    _ => format!("make {} a folder that can be written to, or a link to one", dir.display()),
                };
                Finding::problem("folder", format!("cannot write to {}: {}", there.display(), reason(&error)), remedy)
            }
        }
    };
    ["target", "dist"].map(check).into()
}

/// Without the name of the file that was tried.
fn reason(error: &io::Error) -> String {
    error.kind().to_string()
}

/// `dev` waits for files to change.
pub(super) fn watches(of: &Examination<'_>) -> Vec<Finding> {
    let mut enough = Vec::new();
    let mut findings = Vec::new();
    for (name, needed, wanted) in WATCHES {
        let text = fs::read_to_string(of.machine.proc.join("sys/fs/inotify").join(name)).unwrap_or_default();
        match text.trim().parse::<u64>() {
            Ok(limit) if limit >= *needed => enough.push(format!("{name} {limit}")),
            Ok(limit) => findings.push(Finding::warning(
                "watches",
                format!("`cargo xtask dev` may miss changes: fs.inotify.{name} is {limit}"),
                format!("sudo sysctl fs.inotify.{name}={wanted}"),
            )),
            Err(_) => findings.push(Finding::warning(
                "watches",
                format!("cannot read fs.inotify.{name}: `cargo xtask dev` may miss changes"),
                format!("sudo sysctl fs.inotify.{name}={wanted}"),
            )),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("watches", format!("files can be watched ({})", enough.join(", "))));
    }
    findings
}

/// The limit of this shell.
pub(super) fn open_files(of: &Examination<'_>) -> Vec<Finding> {
    vec![match of.machine.open_files {
        None => Finding::ok("files", "any number of open files"),
        Some(limit) if limit >= OPEN_FILES => Finding::ok("files", format!("{limit} open files")),
        Some(limit) => Finding::warning(
            "files",
            format!("only {limit} files may be open: a linker or a busy gateway needs more"),
            "ulimit -n 4096",
        ),
    }]
}

/// Nothing here needs them.
pub(super) fn optional(of: &Examination<'_>) -> Vec<Finding> {
    let check = |(program, what): &(&str, &str)| {
        if of.machine.has(program) {
            Finding::ok("tools", format!("{program} {what}"))
        } else {
            let text = format!("{program} is not installed, and not needed: it {what}");
            Finding::ok("tools", text).hint(of.machine.install(program, [*program; 3]))
        }
    };
    OPTIONAL.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_told_in_tenths() {
        assert_eq!(gib(3 << 30), "3.0 GiB");
        assert_eq!(gib((1 << 30) + (1 << 29)), "1.5 GiB");
        assert_eq!(gib(0), "0.0 GiB");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_as_good_as_the_one_above() {
        assert_eq!(existing(Path::new("/proc/no/such/folder")), Path::new("/proc"));
    }
}
