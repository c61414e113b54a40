//! All that xtask prints: results to stdout, everything else to stderr; or with `--json` events to stdout, one per line.
//!
//! Invariants: what looks like a secret in an address is not printed. When nobody reads any more (`… | head`), the rest is
//! not printed, and the work goes on: what was begun is ended properly, and a gateway that was started is not left alone.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::FAILED;
use crate::redact::{redact, redact_value};

/// An error that knows the exit code it deserves.
pub trait Failure: Error {
    /// [`FAILED`], unless what was typed is at fault.
    fn exit_code(&self) -> u8 {
        FAILED
    }
}

/// How a command tells what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    Json,
    Silent,
}

/// Where a command tells what it does.
#[derive(Debug)]
pub struct Report {
    style: Style,
    /// A step has begun its line and not ended it.
    open: AtomicBool,
    /// Why results could not be printed.
    lost: OnceLock<io::Error>,
}

impl Report {
    fn new(style: Style) -> Self {
        Self { style, open: AtomicBool::new(false), lost: OnceLock::new() }
    }

    /// Prints for people.
    #[must_use]
    pub fn to_terminal() -> Self {
        Self::new(Style::Text)
    }

    /// Prints events, for programs.
    #[must_use]
    pub fn as_json() -> Self {
        Self::new(Style::Json)
    }

    /// Prints nothing: for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Style::Silent)
    }

    /// Whether people look at it, so that others may show their progress too.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        self.style == Style::Text
    }

    /// Runs one step: names it, times it, and says what came of it.
    ///
    /// # Errors
    /// Those of the step.
    pub fn step<T, E>(
        &self,
        (number, of): (usize, usize),
        name: &str,
        work: impl FnOnce() -> Result<T, E>,
        outcome: impl FnOnce(&T) -> String,
    ) -> Result<T, E> {
        let label = format!("[{number}/{of}] {name}");
        self.begin(&format!("{label} …"));
        self.event("begin", json!({ "step": name, "number": number, "of": of }));
        let began = Instant::now();
        let done = work()?;
        let (elapsed, outcome) = (began.elapsed(), outcome(&done));
        let line = format!("{}  {outcome}", seconds(elapsed));
        if self.open.swap(false, Ordering::Relaxed) {
            self.stderr(&format!(" {}", line.trim_end()));
        } else {
            self.stderr(&format!("{label} … {}", line.trim_end()));
        }
        let event =
            json!({ "step": name, "number": number, "of": of, "seconds": elapsed.as_secs_f64(), "outcome": outcome });
        self.event("end", event);
        Ok(done)
    }

    /// Ends the line of the running step: somebody else is going to print.
    pub fn end_line(&self) {
        if self.open.swap(false, Ordering::Relaxed) {
            self.stderr("");
        }
    }

    /// Something worth knowing.
    pub fn note(&self, text: &str) {
        self.end_line();
        self.stderr(text);
        self.event("note", json!({ "text": text }));
    }

    /// Something that will probably be regretted.
    pub fn warn(&self, text: &str) {
        self.end_line();
        self.stderr(&format!("warning: {text}"));
        self.event("warning", json!({ "text": text }));
    }

    /// The result of a command: a line for people.
    pub fn result(&self, line: &str) {
        if self.style == Style::Text {
            self.stdout(line);
        }
        self.event("result", json!({ "text": line }));
    }

    /// The result of a command: a line for people, or an object for programs.
    pub fn product(&self, kind: &str, line: &str, object: &impl Serialize) {
        if self.style == Style::Text {
            self.stdout(line);
        }
        self.fact(kind, object);
    }

    /// For people alone: programs have it as facts.
    pub fn lines(&self, lines: &[String]) {
        if self.style == Style::Text {
            lines.iter().for_each(|line| self.stdout(line));
        }
    }

    /// For programs alone: people read it elsewhere.
    pub fn fact(&self, kind: &str, object: &impl Serialize) {
        if self.style == Style::Json {
            // What is not an object has no fields to add the name of the event to.
            let object = serde_json::to_value(object).unwrap_or_default();
            self.event(kind, if object.is_object() { object } else { json!({ "value": object }) });
        }
    }

    /// Prints what went wrong, and turns it into an exit code.
    pub fn exit<E: Failure>(&self, outcome: Result<ExitCode, E>) -> ExitCode {
        match outcome {
            Ok(code) => code,
            Err(error) => {
                self.end_line();
                let text = chain(&error);
                self.stderr(&format!("error: {text}"));
                self.event("error", json!({ "text": text, "exit_code": error.exit_code() }));
                ExitCode::from(error.exit_code())
            }
        }
    }

    /// The exit code of a command, unless its results are lost: then that is told.
    #[must_use]
    pub fn end(&self, code: ExitCode) -> ExitCode {
        let Some(error) = self.lost.get() else { return code };
        // Of events on stdout this would be one more that cannot be written.
        let _ = write(io::stderr(), &format!("error: cannot write to stdout\n  caused by: {error}\n"));
        ExitCode::from(FAILED)
    }

    /// One line of JSON.
    fn event(&self, kind: &str, mut event: Value) {
        if self.style == Style::Json {
            event["event"] = Value::from(kind);
            // Within the texts: in the line, a secret could take the quotes after it along.
            self.print(&redact_value(event).to_string());
        }
    }

    fn stdout(&self, line: &str) {
        self.print(&redact(line));
    }

    /// Results go to stdout, and this is the one place that sends them.
    fn print(&self, line: &str) {
        if let Err(error) = write(io::stdout(), &format!("{line}\n")) {
            // Only the first one counts.
            let _ = self.lost.set(error);
        }
    }

    fn stderr(&self, line: &str) {
        if self.style == Style::Text {
            // There is no other place to complain.
            let _ = write(io::stderr(), &format!("{}\n", redact(line)));
        }
    }

    fn begin(&self, text: &str) {
        self.end_line();
        if self.style == Style::Text {
            let _ = write(io::stderr(), text);
            self.open.store(true, Ordering::Relaxed);
        }
    }
}

/// That nobody reads is no error.
fn write(mut stream: impl Write, text: &str) -> io::Result<()> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// An error and its causes, one per line. A full disk has one remedy, whatever was to be written.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    let mut is_full = false;
    while let Some(inner) = cause {
        text.push_str(&format!("\n  caused by: {inner}"));
        is_full |= inner.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
        cause = inner.source();
    }
    if is_full {
        text.push_str("\n  = make room on that disk");
    }
    text
}

/// Text moved to the right, so that one can see that somebody else said it.
pub(crate) fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_another_program_are_indented() {
        assert_eq!(indented("error: a\n  b\n"), "    error: a\n      b");
    }

    #[test]
    fn times_are_in_seconds() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
    }
}
