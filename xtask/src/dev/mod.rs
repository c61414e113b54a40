//! `cargo xtask dev`: edit, save, and the next request is answered by the new gateway.
//!
//! ```text
//! sources.rs   which files a gateway is made from
//! watch.rs     waits for them, and for definitions, to change
//! sockets.rs   the listening sockets, which outlive each gateway
//! gateway.rs   starts a gateway on them, waits until it serves, sees it end
//! ending.rs    Ctrl-C
//! ```
//!
//! A cycle: files change → build → the new gateway serves → the old one answers its last requests. Whatever fails, the
//! old one goes on.

mod ending;
mod gateway;
mod sockets;
mod sources;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use std::{env, fmt, fs, io};

use rustix::process::Signal;
use tempfile::TempDir;
use thiserror::Error;

use crate::cli::{BuildArgs, DevArgs, Profile};
use crate::gateway::BuildError;
use crate::gateway::prove::Proof;
use crate::report::{Failure, Report, chain};
use crate::repository::{Repository, shown};
use crate::run::{self, RunError, What};
use crate::sample::{self, Keys, Written};
use crate::{build, echo};
use ending::Ending;
use gateway::{Fleet, Gateway, Notify};
use sockets::Sockets;
use sources::settled;
use watch::{Kind, Watch};

pub use watch::WatchError;

/// Files that are saved together are built together: this long after the last one …
const QUIET: Duration = Duration::from_millis(40);
/// … and at the latest this long after the first one.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why there is nothing to serve, and nothing to wait for.
#[derive(Debug, Error)]
pub enum DevError {
    /// As with `run`.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What was asked for cannot be built, whatever is edited.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Changes would not be seen.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The disk says no.
    #[error("cannot write to `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Failure for DevError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Run(error) => error.exit_code(),
            Self::Build(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}

/// What happens while we wait.
enum Event {
    /// Something about a file, and when it was seen.
    Files(notify::Result<notify::Event>, Instant),
    /// A gateway has ended.
    Ended(u32, ExitStatus),
    /// We are to end.
    End,
}

/// What has changed since the last cycle.
struct Batch {
    since: Instant,
    first: PathBuf,
    all: BTreeSet<PathBuf>,
    sources: bool,
    definitions: bool,
}

impl Batch {
    fn add(&mut self, path: PathBuf, kind: Kind) {
        self.all.insert(path);
        match kind {
            Kind::Source => self.sources = true,
            Kind::Definition => self.definitions = true,
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An editor's temporary file may have come first, and is gone.
        let there = self.all.iter().find(|path| path.is_file());
        out.write_str(&shown(there.unwrap_or(&self.first)))?;
        match self.all.len() {
            0 | 1 => Ok(()),
            all => write!(out, " and {} more", all - 1),
        }
    }
}

/// Builds, serves, and does so again whenever something changes, until Ctrl-C.
///
/// # Errors
/// When it cannot begin. What goes wrong later is told, and the last gateway goes on.
pub fn command(args: &DevArgs, report: &Report) -> Result<ExitCode, DevError> {
    let repository = Repository::discover();
    // Of this port alone: what another one serves is not touched.
    let dir = repository.work_dir().join("dev").join(args.port.to_string());
    let sockets = Sockets::bind(args.port).map_err(|source| RunError::PortTaken { port: args.port, source })?;
    let mut build = run::with_all_plugins(&repository, &args.build)?;
    let definitions = run::definitions(&build.selection)?;
    build.output.get_or_insert_with(|| dir.join("gateway"));
    build.selection.profile.get_or_insert(Profile::Fast);
    fs::create_dir_all(&dir).map_err(|source| DevError::Write { path: dir.clone(), source })?;
    remove_gateways(&dir);

    let (sender, events) = channel();
    let fleet = Fleet::default();
    let notify_dir = tempfile::Builder::new().prefix("gw-dev-").tempdir();
    let notify_dir = notify_dir.map_err(|source| DevError::Write { path: env::temp_dir(), source })?;
    let tidy_up = notify_dir.path().to_owned();
    let ending = Ending::listen(fleet.clone(), sender.clone(), tidy_up).map_err(What::Listen.failed())?;
    let watch = Watch::new(sender.clone())?;
    let mut dev = Dev {
        repository,
        build,
        definitions,
        port: args.port,
        dir,
        notify_dir,
        report,
        sockets,
        sender,
        events,
        fleet,
        ending,
        watch,
        written: None,
        current: None,
        started: 0,
    };
    let outcome = dev.serve();
    ending::end(&dev.fleet);
    outcome?;
    if let Some(code) = dev.ending.at_once() {
        return Ok(ExitCode::from(code));
    }
    let status = dev.current.as_ref().and_then(|current| dev.fleet.status(current.number));
    Ok(status.map_or(ExitCode::SUCCESS, run::code))
}

/// A gateway that serves.
struct Current {
    number: u32,
    file: PathBuf,
    notify: Notify,
}

/// One run of the command.
struct Dev<'a> {
    repository: Repository,
    build: BuildArgs,
    /// The folder of definitions that was named when this began; without one, samples are served.
    definitions: Option<PathBuf>,
    port: u16,
    dir: PathBuf,
    notify_dir: TempDir,
    report: &'a Report,
    sockets: Sockets,
    sender: Sender<Event>,
    events: Receiver<Event>,
    fleet: Fleet,
    ending: Ending,
    watch: Watch,
    /// Configuration and samples, once they are written.
    written: Option<Written>,
    current: Option<Current>,
    /// How many gateways were started.
    started: u32,
}

impl Dev<'_> {
    fn serve(&mut self) -> Result<(), DevError> {
        self.watch_all()?;
        let first = self.ending.building(|| build::build(&self.repository, &self.build, self.report));
        match first {
            None => return Ok(()),
            Some(Ok((placed, proof))) => {
                self.report.result(&placed.to_string());
                self.take_over(&placed.path, &proof, None)?;
            }
            // An edit will help.
            Some(Err(error @ BuildError::Compile(_))) => self.failed(&error),
            Some(Err(error)) => return Err(error.into()),
        }
        while let Some(batch) = self.next_batch() {
            self.cycle(&batch)?;
        }
        self.report.note("stopping …");
        Ok(())
    }

