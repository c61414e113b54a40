//! The log: one line an event, a fixed message and fields. Values are never in the message.

use std::error::Error;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use crate::config::{Config, LogFormat};

/// A longer message of a plugin is cut.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Sends the log to stderr, and panics into the log.
pub(crate) fn init(config: &Config) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(config.log_level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call in one process (a test) keeps the first log.
    let _ = match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, reason = one_line(panic_text(info.payload()).to_owned()), "panic");
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// An error and its causes.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let (mut told, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        told = format!("{told}: {next}");
        cause = next.source();
    }
    told
}

/// A message that cannot pass for another line, nor fill the log: plugins write what clients sent.
pub(crate) fn one_line(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES {
        let end = (0..=MESSAGE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    if text.contains(char::is_control) { text.escape_debug().to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("it's \"fine\" ä".to_owned()), "it's \"fine\" ä");
        assert_eq!(one_line("two\nlines".to_owned()), "two\\nlines");
        let long = one_line("ä".repeat(MESSAGE_BYTES));
        assert_eq!(long.len(), MESSAGE_BYTES + '…'.len_utf8());
    }
}
