//! When an API or a version of it is switched off.

use std::time::SystemTime;

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not of the form `2006-01-02 15:04`, in UTC; empty or `-1` is never")]
pub struct NotAMoment {
    /// The text.
    pub text: String,
}

/// The moment that `text` names, as `2006-01-02 15:04` in UTC; `None` is never. Source: Tyk, `gateway/api_definition.go`.
///
/// # Errors
/// When it is neither of that form, nor empty, nor `-1`; or when it is before 1970.
pub fn expiry(text: &str) -> Result<Option<SystemTime>, NotAMoment> {
    if matches!(text, "" | "-1") {
        return Ok(None);
    }
    let moment = text.split_once(' ').map(|(day, minute)| format!("{day}T{minute}:00Z"));
    let moment = moment.and_then(|moment| humantime::parse_rfc3339(&moment).ok());
    moment.map(Some).ok_or_else(|| NotAMoment { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_moment_is_a_day_and_a_minute_in_utc() {
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(expiry("1970-01-02 00:01"), Ok(Some(UNIX_EPOCH + day + Duration::from_secs(60))));
        assert_eq!(expiry("2000-02-29 00:00"), Ok(Some(UNIX_EPOCH + day * (30 * 365 + 7 + 31 + 28))));
    }

    #[test]
    fn empty_and_minus_one_are_never() {
        assert_eq!((expiry(""), expiry("-1")), (Ok(None), Ok(None)));
    }

    #[test]
    fn whatever_else_is_refused() {
        for text in [
            "never",
            "0",
            "2030-01-01",
            "2030-01-01T00:00",
            "2030-01-01 00:00:00",
            "2030-01-01 00:00Z",
            "2030-02-30 00:00",
            "2030-13-01 00:00",
            "2030-01-01 24:00",
            "1969-12-31 00:00",
            " 2030-01-01 00:00",
            "2030-01-01  00:00",
            "2030-1-1 0:00",
            "2030-01-01 00:00 ",
            "2030-01-01 00:00.5",
            "ä",
        ] {
            assert!(expiry(text).is_err(), "{text}");
        }
    }
}
