//! Ctrl-C: once to end gently, twice to end at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::Sender;
use std::{fs, io, process, thread};

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Event;
use super::gateway::Fleet;

/// Whether we have been told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    told: AtomicBool,
    building: AtomicBool,
    /// The signal that came when we had been told already, or 0.
    again: AtomicI32,
}

impl Ending {
    /// Listens to signals from now on. The first one is sent on as [`Event::End`]. Who cannot wait for us has
    /// `temporary` removed.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen(fleet: Fleet, events: Sender<Event>, temporary: PathBuf) -> io::Result<Self> {
        let ending = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let here = ending.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                if here.0.told.swap(true, Ordering::SeqCst) {
                    // Before the gateways are gone: others wait for that, and end with this code then.
                    here.0.again.store(signal, Ordering::SeqCst);
                    fleet.signal_all(Signal::KILL);
                    fleet.await_all();
                    exit(&temporary, 128 + signal);
                }
                let _ = events.send(Event::End);
                if here.0.building.load(Ordering::SeqCst) {
                    // A build may take minutes, and nobody wants its result: cargo ends when it finds that nobody reads
                    // what it says.
                    let (here, fleet, temporary) = (here.clone(), fleet.clone(), temporary.clone());
                    thread::spawn(move || {
                        end(&fleet);
                        exit(&temporary, here.at_once().map_or(0, i32::from));
                    });
                }
            }
        });
        Ok(ending)
    }

    /// We are to end.
    pub(super) fn is_told(&self) -> bool {
        self.0.told.load(Ordering::SeqCst)
    }

    /// The exit code, if we were told twice: as shells do, 128 and the signal.
    pub(super) fn at_once(&self) -> Option<u8> {
        match self.0.again.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(128 + signal).ok(),
        }
    }

    /// Builds, unless we are to end.
    pub(super) fn building<T>(&self, build: impl FnOnce() -> T) -> Option<T> {
        self.0.building.store(true, Ordering::SeqCst);
        let built = (!self.is_told()).then(build);
        self.0.building.store(false, Ordering::SeqCst);
        built.filter(|_| !self.is_told())
    }
}

fn exit(temporary: &Path, code: i32) -> ! {
    let _ = fs::remove_dir_all(temporary);
    process::exit(code)
}

/// All gateways answer their last requests, and are gone.
pub(super) fn end(fleet: &Fleet) {
    fleet.signal_all(Signal::TERM);
    fleet.await_all();
}