    /// One cycle. Nothing that a user can break ends it.
    fn cycle(&mut self, batch: &Batch) -> Result<(), DevError> {
        self.report.note(&format!("changed: {}", shown(&batch.first)));
        self.watch_all()?;
        // What is chosen by definitions has to be chosen again.
        let chosen = self.build.selection.from_apis.is_some();
        if !batch.sources && !chosen && self.reload(batch.since) {
            return Ok(());
        }
        match self.ending.building(|| build::build(&self.repository, &self.build, self.report)) {
            None => {}
            Some(Err(error)) => self.failed(&error),
            Some(Ok((placed, _))) if self.is_running(&placed.path) => {
                self.report.note("nothing new: what runs is the same, byte for byte");
                if batch.definitions {
                    self.reload(batch.since);
                }
            }
            Some(Ok((placed, proof))) => self.take_over(&placed.path, &proof, Some(batch.since))?,
        }
        Ok(())
    }

    /// The running gateway reads its definitions again. False when there is none.
    fn reload(&self, since: Instant) -> bool {
        let Some(current) = &self.current else { return false };
        match self.fleet.reload(current.number, &current.notify, || self.ending.is_told()) {
            Ok(()) => {
                let seconds = since.elapsed().as_secs_f64();
                self.report.result(&format!("saved → reloaded: {seconds:.2} s (gateway-{})", current.number));
            }
            Err(error) => self.report.warn(&format!("gateway-{} does not reload: {error}", current.number)),
        }
        true
    }

    fn failed(&self, error: &BuildError) {
        self.report.note(&format!("error: {}", chain(error)));
        self.report.note(match self.current {
            Some(_) => "the last gateway that was built goes on serving; waiting for changes …",
            None => "there is no gateway yet; waiting for changes …",
        });
    }

