//! [`Threads`]: where `blocking` plugins run. Not tokio's: the process ends without waiting for a plugin that never does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Calls that wait for a thread. Each holds its request.
const MOST_WAITING: usize = 4096;
/// A thread that nobody needed for so long ends.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// Threads that are started when they are needed.
pub(crate) struct Threads {
    most: usize,
    line: Mutex<Line>,
    called: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

/// Too many calls wait, or the system has no thread left. The work was dropped.
#[derive(Debug)]
pub(crate) struct Full;

impl Threads {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, line: Mutex::default(), called: Condvar::new() }
    }

    /// Does `work` on one of them, once one is free.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn run(self: &Arc<Self>, work: Work) -> Result<(), Full> {
        let mut line = self.line();
        if line.waiting.len() >= MOST_WAITING {
            return Err(Full);
        }
        if line.waiting.len() >= line.idle && line.threads < self.most {
            let this = Arc::clone(self);
            match thread::Builder::new().name("gw-plugin".to_owned()).spawn(move || this.work()) {
                Ok(_) => line.threads += 1,
                Err(error) if line.threads == 0 => {
                    tracing::error!(%error, "no thread for a plugin");
                    return Err(Full);
                }
                // Those that are there do it later.
                Err(error) => tracing::warn!(%error, "no further thread for plugins"),
            }
        }
        line.waiting.push_back(work);
        drop(line);
        self.called.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut line = self.line();
        loop {
            if let Some(work) = line.waiting.pop_front() {
                drop(line);
                // What a plugin left behind is dropped here, and that is its own code too.
                let _ = catch_unwind(AssertUnwindSafe(work));
                line = self.line();
                continue;
            }
            line.idle += 1;
            let (woken, timeout) = self.called.wait_timeout(line, IDLE).unwrap_or_else(PoisonError::into_inner);
            line = woken;
            line.idle -= 1;
            if timeout.timed_out() && line.waiting.is_empty() {
                line.threads -= 1;
                return;
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_panic_ends_its_work_and_not_its_thread() {
        let threads = Arc::new(Threads::new(1));
        let (told, heard) = mpsc::channel();
        #[expect(clippy::panic, reason = "that is what is tested")]
        threads.run(Box::new(|| panic!("on purpose"))).expect("room");
        threads.run(Box::new(move || told.send(thread::current().id()).expect("somebody listens"))).expect("room");
        heard.recv().expect("the next one was done");
        assert_eq!(threads.line().threads, 1);
    }

    #[test]
    fn there_are_never_more_threads_than_allowed_and_a_bound_on_who_waits() {
        let threads = Arc::new(Threads::new(2));
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let (told, heard) = mpsc::channel();
        let stuck = || {
            let (wait, told) = (Arc::clone(&wait), told.clone());
            Box::new(move || {
                told.send(()).expect("somebody listens");
                let _ = wait.lock().expect("not poisoned").recv();
            })
        };
        for _ in 0..2 {
            threads.run(stuck()).expect("room");
            heard.recv().expect("it runs");
        }
        for _ in 0..MOST_WAITING {
            threads.run(Box::new(|| {})).expect("room");
        }
        assert!(threads.run(Box::new(|| {})).is_err());
        assert_eq!(threads.line().threads, 2);
        drop(go);
    }
}
