//! A folder that a process takes for the whole disk: nothing else is there.

use std::path::Path;
use std::process::Command;

/// Whether this process may change its root, and whom it runs programs as.
#[must_use]
pub fn may_change_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program `/gateway` of a folder, as `user` (`UID:GID`) if we may choose, else as root of a namespace of its own.
#[must_use]
pub fn inside(root: &Path, user: &str, arguments: &[&str]) -> Command {
    let mut command = if may_change_root() {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}"));
        command
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "chroot"]);
        command
    };
    command.arg(root).arg("/gateway").args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}
