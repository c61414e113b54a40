//! What a service manager such as systemd does for a process: it holds the listening sockets, hands them over, and is
//! told how the process is.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::gateway::{Conf, Process};
use crate::within_deadline;

/// Sets the number of the process that the sockets are for, which nobody knows before it is there.
const FOR_ITSELF: &str = "LISTEN_PID=$$ exec \"$0\" \"$@\"";
/// Where handed descriptors begin.
const FIRST: i32 = 3;

/// Descriptors to be handed to one process after another.
#[derive(Default)]
pub struct Manager(Vec<OwnedFd>);

impl Manager {
    /// A manager with so many listening sockets, and where they listen.
    ///
    /// # Panics
    /// When there is no port left.
    #[must_use]
    pub fn listening(sockets: usize) -> (Self, Vec<SocketAddr>) {
        let mut manager = Self::default();
        let mut addresses = Vec::new();
        for _ in 0..sockets {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of the system's choice");
            addresses.push(listener.local_addr().expect("it is bound"));
            manager = manager.with(listener);
        }
        (manager, addresses)
    }

    /// Adds a descriptor, whatever it is.
    #[must_use]
    pub fn with(mut self, descriptor: impl Into<OwnedFd>) -> Self {
        self.0.push(descriptor.into());
        self
    }

    /// Starts a gateway with these descriptors.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn start(&self, conf: &Conf, arguments: &[&str]) -> Service {
        let states = States::default();
        let process = conf.spawn_by(arguments, |gateway| {
            let mut command = under_shell(gateway);
            let copy = |descriptor: &OwnedFd| descriptor.as_fd().try_clone_to_owned().expect("descriptors are left");
            let mapping = |(child_fd, descriptor)| FdMapping { parent_fd: copy(descriptor), child_fd };
            let mappings = (FIRST..).zip(&self.0).map(mapping).collect();
            command.fd_mappings(mappings).expect("each has a number of its own");
            command.env("LISTEN_FDS", self.0.len().to_string()).env("NOTIFY_SOCKET", states.path());
            command
        });
        Service { process, states }
    }
}

/// The same command, by a shell that gives it its own number.
fn under_shell(gateway: &Command) -> Command {
    let mut command = Command::new("/bin/sh");
    command.env_clear().arg("-c").arg(FOR_ITSELF).arg(gateway.get_program()).args(gateway.get_args());
    if let Some(folder) = gateway.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

/// A process that a manager started.
pub struct Service {
    /// The process.
    pub process: Process,
    /// What it tells.
    pub states: States,
}

/// The end of `NOTIFY_SOCKET` that is read.
pub struct States {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Default for States {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = UnixDatagram::bind(Self::within(&folder)).expect("a socket in a folder of ours");
        Self { socket, folder }
    }
}

impl States {
    fn within(folder: &TempDir) -> PathBuf {
        folder.path().join("notify")
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Self::within(&self.folder)
    }

    /// Fills it with messages that nobody reads, until a sender would have to wait.
    ///
    /// # Panics
    /// When nothing can be sent.
    pub fn fill(&self) {
        let sender = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
        sender.set_nonblocking(true).expect("a mode of sockets");
        let mut sent = 0;
        while sender.send_to(b"full", self.path()).is_ok() {
            sent += 1;
        }
        assert!(sent > 0, "nothing can be sent");
    }

    /// The next message, line by line.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&self) -> Vec<String> {
        let mut buffer = [0; 1024];
        let received = within_deadline("a message for the manager", self.socket.recv(&mut buffer)).await;
        let message = &buffer[..received.expect("a message")];
        String::from_utf8_lossy(message).lines().map(str::to_owned).collect()
    }

    /// Waits for the next message, which says this and nothing else.
    ///
    /// # Panics
    /// When it says something else, or none comes.
    pub async fn says(&self, state: &str) {
        assert_eq!(self.next().await, [state]);
    }
}
