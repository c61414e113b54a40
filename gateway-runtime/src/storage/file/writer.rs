//! [`Writer`]: the one thread that writes to the file.
//!
//! All that waits when it begins is one transaction: a thousand writes at the same time are a few waits for the disk, not
//! a thousand. Nobody is told that a write is done before it is on the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::Database;
use tokio::sync::oneshot;

use super::tables::{self, Batch};
use super::{NAME, OpenError, Shared, Trouble, fault, open};
use crate::storage::expiring::{Changed, Entry, Expiring, Moment};
use crate::storage::{Fault, Operation, StoreError};

/// Counters are written to the file so long after they were counted, at most.
pub(super) const WRITE_BACK: Duration = Duration::from_secs(1);
/// Writes that wait for the writer.
pub(super) const WAITING: usize = 16 * 1024;
/// What one transaction writes, in writes and in bytes: about.
const BATCH: usize = 4 * 1024;
const BATCH_BYTES: usize = 16 << 20;
/// How often keys that have expired are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How often a file is opened again that could not be written.
const RETRY: Duration = Duration::from_secs(1);
/// How long look-ups that have begun may keep the file from being opened again at once, and how often that is tried.
const LET_GO: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(1);
/// What keys may take that are kept while another process has the file, in bytes.
const LAST: usize = 64 << 20;

pub(super) type Sender = oneshot::Sender<Result<(), StoreError>>;

/// What the writer is asked for.
pub(super) enum Job {
    Write(Write),
    /// Counters have changed.
    Counted,
    /// Another process is to have the file.
    GiveAway(Sender),
    /// Nobody came for it.
    TakeBack(Sender),
    /// The end.
    Close(Sender),
}

/// One write of a key.
pub(super) struct Write {
    pub(super) name: Box<str>,
    pub(super) change: Change,
    pub(super) operation: Operation,
    /// Is told whether there was a key.
    pub(super) done: oneshot::Sender<Result<bool, StoreError>>,
}

pub(super) enum Change {
    Put { value: Bytes, ends: Moment, only_if_there: bool },
    Delete,
}

impl Write {
    fn size(&self) -> usize {
        let value = if let Change::Put { value, .. } = &self.change { value.len() } else { 0 };
        self.name.len() + value
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    /// When counters are to be written.
    counters_at: Option<Instant>,
    sweep_at: Instant,
    /// When the file is to be opened again.
    reopen_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, jobs: Receiver<Job>) -> Self {
        Self { shared, jobs, counters_at: None, sweep_at: Instant::now() + SWEEP, reopen_at: None }
    }

