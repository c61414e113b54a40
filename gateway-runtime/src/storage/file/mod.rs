//! [`FileStore`]: everything in one file (redb), for a gateway that stands alone.
//!
//! | to find | look in |
//! |---|---|
//! | how the file is opened, and when it is refused | `open.rs` |
//! | what is in it, and one transaction | `tables.rs` |
//! | who writes, and when | `writer.rs` |
//!
//! # What is kept
//! - A key that was written is on the disk before the write is answered: it outlives `kill -9`. Writes that wait at the
//!   same time go to the disk together.
//! - Counters are counted in memory, and written to the file within [`writer::WRITE_BACK`] and at the end: `kill -9` takes
//!   back the counting of that time at most. Logs of moments (`enable_redis_rolling_limiter`) are not written.
//! - Signals reach those in this process, for nobody else can have the file open.

mod open;
mod tables;
mod writer;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use redb::Database;
use tokio::sync::oneshot;

use super::expiring::{Entry, Expiring, Moment};
use super::hub::Hub;
use super::reply::promised;
use super::tallies::Tallies;
use super::{
    Count, Counters, Engine, Fault, Keys, Life, Operation, Reply, Signal, Signals, StoreError, Subscription, aside,
};
pub(crate) use open::OpenError;
use writer::{Change, Job, WAITING, Write, Writer};

/// As `storage.type` names it.
pub(crate) const NAME: &str = "redb";

/// The engine that needs nothing set up.
pub(crate) struct FileStore {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
}

/// What cores and the writer share.
struct Shared {
    path: PathBuf,
    /// `None` while nobody may read: after an error of the disk, and when another process is to have the file.
    database: ArcSwapOption<Database>,
    /// The keys as they were when the file was given away.
    last: ArcSwapOption<Expiring<Bytes>>,
    tallies: Tallies,
    /// The writer knows that counters have changed.
    counted: AtomicBool,
    hub: Hub,
    /// Why the file cannot be used.
    trouble: ArcSwapOption<Trouble>,
}

/// An error that is told again and again.
type Trouble = Arc<dyn Error + Send + Sync>;

impl FileStore {
    /// Opens the file, or makes it, and starts the thread that writes.
    ///
    /// # Errors
    /// When it is not a file of ours, is damaged, or another process has it. It is left as it is then.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let database = open::open(path)?;
        let tallies = Tallies::tracked(NAME);
        let restore = |name: &str, value, ends| drop(tallies.restore(name, value, ends));
        tables::guarded(|| tables::counters(&database, Moment::now(), restore))
            .map_err(|error| OpenError::of(path, error))?;
        drop(tallies.take_changed());
        let shared = Arc::new(Shared::new(path, database, tallies));
        let (jobs, waiting) = sync_channel(WAITING);
        let writer = Writer::new(Arc::clone(&shared), waiting);
        let thread = std::thread::Builder::new().name("storage".to_owned()).spawn(move || writer.run());
        thread.map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
        Ok(Self { shared, jobs })
    }

    fn write(&self, operation: Operation, name: &str, change: Change) -> Reply<bool> {
        let (done, answer) = oneshot::channel();
        match self.jobs.try_send(Job::Write(Write { name: name.into(), change, operation, done })) {
            Ok(()) => promised(NAME, operation, answer),
            Err(TrySendError::Full(_)) => failed(operation, Fault::Busy),
            Err(TrySendError::Disconnected(_)) => failed(operation, Fault::Closed),
        }
    }

    /// What the writer answers to a job other than a write.
    fn ask(&self, job: impl FnOnce(oneshot::Sender<Result<(), StoreError>>) -> Job + Send + 'static) -> Reply<()> {
        let (done, answer) = oneshot::channel();
        let jobs = self.jobs.clone();
        aside(NAME, Operation::Close, move || {
            // It may have to wait for its place in the queue.
            let closed = |_| StoreError { engine: NAME, operation: Operation::Close, fault: Fault::Closed };
            jobs.send(job(done)).map_err(closed)?;
            answer.blocking_recv().map_err(|_| StoreError {
                engine: NAME,
                operation: Operation::Close,
                fault: Fault::Closed,
            })?
        })
    }

    /// Tells the writer that there is something to write back.
    fn counted(&self) {
        let counted = &self.shared.counted;
        if !counted.load(Ordering::Relaxed)
            && !counted.swap(true, Ordering::AcqRel)
            && self.jobs.try_send(Job::Counted).is_err()
        {
            counted.store(false, Ordering::Release);
        }
    }
}

fn failed<T>(operation: Operation, fault: Fault) -> Reply<T> {
    Reply::Ready(Err(StoreError { engine: NAME, operation, fault }))
}

impl Shared {
    fn new(path: &Path, database: Database, tallies: Tallies) -> Self {
        Self {
            path: path.to_owned(),
            database: ArcSwapOption::from_pointee(database),
            last: ArcSwapOption::empty(),
            tallies,
            counted: AtomicBool::new(false),
            hub: Hub::default(),
            trouble: ArcSwapOption::empty(),
        }
    }

