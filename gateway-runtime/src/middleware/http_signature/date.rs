//! The date of a signed request, as clients write it: in GMT, UTC, or so many hours from it.
//!
//! Source: Tyk, `checkClockSkew` in `gateway/mw_http_signature_validation.go`.

use std::time::{Duration, SystemTime};

/// The moment that is meant; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date);
    }
    let (moment, zone) = text.trim().rsplit_once(' ')?;
    let date = httpdate::parse_http_date(&format!("{moment} GMT")).ok()?;
    match (zone, zone.as_bytes()) {
        ("UTC", _) => Some(date),
        (_, [b'+', ..]) => date.checked_sub(offset(&zone[1..])?),
        (_, [b'-', ..]) => date.checked_add(offset(&zone[1..])?),
        _ => None,
    }
}

/// `HH` or `HHMM`.
fn offset(digits: &str) -> Option<Duration> {
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    Some(Duration::from_secs(number(hours)? * 3600 + number(minutes)? * 60))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_date_is_in_gmt_or_says_how_far_from_it() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 02:00:00 GMT", Some(7200)),
            ("Thu, 01 Jan 1970 02:00:00 UTC", Some(7200)),
            ("Thu, 01 Jan 1970 02:00:00 +00", Some(7200)),
            ("Thu, 01 Jan 1970 02:00:00 +02", Some(0)),
            ("Thu, 01 Jan 1970 02:00:00 -07", Some(9 * 3600)),
            ("Thu, 01 Jan 1970 02:00:00 -0030", Some(9000)),
            ("Thu, 01 Jan 1970 02:00:00 EST", None),
            ("Thu, 01 Jan 1970 02:00:00 +2", None),
            ("Thu, 01 Jan 1970 02:00:00 +2a", None),
            ("Thu, 01 Jan 1970 02:00:00", None),
            ("Thu, 32 Jan 1970 02:00:00 GMT", None),
            ("1970-01-01T02:00:00Z", None),
            ("7200", None),
            ("", None),
            ("é +é", None),
        ] {
            assert_eq!(parse(text), seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)), "{text}");
        }
    }
}
