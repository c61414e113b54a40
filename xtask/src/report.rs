//! All that xtask prints: results to stdout, everything else to stderr.

use std::cell::Cell;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::FAILED;

/// An error that knows the exit code it deserves.
pub trait Failure: Error {
    /// [`FAILED`], unless what was typed is at fault.
    fn exit_code(&self) -> u8 {
        FAILED
    }
}

/// Where a command tells what it does.
#[derive(Debug)]
pub struct Report {
    quiet: bool,
    /// A step has begun its line and not ended it.
    open: Cell<bool>,
}

impl Report {
    /// Prints.
    #[must_use]
    pub fn to_terminal() -> Self {
        Self { quiet: false, open: Cell::new(false) }
    }

    /// Prints nothing: for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self { quiet: true, open: Cell::new(false) }
    }

    /// Whether others should be quiet too.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.quiet
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
        let began = Instant::now();
        let done = work()?;
        let line = format!("{}  {}", seconds(began.elapsed()), outcome(&done));
        if self.open.replace(false) {
            self.stderr(&format!(" {}", line.trim_end()));
        } else {
            self.stderr(&format!("{label} … {}", line.trim_end()));
        }
        Ok(done)
    }

    /// Ends the line of the running step: somebody else is going to print.
    pub fn end_line(&self) {
        if self.open.replace(false) {
            self.stderr("");
        }
    }

    /// Something worth knowing.
    pub fn note(&self, text: &str) {
        self.end_line();
        self.stderr(text);
    }

    /// Something that will probably be regretted.
    pub fn warn(&self, text: &str) {
        self.note(&format!("warning: {text}"));
    }

    /// The result of a command.
    #[expect(clippy::print_stdout, reason = "results go to stdout, and this is the one place that sends them")]
    pub fn result(&self, line: &str) {
        if !self.quiet {
            println!("{line}");
        }
    }

    /// Prints what went wrong, and turns it into an exit code.
    pub fn exit<E: Failure>(&self, outcome: Result<ExitCode, E>) -> ExitCode {
        match outcome {
            Ok(code) => code,
            Err(error) => {
                self.end_line();
                self.stderr(&format!("error: {}", chain(&error)));
                ExitCode::from(error.exit_code())
            }
        }
    }

    #[expect(clippy::print_stderr, reason = "diagnostics go to stderr, and this is the one place that sends them")]
    fn stderr(&self, line: &str) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    #[expect(clippy::print_stderr, reason = "a step ends its line when it is done")]
    fn begin(&self, text: &str) {
        self.end_line();
        if !self.quiet {
            eprint!("{text}");
            self.open.set(true);
        }
    }
}

/// An error and its causes, one per line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!("\n  caused by: {inner}"));
        cause = inner.source();
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