    /// Starts what was built; when it serves, the one before is told to end.
    fn take_over(&mut self, built: &Path, proof: &Proof, since: Option<Instant>) -> Result<(), DevError> {
        let conf = self.conf(proof)?;
        self.started += 1;
        let number = self.started;
        let file = self.dir.join(format!("gateway-{number}"));
        // The next build replaces its output, and this one may run for longer.
        fs::copy(built, &file).map_err(|source| DevError::Write { path: file.clone(), source })?;
        self.sockets.listen().map_err(|source| RunError::PortTaken { port: self.port, source })?;
        let folder = self.notify_dir.path();
        let notify = Notify::new(folder, number).map_err(|source| DevError::Write { path: folder.into(), source })?;
        let gateway = Gateway { number, file: &file, conf: &conf, notify: &notify };
        if let Err(error) = self.fleet.start(gateway, &self.sockets, &self.sender, || self.ending.is_told()) {
            self.report.note(&format!("error: gateway-{number} does not serve: {}", chain(&error)));
            self.report.note(match self.current {
                Some(_) => "the gateway before it goes on serving; waiting for changes …",
                None => "nobody serves; waiting for changes …",
            });
            return Ok(());
        }
        if let Some(before) = self.current.replace(Current { number, file, notify }) {
            self.fleet.signal(before.number, Signal::TERM);
        }
        match (since, &self.written) {
            (Some(since), _) => {
                let seconds = since.elapsed().as_secs_f64();
                self.report.result(&format!("saved → serving: {seconds:.1} s (gateway-{number})"));
            }
            (None, Some(written)) => run::tell(self.port, &written.requests, self.report),
            (None, None) => {}
        }
        Ok(())
    }

    /// The configuration; with samples, unless other definitions are named. Written once: a reader may edit them.
    fn conf(&mut self, proof: &Proof) -> Result<PathBuf, DevError> {
        if let Some(written) = &self.written {
            return Ok(written.conf.clone());
        }
        let wrong = |source| DevError::Write { path: self.dir.clone(), source };
        let written = match &self.definitions {
            Some(apis) => sample::write_configuration(&self.dir, self.port, Keys::Nowhere, apis),
            None => {
                let upstream = echo::serve().map_err(RunError::Echo)?;
                sample::write(&self.dir, self.port, Keys::Nowhere, upstream, &proof.records)
            }
        };
        let written = written.map_err(wrong)?;
        if self.definitions.is_none() {
            self.watch.set(Kind::Definition, vec![settled(&written.apps)])?;
        }
        let conf = written.conf.clone();
        self.written = Some(written);
        Ok(conf)
    }

    /// Watches what the next build will read.
    fn watch_all(&mut self) -> Result<(), WatchError> {
        if let Some(apis) = &self.definitions {
            let apis = settled(apis);
            self.watch.set(Kind::Definition, vec![apis])?;
        }
        self.watch.set(Kind::Source, sources::watched(&self.repository, &self.build))
    }

    /// Whether this is what runs.
    fn is_running(&self, built: &Path) -> bool {
        let same = |current: &Current| same_bytes(&current.file, built).unwrap_or(false);
        self.current.as_ref().is_some_and(same)
    }

    /// Waits for the next change, and until no more follow. `None` when we are to end.
    fn next_batch(&mut self) -> Option<Batch> {
        let mut batch: Option<Batch> = None;
        loop {
            let event = match &batch {
                None => self.events.recv().ok()?,
                Some(begun) => {
                    let rest = PATIENCE.saturating_sub(begun.since.elapsed()).min(QUIET);
                    match self.events.recv_timeout(rest) {
                        Ok(event) => event,
                        Err(_) => return batch,
                    }
                }
            };
            match event {
                Event::End => return None,
                Event::Ended(number, status) => self.ended(number, status),
                Event::Files(event, since) => {
                    if let Some((path, kind)) = self.judge(event) {
                        let fresh = || Batch {
                            since,
                            first: path.clone(),
                            all: BTreeSet::new(),
                            sources: false,
                            definitions: false,
                        };
                        batch.get_or_insert_with(fresh).add(path, kind);
                    }
                }
            }
        }
    }

    fn judge(&self, event: notify::Result<notify::Event>) -> Option<(PathBuf, Kind)> {
        match event {
            // More has happened than the system could tell.
            Ok(event) if event.need_rescan() => Some((self.repository.root().to_owned(), Kind::Source)),
            Ok(event) => self.watch.judge(&event).map(|(path, kind)| (path.to_owned(), kind)),
            Err(error) => {
                self.report.warn(&format!("some changes may not be seen: {error}"));
                None
            }
        }
    }

    /// Somebody has ended: as it was told to, or by itself.
    fn ended(&mut self, number: u32, status: ExitStatus) {
        if self.current.take_if(|current| current.number == number).is_some() {
            self.report.warn(&format!(
                "gateway-{number} has ended by itself ({status}); after the next change it is built and started again"
            ));
        }
    }
}

/// What an earlier run has left, if nobody could tidy up after it.
fn remove_gateways(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("gateway-") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.len() == fs::metadata(other)?.len() && fs::read(one)? == fs::read(other)?)
}

#[cfg(test)]
mod tests;
