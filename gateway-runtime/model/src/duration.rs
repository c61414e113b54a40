//! Times as Go writes them: `1m30s`, `1.5s`, `250ms`.

use std::time::Duration;

/// Nobody waits longer, and sums of moments and times must not overflow.
const LONGEST_SECONDS: f64 = 10.0 * 365.0 * 24.0 * 60.0 * 60.0;

/// The units, and how many seconds each is; a longer name comes before one that it ends with.
const UNITS: &[(&str, f64)] =
    &[("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not made of numbers and units.
    #[error("`{0}` is no duration: write numbers with units, such as `500ms` or `1m30s`")]
    Syntax(String),
    /// It is below zero.
    #[error("`{0}` is negative; write a time such as `500ms` or `1m30s`")]
    Negative(String),
}

/// Reads a time; an empty text is zero, and more than ten years are ten years. Source: Go, `time.ParseDuration`.
///
/// # Errors
/// When the text is no time, or a negative one.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    if matches!(text, "" | "0") {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative(text.to_owned()));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(syntax)?;
        let number: f64 = rest[..digits].parse().map_err(|_| syntax())?;
        let unit_of = |(unit, _): &&(&str, f64)| rest[digits..].starts_with(unit);
        let (unit, length) = UNITS.iter().find(unit_of).ok_or_else(syntax)?;
        seconds += number * length;
        rest = &rest[digits + unit.len()..];
    }
    Ok(Duration::from_secs_f64(seconds.min(LONGEST_SECONDS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        let cases = [
            ("", 0),
            ("0", 0),
            ("1s", 1000),
            ("1.5s", 1500),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("+2h", 7_200_000),
            (".5s", 500),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("3µs"), Ok(Duration::from_micros(3)));
    }

    #[test]
    fn what_is_no_time_is_told() {
        for text in ["1", "s", "1x", "1s 2s", "1..2s", ".", "1s2"] {
            assert_eq!(duration(text), Err(DurationError::Syntax(text.to_owned())), "{text}");
        }
        assert_eq!(duration("-1s"), Err(DurationError::Negative("-1s".to_owned())));
    }

    #[test]
    fn no_time_is_too_long() {
        assert_eq!(duration("99999999999999h"), Ok(Duration::from_secs(315_360_000)));
    }
}
