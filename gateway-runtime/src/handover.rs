//! SIGUSR2: another gateway takes over, and nobody who is connected or connecting notices.
//!
//! The program is started again, from the file that this one was started from: put the new binary there first, by a rename. It
//! gets the listening sockets, and one end of a channel on which it says that it serves; then this one drains, as it
//! does at SIGTERM. Until then nothing has changed: a successor that does not come up is one line in the log.
//!
//! A file that one process can have only goes from one to the other just before the successor serves. Until it has drained,
//! this gateway knows the keys that were in it then, and writes none.
//!
//! A successor has no older versions of definitions to go on with. Before it serves it names those that it cannot serve; if
//! this gateway serves one of them, the successor is ended.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use tokio::time::{Instant, sleep, timeout};

/// How long a successor may take to serve: its plugins may have to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it takes to let go of a store, at most.
const STORE_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked after.
const LOOK: Duration = Duration::from_millis(50);
/// The first descriptor that is handed over, by systemd's protocol.
const FIRST_FD: i32 = 3;
/// Says that the last descriptor is not a socket to listen on, but where to say that the gateway serves.
const VARIABLE: &str = "GATEWAY_HANDOVER";
/// What a successor says: it serves; it cannot serve the definition in this file; it has named all of these, and waits.
const SERVES: &[u8] = b"READY=1";
const BROKEN: &[u8] = b"BROKEN=";
const LOADED: &[u8] = b"LOADED=1";
/// What it is answered if it may serve.
const GO: &[u8] = b"GO=1";
/// What it says to have the store, and what it is answered when it is let go.
const STORE: &[u8] = b"STORE=1";
const GIVEN: &[u8] = b"GIVEN=1";
/// No message is longer, in bytes: a path, and what comes before it.
const MESSAGE_BYTES: usize = 16 * 1024;

/// Why nobody takes over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    #[error("{} cannot be started: {error}; put a gateway there that runs on this machine", program.display())]
    Start { program: PathBuf, error: io::Error },
    #[error("the new gateway has ended before it served ({0}); its own log says why")]
    Ended(ExitStatus),
    #[error("the new gateway does not serve after {} s, and was stopped; its own log says what it waits for", PATIENCE.as_secs())]
    Late,
    #[error(
        "the new gateway cannot serve {}, which this one serves; its own log says why: mend that, and ask again",
        some(.0)
    )]
    Broken(Vec<String>),
}

/// The first of many files, and how many there are besides.
fn some(files: &[String]) -> String {
    const SHOWN: usize = 8;
    let first = files.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match files.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// What a successor is started with.
pub(crate) struct Handover {
    program: io::Result<PathBuf>,
    arguments: Vec<OsString>,
    sockets: Vec<OwnedFd>,
}

impl Handover {
    /// To be made at the start: later another file may be where the program was.
    ///
    /// # Errors
    /// When the system gives no descriptors.
    pub(crate) fn new(listeners: &[Vec<TcpListener>]) -> io::Result<Self> {
        let sockets: io::Result<_> =
            listeners.iter().flatten().map(|listener| listener.try_clone().map(OwnedFd::from)).collect();
        Ok(Self {
            program: std::env::current_exe(),
            arguments: std::env::args_os().skip(1).collect(),
            sockets: sockets?,
        })
    }

    /// Starts a successor and waits until it serves; gives its process id. `is_served` says whether the definition in a
    /// file is served here; `give` lets go of the store.
    ///
    /// # Errors
    /// When it does not come to serve, or would serve less. It is not running any more then.
    pub(crate) async fn run(
        &self,
        is_served: impl Fn(&str) -> bool,
        give: impl AsyncFn(),
    ) -> Result<u32, HandoverError> {
        let (here, there) = UnixDatagram::pair()?;
        here.set_nonblocking(true)?;
        let here = tokio::net::UnixDatagram::from_std(here)?;
        let mut child = self.start(there.into())?;
        let begun = Instant::now();
        let mut message = vec![0; MESSAGE_BYTES];
        let mut lost = Vec::new();
        loop {
            let length = timeout(LOOK, here.recv(&mut message)).await.unwrap_or(Ok(0))?;
            match &message[..length] {
                SERVES => return Ok(child.id()),
                STORE => {
                    give().await;
                    _ = here.send(GIVEN).await;
                }
                LOADED if lost.is_empty() => _ = here.send(GO).await,
                LOADED => {
                    end(&mut child).await?;
                    return Err(HandoverError::Broken(lost));
                }
                other => {
                    let file = other.strip_prefix(BROKEN).map(String::from_utf8_lossy);
                    lost.extend(file.filter(|file| is_served(file)).map(Into::into));
                }
            }
            if let Some(status) = child.try_wait()? {
                return Err(HandoverError::Ended(status));
            }
            if begun.elapsed() > PATIENCE {
                end(&mut child).await?;
                return Err(HandoverError::Late);
            }
        }
    }

    fn start(&self, channel: OwnedFd) -> Result<Child, HandoverError> {
        let program = self.program.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let sockets: io::Result<Vec<OwnedFd>> = self.sockets.iter().map(OwnedFd::try_clone).collect();
        let handed = sockets?.into_iter().chain([channel]);
        let mappings: Vec<_> =
            (FIRST_FD..).zip(handed).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
        let mut command = Command::new(program);
        command.args(&self.arguments);
        command.env("LISTEN_FDS", mappings.len().to_string()).env_remove("LISTEN_PID").env(VARIABLE, "1");
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        command.spawn().map_err(|error| HandoverError::Start { program: program.clone(), error })
    }
}

/// Ends a successor that is of no use.
async fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    while child.try_wait()?.is_none() {
        sleep(LOOK).await;
    }
    Ok(())
}

