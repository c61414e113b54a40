//! What a gateway wrote to stderr: JSON, one line an event.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::DEADLINE;

/// All lines so far.
#[derive(Clone)]
pub struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    /// How many there are; it closes when there will be no more.
    count: watch::Receiver<usize>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// As it was written.
    pub text: String,
    /// What it says; `Null` if it is not JSON.
    pub json: Value,
}

impl Line {
    /// The event's fixed message.
    #[must_use]
    pub fn message(&self) -> &str {
        self.field("message")
    }

    /// A field as text; empty if it is absent or not a text.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }
}

impl Log {
    /// Reads lines in a thread of its own until the stream ends.
    pub fn follow(stream: impl Read + Send + 'static) -> Self {
        let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
        let (told, count) = watch::channel(0);
        let log = Self { lines: Arc::clone(&lines), count };
        std::thread::spawn(move || {
            for text in BufReader::new(stream).lines().map_while(Result::ok) {
                let json = serde_json::from_str(&text).unwrap_or_default();
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(Line { text, json });
                told.send_replace(lines.len());
            }
        });
        log
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines so far that match. What the gateway wrote last may still be on its way here: who expects a number of
    /// lines asks for [`Self::exactly`].
    #[must_use]
    pub fn all(&self, matches: impl Fn(&Line) -> bool) -> Vec<Line> {
        self.lines().into_iter().filter(|line| matches(line)).collect()
    }

    /// Waits for a line with this message.
    ///
    /// # Panics
    /// When none comes.
    pub async fn message(&self, message: &str) -> Line {
        self.wait(&format!("a line that says `{message}`"), |line| line.message() == message).await
    }

    /// Waits for `times` lines with this message, and gives the last of them.
    ///
    /// # Panics
    /// When fewer come.
    pub async fn message_times(&self, message: &str, times: usize) -> Line {
        self.nth(message, times, &|line| line.message() == message).await
    }

    /// Waits for `times` lines that match, and gives them.
    ///
    /// # Panics
    /// When fewer come, or more have: the message is `what` and the log.
    pub async fn exactly(&self, times: usize, what: &str, matches: impl Fn(&Line) -> bool) -> Vec<Line> {
        self.nth(what, times, &matches).await;
        let lines = self.all(matches);
        assert_eq!(lines.len(), times, "more than {times} lines that say `{what}`:\n{self}");
        lines
    }

    async fn nth(&self, what: &str, times: usize, matches: &dyn Fn(&Line) -> bool) -> Line {
        let enough = |lines: &[Line]| lines.iter().filter(|line| matches(line)).nth(times - 1).cloned();
        self.until(&format!("{times} lines that say `{what}`"), enough).await
    }

    /// Waits for a line that matches.
    ///
    /// # Panics
    /// When none comes: the message is `what` and the log.
    pub async fn wait(&self, what: &str, matches: impl Fn(&Line) -> bool) -> Line {
        self.until(what, |lines| lines.iter().find(|line| matches(line)).cloned()).await
    }

    async fn until(&self, what: &str, found: impl Fn(&[Line]) -> Option<Line>) -> Line {
        let mut count = self.count.clone();
        let wait = async {
            loop {
                count.borrow_and_update();
                if let Some(line) = found(&self.lines()) {
                    return Some(line);
                }
                if count.changed().await.is_err() {
                    return found(&self.lines());
                }
            }
        };
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(Some(line)) => line,
            Ok(None) => panic!("the log ended without {what}:\n{self}"),
            Err(_) => panic!("waited {DEADLINE:?} for {what}; the log is\n{self}"),
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        if lines.is_empty() {
            return f.write_str("    (nothing)");
        }
        lines.iter().try_for_each(|line| writeln!(f, "    {}", line.text))
    }
}