    /// What `look` sees of a key that has not expired.
    fn look<T>(
        &self,
        operation: Operation,
        name: &str,
        look: impl FnOnce(Entry<&[u8]>, Moment) -> T,
    ) -> Result<Option<T>, StoreError> {
        let now = Moment::now();
        if let Some(database) = &*self.database.load() {
            let found = tables::look(database, name, |entry| entry.is_live(now).then(|| look(entry, now)));
            return found.map(Option::flatten).map_err(|error| fault(operation, error));
        }
        match &*self.last.load() {
            Some(last) => {
                let borrowed = |entry: &Entry<Bytes>| look(Entry { value: &entry.value, ends: entry.ends }, now);
                Ok(last.look(name, now, borrowed))
            }
            None => Err(self.away(operation)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let now = Moment::now();
        if let Some(database) = &*self.database.load() {
            return tables::list(database, prefix, now).map_err(|error| fault(Operation::List, error));
        }
        let last = self.last.load();
        last.as_ref().map(|last| last.names(prefix, now)).ok_or_else(|| self.away(Operation::List))
    }

    /// The file is not open.
    fn away(&self, operation: Operation) -> StoreError {
        let trouble = self.trouble.load();
        let fault = trouble.as_ref().map_or(Fault::Closed, |trouble| Fault::Failed(Trouble::clone(trouble)));
        StoreError { engine: NAME, operation, fault }
    }
}

fn fault(operation: Operation, error: redb::Error) -> StoreError {
    StoreError { engine: NAME, operation, fault: Fault::Failed(Arc::new(error)) }
}

impl Keys for FileStore {
    fn get(&self, name: &str) -> Reply<Option<Bytes>> {
        Reply::Ready(self.shared.look(Operation::Read, name, |entry, _| Bytes::copy_from_slice(entry.value)))
    }

    fn set(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<()> {
        let ends = Moment::now().after(ttl);
        self.write(Operation::Write, name, Change::Put { value, ends, only_if_there: false }).map(drop)
    }

    fn replace(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<bool> {
        let ends = Moment::now().after(ttl);
        self.write(Operation::Write, name, Change::Put { value, ends, only_if_there: true })
    }

    fn delete(&self, name: &str) -> Reply<bool> {
        self.write(Operation::Delete, name, Change::Delete)
    }

    fn exists(&self, name: &str) -> Reply<bool> {
        Reply::Ready(self.shared.look(Operation::Read, name, |_, _| ()).map(|found| found.is_some()))
    }

    fn life(&self, name: &str) -> Reply<Option<Life>> {
        Reply::Ready(self.shared.look(Operation::Read, name, |entry, now| entry.ends.life(now)))
    }

    fn list(&self, prefix: &str) -> Reply<Vec<String>> {
        let (shared, prefix) = (Arc::clone(&self.shared), prefix.to_owned());
        aside(NAME, Operation::List, move || shared.list(&prefix))
    }
}

impl Counters for FileStore {
    fn increment(&self, name: &str, by: i64, ttl: Option<Duration>) -> Reply<Count> {
        let count = self.shared.tallies.increment(name, by, ttl);
        self.counted();
        Reply::Ready(count)
    }

    fn read(&self, name: &str) -> Reply<Option<Count>> {
        self.shared.tallies.read(name).into()
    }

    fn put(&self, name: &str, value: i64, ttl: Option<Duration>) -> Reply<()> {
        let put = self.shared.tallies.put(name, value, ttl);
        self.counted();
        Reply::Ready(put)
    }

    fn remove(&self, name: &str) -> Reply<bool> {
        let was_there = self.shared.tallies.remove(name);
        self.counted();
        was_there.into()
    }

    fn record(&self, name: &str, within: Duration, most: usize) -> Reply<u64> {
        Reply::Ready(self.shared.tallies.record(name, within, most))
    }

    fn peek(&self, name: &str, within: Duration) -> Reply<u64> {
        self.shared.tallies.peek(name, within).into()
    }
}

impl Signals for FileStore {
    fn publish(&self, message: &str) -> Reply<()> {
        self.shared.hub.tell(Signal::Message(message.into()));
        ().into()
    }

    fn subscribe(&self) -> Subscription {
        self.shared.hub.subscribe()
    }
}

impl Engine for FileStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn health(&self) -> Result<(), String> {
        let trouble = self.shared.trouble.load();
        trouble.as_ref().map_or(Ok(()), |trouble| Err(trouble.to_string()))
    }

    fn sweep(&self) {
        self.shared.tallies.sweep();
    }

    fn give_away(&self) -> Reply<()> {
        self.ask(Job::GiveAway)
    }

    fn take_back(&self) -> Reply<()> {
        self.ask(Job::TakeBack)
    }

    fn close(&self) -> Reply<()> {
        self.ask(Job::Close)
    }
}

#[cfg(test)]
mod tests;