/// Where a successor says that it serves.
pub(crate) struct Predecessor(UnixDatagram);

impl Predecessor {
    /// Whether the last descriptor is for that. Asked once: what this process starts is no successor by that.
    pub(crate) fn is_there() -> bool {
        std::env::var_os(VARIABLE).is_some()
    }

    pub(crate) fn new(channel: UnixDatagram) -> Self {
        Self(channel)
    }

    /// Waits until this gateway may serve without these definitions. If the other one serves one of them, this process
    /// is ended.
    pub(crate) async fn allows(&self, broken: &[Arc<str>]) {
        if !broken.is_empty()
            && let Err(error) = self.ask(broken).await
        {
            tracing::warn!(%error, "the other gateway has ended: this one serves what it can");
        }
    }

    async fn ask(&self, broken: &[Arc<str>]) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        let channel = tokio::net::UnixDatagram::from_std(self.0.try_clone()?)?;
        for file in broken {
            channel.send(&[BROKEN, file.as_bytes()].concat()).await?;
        }
        // Asked again and again: who only listens does not hear that the other one has ended.
        let asked = async {
            loop {
                channel.send(LOADED).await?;
                if let Ok(answer) = timeout(LOOK, channel.recv(&mut [0; GO.len()])).await {
                    return answer.map(drop);
                }
            }
        };
        timeout(PATIENCE, asked).await?
    }

    /// Waits until the other gateway has let go of the store.
    ///
    /// # Errors
    /// When it has ended, or does not know what is asked.
    pub(crate) async fn gives_store(&self) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        let channel = tokio::net::UnixDatagram::from_std(self.0.try_clone()?)?;
        channel.send(STORE).await?;
        let mut answer = [0; GIVEN.len()];
        let given = async {
            // What was answered to earlier questions may still be there.
            while channel.recv(&mut answer).await? != GIVEN.len() || answer != GIVEN {}
            Ok(())
        };
        timeout(STORE_PATIENCE, given).await?
    }

    /// This gateway serves: the other one may drain.
    pub(crate) fn relieve(self) {
        // It has ended if nobody listens any more.
        let _ = self.0.send(SERVES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_a_gateway_that_has_ended_serves_at_once() {
        let (there, here) = UnixDatagram::pair().expect("a channel");
        let asking = tokio::spawn(async move { Predecessor::new(here).ask(&["a.json".into()]).await });
        let heard = tokio::task::spawn_blocking(move || {
            let mut message = [0; 64];
            while there.recv(&mut message).expect("it asks") != LOADED.len() {}
            // It ends here, without an answer.
        });
        heard.await.expect("no panic");
        let asked = timeout(Duration::from_secs(20), asking).await.expect("long before its patience is over");
        assert!(asked.expect("no panic").is_err());
    }

    #[test]
    fn of_many_files_some_are_named() {
        let files: Vec<String> = (0..10).map(|n| format!("{n}.json")).collect();
        assert_eq!(some(&files[..2]), "0.json, 1.json");
        assert!(some(&files).ends_with("7.json and 2 more"), "{}", some(&files));
    }
}
