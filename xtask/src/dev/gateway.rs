//! The gateways that run: the one that serves, and those that still answer their last requests.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use thiserror::Error;

use super::Event;
use super::sockets::Sockets;

/// How long a gateway may take to serve: plugins may do much when they are set up.
const READY: Duration = Duration::from_secs(30);
/// How often it is looked whether a gateway that is not ready is still there.
const LOOK: Duration = Duration::from_millis(20);
/// Sockets are passed from this descriptor on.
const FIRST_SOCKET: i32 = 3;
/// Sockets are for the process whose id is said. A shell knows its own, and becomes the gateway.
const SHELL: &str = r#"LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@""#;

/// Why a gateway does not serve.
#[derive(Debug, Error)]
pub(super) enum StartError {
    /// Its reason is on the terminal.
    #[error("it ended before it served ({0}); its reason is printed above")]
    Ended(ExitStatus),
    /// It is there, and that is all.
    #[error("it did not say within {} seconds that it serves", READY.as_secs())]
    Silent,
    /// We are to end.
    #[error("it was stopped before it served")]
    Stopped,
    /// It could not even be tried.
    #[error("the system refuses")]
    System(#[from] io::Error),
}

/// All gateways that were started, by their number.
#[derive(Debug, Clone, Default)]
pub(super) struct Fleet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    children: Mutex<BTreeMap<u32, Child>>,
    ended: Condvar,
}

impl Fleet {
    /// Starts a gateway on the sockets, and waits until it serves. If it does not, it is gone afterwards.
    ///
    /// # Errors
    /// When it does not serve.
    pub(super) fn start(
        &self,
        gateway: Gateway<'_>,
        sockets: &Sockets,
        events: &Sender<Event>,
        stopping: impl Fn() -> bool,
    ) -> Result<(), StartError> {
        let Gateway { number, file, .. } = gateway;
        let child = command(&gateway, sockets)?.spawn()?;
        let pid = Pid::from_child(&child);
        self.children().insert(number, child);
        let (fleet, file, events) = (self.clone(), file.to_owned(), events.clone());
        thread::spawn(move || fleet.await_end(number, pid, &file, &events));
        let outcome = self.await_ready(number, gateway.notify, stopping);
        if outcome.is_err() {
            self.signal(number, Signal::KILL);
        }
        outcome
    }

    /// Has it read its definitions again, and waits until that is done.
    ///
    /// # Errors
    /// When it does not say so.
    pub(super) fn reload(&self, number: u32, notify: &Notify, stopping: impl Fn() -> bool) -> Result<(), StartError> {
        notify.forget()?;
        self.signal(number, Signal::HUP);
        self.await_ready(number, notify, stopping)
    }

    fn await_ready(&self, number: u32, notify: &Notify, stopping: impl Fn() -> bool) -> Result<(), StartError> {
        let socket = &notify.socket;
        socket.set_read_timeout(Some(LOOK))?;
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            let mut message = [0; 4096];
            match socket.recv(&mut message) {
                Ok(length) if says_ready(&message[..length]) => return Ok(()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = self.status(number) {
                return Err(StartError::Ended(status));
            }
            if stopping() {
                return Err(StartError::Stopped);
            }
        }
        Err(StartError::Silent)
    }

    /// Waits for its end, tells of it, and removes its file.
    fn await_end(&self, number: u32, pid: Pid, file: &Path, events: &Sender<Event>) {
        // Its id stays its own until it is reaped, and that happens under the lock that signals are sent under.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        let status = self.status(number);
        self.0.ended.notify_all();
        // Nobody is going to start it again.
        let _ = fs::remove_file(file);
        if let Some(status) = status {
            let _ = events.send(Event::Ended(number, status));
        }
    }

    /// How it has ended.
    pub(super) fn status(&self, number: u32) -> Option<ExitStatus> {
        self.children().get_mut(&number).and_then(status)
    }

    /// Tells one of them, if it is still there.
    pub(super) fn signal(&self, number: u32, signal: Signal) {
        if let Some(child) = self.children().get_mut(&number) {
            tell(child, signal);
        }
    }

    /// Tells all that are still there.
    pub(super) fn signal_all(&self, signal: Signal) {
        self.children().values_mut().for_each(|child| tell(child, signal));
    }

    /// Returns when none of them is there any more.
    pub(super) fn await_all(&self) {
        let mut children = self.children();
        while children.values_mut().any(|child| status(child).is_none()) {
            children = self.0.ended.wait(children).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<u32, Child>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().ok().flatten()
}

fn tell(child: &mut Child, signal: Signal) {
    if status(child).is_none() {
        let _ = kill_process(Pid::from_child(child), signal);
    }
}

/// In a process group of its own, so that Ctrl-C reaches it once, through us.
fn command(gateway: &Gateway<'_>, sockets: &Sockets) -> io::Result<Command> {
    let mut command = Command::new("sh");
    command.args(["-c", SHELL]).arg(gateway.file).arg("--conf").arg(gateway.conf);
    command.stdin(Stdio::null()).process_group(0);
    let sockets = sockets.to_pass()?;
    command.env("LISTEN_FDS", sockets.len().to_string()).env("NOTIFY_SOCKET", &gateway.notify.path);
    let mappings = (FIRST_SOCKET..).zip(sockets).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
    Ok(command)
}

/// What to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gateway<'a> {
    pub(super) number: u32,
    /// Its binary. It is removed when the gateway has ended.
    pub(super) file: &'a Path,
    pub(super) conf: &'a Path,
    pub(super) notify: &'a Notify,
}

/// Where a gateway says that it serves, and that a reload is done: the reader's end of systemd's `NOTIFY_SOCKET`.
#[derive(Debug)]
pub(super) struct Notify {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Notify {
    /// In a folder whose path is short, as that of a socket must be.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(dir: &Path, number: u32) -> io::Result<Self> {
        let path = dir.join(format!("notify-{number}"));
        let socket = UnixDatagram::bind(&path)?;
        Ok(Self { path, socket })
    }

    /// What was said before does not count.
    fn forget(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        while self.socket.recv(&mut [0; 16]).is_ok() {}
        self.socket.set_nonblocking(false)
    }
}

fn says_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}