    /// Writes until it is told to end, or nobody is left to tell.
    pub(super) fn run(mut self) {
        loop {
            let mut writes = Vec::new();
            let end = match self.jobs.recv_timeout(self.pause()) {
                Ok(job) => self.gather(job, &mut writes),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Job::Counted),
            };
            let now = Instant::now();
            if self.reopen_at.is_some_and(|at| at <= now) {
                self.reopen();
            }
            let counts = end.is_some() || self.counters_at.is_some_and(|at| at <= now);
            let sweeps = self.sweep_at <= now;
            if !writes.is_empty() || counts || sweeps {
                self.write(writes, counts, sweeps);
            }
            match end {
                None => {}
                Some(Job::GiveAway(done)) => answer(done, self.give_away()),
                Some(Job::TakeBack(done)) => answer(done, self.take_back()),
                Some(Job::Close(done)) => {
                    self.shared.database.store(None);
                    answer(done, Ok(()));
                    return;
                }
                Some(Job::Write(_) | Job::Counted) => {
                    self.shared.database.store(None);
                    return;
                }
            }
        }
    }

    /// How long there is nothing to do, if nobody asks for anything.
    fn pause(&self) -> Duration {
        let next = [self.counters_at, self.reopen_at].into_iter().flatten().fold(self.sweep_at, Instant::min);
        next.saturating_duration_since(Instant::now())
    }

    /// Takes what waits, up to a job that is not a write.
    fn gather(&mut self, first: Job, writes: &mut Vec<Write>) -> Option<Job> {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Write(write) => {
                    bytes += write.size();
                    writes.push(write);
                }
                Job::Counted => _ = self.counters_at.get_or_insert_with(|| Instant::now() + WRITE_BACK),
                other => return Some(other),
            }
            next = if writes.len() < BATCH && bytes < BATCH_BYTES { self.jobs.try_recv().ok() } else { None };
        }
        None
    }

    /// One transaction, and the answers to it.
    fn write(&mut self, writes: Vec<Write>, counts: bool, sweeps: bool) {
        let database = self.shared.database.load_full();
        let Some(database) = database else {
            let away = self.shared.away(Operation::Write);
            writes.into_iter().for_each(|write| {
                answer(write.done, Err(StoreError { operation: write.operation, ..away.clone() }));
            });
            self.put_off(counts, sweeps);
            return;
        };
        let mut counters = Vec::new();
        if counts {
            self.counters_at = None;
            self.shared.counted.store(false, Ordering::Release);
            counters = self.shared.tallies.take_changed();
        }
        let batch = Batch { writes: &writes, counters: &counters, sweeps };
        if writes.is_empty() && counters.is_empty() && !sweeps {
            return;
        }
        match tables::guarded(|| tables::commit(&database, &batch, Moment::now())) {
            Ok(done) => {
                let wait = if done.more_expired { Duration::ZERO } else { SWEEP };
                if sweeps {
                    self.sweep_at = Instant::now() + wait;
                }
                writes
                    .into_iter()
                    .zip(done.were_there)
                    .for_each(|(write, was_there)| answer(write.done, Ok(was_there)));
            }
            Err(error) => {
                drop(database);
                self.failed(error, writes, &counters, sweeps);
            }
        }
    }

    /// Nothing of it was done. redb neither reads nor writes after an error of the disk: the file is opened again, at once
    /// if that is possible, for what is in it can be read on a full disk too.
    pub(super) fn failed(&mut self, error: redb::Error, writes: Vec<Write>, counters: &[Changed<i64>], sweeps: bool) {
        tracing::error!(file = %self.shared.path.display(), %error, "the store cannot be written");
        let error: Trouble = Arc::new(error);
        self.shared.trouble.store(Some(Arc::new(Trouble::clone(&error))));
        self.shared.database.store(None);
        self.shared.tallies.put_back(counters);
        self.reopen_at_once();
        self.put_off(!counters.is_empty(), sweeps);
        writes.into_iter().for_each(|write| {
            let fault = Fault::Failed(Trouble::clone(&error));
            answer(write.done, Err(StoreError { engine: NAME, operation: write.operation, fault }));
        });
    }

    /// Opens the file that could not be written, as soon as nobody reads from it any more.
    fn reopen_at_once(&mut self) {
        let until = Instant::now() + LET_GO;
        loop {
            match open::open(&self.shared.path) {
                Ok(database) => return self.serve(database),
                Err(OpenError::Locked { .. }) if Instant::now() < until => std::thread::sleep(LOOK),
                Err(error) => return drop(self.not_yet(error)),
            }
        }
    }

    fn put_off(&mut self, counts: bool, sweeps: bool) {
        let now = Instant::now();
        if counts {
            self.counters_at = Some(now + WRITE_BACK);
        }
        if sweeps {
            self.sweep_at = now + SWEEP;
        }
    }

    /// Opens the file once more.
    fn reopen(&mut self) {
        match open::open(&self.shared.path) {
            Ok(database) => {
                tracing::info!(file = %self.shared.path.display(), "the store can be written again");
                self.serve(database);
            }
            Err(error) => drop(self.not_yet(error)),
        }
    }

    fn serve(&mut self, database: Database) {
        self.shared.database.store(Some(Arc::new(database)));
        self.shared.last.store(None);
        self.shared.trouble.store(None);
        self.reopen_at = None;
    }

    /// Closes the file, and goes on with a copy of the keys.
    fn give_away(&mut self) -> Result<(), StoreError> {
        let Some(database) = self.shared.database.load_full() else { return Ok(()) };
        let (last, now) = (Expiring::new(LAST), Moment::now());
        let mut is_whole = true;
        tables::keys(&database, |name, Entry { value, ends }| {
            let entry = Entry { value: Bytes::copy_from_slice(value), ends };
            is_whole &= last.put(name, entry, now, false).is_ok();
        })
        .map_err(|error| fault(Operation::Close, error))?;
        if !is_whole {
            tracing::warn!(
                "there are more keys than can be kept: some are unknown here while another gateway takes over"
            );
        }
        self.shared.last.store(Some(Arc::new(last)));
        self.shared.database.store(None);
        self.reopen_at = None;
        Ok(())
    }

    /// Opens the file that was given away.
    fn take_back(&mut self) -> Result<(), StoreError> {
        if self.shared.database.load().is_some() {
            return Ok(());
        }
        match open::open(&self.shared.path) {
            Ok(database) => {
                self.serve(database);
                Ok(())
            }
            Err(error) => Err(self.not_yet(error)),
        }
    }

    fn not_yet(&mut self, error: OpenError) -> StoreError {
        self.reopen_at = Some(Instant::now() + RETRY);
        let error: Trouble = Arc::new(error);
        self.shared.trouble.store(Some(Arc::new(Trouble::clone(&error))));
        StoreError { engine: NAME, operation: Operation::Read, fault: Fault::Failed(error) }
    }
}

fn answer<T>(done: oneshot::Sender<T>, answer: T) {
    // Who asked may not wait for it.
    let _ = done.send(answer);
}
