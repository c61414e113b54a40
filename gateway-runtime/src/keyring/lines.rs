//! [`Lines`]: who waits for bcrypt. Of each user one is asked about at a time, and all others stand in line behind that one:
//! whoever guesses the password of one user keeps nobody else waiting.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Users who are asked about at the same time.
const USERS: usize = 256;
/// Those who stand in the line of one user.
const IN_LINE: usize = 64;

/// A line is full, or there are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Busy(&'static str);

const LINE: Busy = Busy("64 requests wait for the password of this user to be compared: somebody may be guessing it");
const LINES: Busy = Busy("the passwords of 256 users are being compared: somebody may be guessing names");

/// The lines of all users.
#[derive(Default)]
pub(super) struct Lines(Mutex<HashMap<Arc<str>, Line>>);

struct Line {
    turn: Arc<Semaphore>,
    length: usize,
}

/// A place in a line, which is left when this is dropped.
pub(super) struct Place {
    lines: Arc<Lines>,
    user: Arc<str>,
    turn: Arc<Semaphore>,
}

/// Being the first in a line.
pub(super) struct Turn {
    /// Nobody closes it, so that it is there. The next has its turn before the place is left.
    _permit: Option<OwnedSemaphorePermit>,
    _place: Place,
}

impl Lines {
    /// Stands in the line of a user.
    ///
    /// # Errors
    /// When too many do.
    pub(super) fn join(self: &Arc<Self>, user: &Arc<str>) -> Result<Place, Busy> {
        let mut lines = self.lock();
        let are_many = lines.len() >= USERS;
        let line = match lines.entry(Arc::clone(user)) {
            Entry::Occupied(line) if line.get().length >= IN_LINE => return Err(LINE),
            Entry::Occupied(line) => line.into_mut(),
            Entry::Vacant(_) if are_many => return Err(LINES),
            Entry::Vacant(place) => place.insert(Line { turn: Arc::new(Semaphore::new(1)), length: 0 }),
        };
        line.length += 1;
        Ok(Place { lines: Arc::clone(self), user: Arc::clone(user), turn: Arc::clone(&line.turn) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until nobody stands before it.
    pub(super) async fn turn(self) -> Turn {
        let permit = Arc::clone(&self.turn).acquire_owned().await.ok();
        Turn { _permit: permit, _place: self }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.user) {
            line.length -= 1;
            if line.length == 0 {
                lines.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_the_number_of_lines_have_an_end() {
        let lines = Arc::new(Lines::default());
        let mut line: Vec<Place> = (0..IN_LINE).map(|_| lines.join(&"ada".into()).expect("there is room")).collect();
        assert_eq!(lines.join(&"ada".into()).err(), Some(LINE));
        let others: Vec<Place> =
            (1..USERS).map(|n| lines.join(&n.to_string().into()).expect("there is room")).collect();
        assert_eq!(lines.join(&"eve".into()).err(), Some(LINES));
        line.pop();
        line.push(lines.join(&"ada".into()).expect("there is room"));
        drop((line, others));
        assert!(lines.lock().is_empty());
    }
}
