//! What a verified token says of its time, and of who is calling. Source: Tyk, `gateway/mw_jwt.go`; gateway.md §5.15.

use serde_json::Value;

use super::refusal::JwtError;
use super::token::Claims;

/// The claim that says who is calling where none is named.
const SUBJECT: &str = "sub";

/// How far the clocks of issuers may be from ours, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Skews {
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    pub(super) not_before: i64,
}

/// What a claim says of a time.
enum Moment {
    /// It is absent, or zero.
    Any,
    /// In seconds since 1970.
    At(i64),
    /// It is no number.
    Wrong,
}

impl Moment {
    fn of(claims: &Claims, name: &str) -> Self {
        let Some(value) = claims.get(name) else { return Self::Any };
        match value.as_f64() {
            Some(0.0) => Self::Any,
            Some(_) => Self::At(seconds(value)),
            None => Self::Wrong,
        }
    }
}

/// The whole seconds of a number.
fn seconds(value: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "the fraction of a second is cut, and what is too far is far")]
    value.as_i64().unwrap_or_else(|| value.as_f64().unwrap_or_default() as i64)
}

impl Skews {
    /// Whether a token is valid at `now`, in seconds since 1970. Of several mistakes Tyk tells the one that is first here.
    ///
    /// # Errors
    /// When it is not; a time that is no number is never right.
    pub(super) fn check(self, claims: &Claims, now: i64) -> Result<(), JwtError> {
        match Moment::of(claims, "nbf") {
            Moment::Any => {}
            Moment::At(begin) if begin <= now.saturating_add(self.not_before) => {}
            Moment::At(_) | Moment::Wrong => return Err(JwtError::NotYet),
        }
        match Moment::of(claims, "iat") {
            Moment::Any => {}
            Moment::At(issued) if issued <= now.saturating_add(self.issued_at) => {}
            Moment::At(_) | Moment::Wrong => return Err(JwtError::BeforeIssued),
        }
        match Moment::of(claims, "exp") {
            Moment::Any => Ok(()),
            Moment::At(end) if now.saturating_sub(self.expires_at) < end => Ok(()),
            Moment::At(_) | Moment::Wrong => Err(JwtError::Expired),
        }
    }

    /// How long a valid token is one, in seconds since 1970; zero if it does not say so.
    pub(super) fn end(self, claims: &Claims) -> i64 {
        match Moment::of(claims, "exp") {
            Moment::At(end) => end.saturating_add(self.expires_at),
            Moment::Any | Moment::Wrong => 0,
        }
    }
}

/// Who is calling: `field` of the claims, if the definition names one and the token has it, else `sub`.
///
/// # Errors
/// When neither says it.
pub(super) fn identity<'c>(claims: &'c Claims, field: &str) -> Result<&'c str, JwtError> {
    if !field.is_empty() {
        match found(claims, field) {
            Some("") => return Err(JwtError::EmptyIdentity),
            Some(identity) => return Ok(identity),
            None => {}
        }
    }
    match claims.get(SUBJECT).and_then(Value::as_str) {
        Some("") => Err(JwtError::EmptySubject),
        Some(subject) => Ok(subject),
        None => Err(JwtError::NoIdentity),
    }
}

/// The text of a claim: of that name, or where the dots in it lead. An empty one is the last that is found.
pub(super) fn found<'c>(claims: &'c Claims, field: &str) -> Option<&'c str> {
    let literal = claims.get(field).and_then(Value::as_str);
    let nested = || if field.contains('.') { value(claims, field).and_then(Value::as_str) } else { None };
    literal.filter(|text| !text.is_empty()).or_else(nested).or(literal)
}

/// Where the dots of a name lead.
pub(super) fn value<'c>(claims: &'c Claims, field: &str) -> Option<&'c Value> {
    let mut names = field.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000;

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).expect("an object")
    }

    fn told(value: Value, skews: Skews) -> String {
        skews.check(&claims(value), NOW).err().map(|error| format!("{error:?}")).unwrap_or_default()
    }

    #[test]
    fn a_token_is_valid_from_its_begin_up_to_its_end() {
        for (value, error) in [
            (json!({}), ""),
            (json!({"exp": 1001, "iat": 1000, "nbf": 1000}), ""),
            (json!({"exp": 1000}), "Expired"),
            (json!({"exp": 1000.9}), "Expired"),
            (json!({"exp": 1001.5, "nbf": 999.5}), ""),
            (json!({"exp": -5}), "Expired"),
            (json!({"exp": 1e300}), ""),
            (json!({"iat": 1001}), "BeforeIssued"),
            (json!({"nbf": 1001}), "NotYet"),
            (json!({"exp": 0, "iat": 0, "nbf": 0}), ""),
            (json!({"exp": 1, "iat": 2000, "nbf": 2000}), "NotYet"),
            (json!({"exp": 1, "iat": 2000}), "BeforeIssued"),
        ] {
            assert_eq!(told(value.clone(), Skews::default()), error, "{value}");
        }
    }

    #[test]
    fn a_time_that_is_no_number_is_never_right() {
        for value in [json!("2000"), json!(null), json!([2000]), json!(true)] {
            assert_eq!(told(json!({"exp": value}), Skews::default()), "Expired", "{value}");
            assert_eq!(told(json!({"iat": value}), Skews::default()), "BeforeIssued", "{value}");
            assert_eq!(told(json!({"nbf": value}), Skews::default()), "NotYet", "{value}");
        }
    }

    #[test]
    fn skews_widen_the_time_of_a_token() {
        let skews = Skews { issued_at: 5, expires_at: 7, not_before: 9 };
        for (value, error) in [
            (json!({"exp": 994}), ""),
            (json!({"exp": 993}), "Expired"),
            (json!({"iat": 1005}), ""),
            (json!({"iat": 1006}), "BeforeIssued"),
            (json!({"nbf": 1009}), ""),
            (json!({"nbf": 1010}), "NotYet"),
        ] {
            assert_eq!(told(value.clone(), skews), error, "{value}");
        }
        let endless = Skews { issued_at: i64::MAX, expires_at: i64::MAX, not_before: i64::MAX };
        assert_eq!(told(json!({"exp": 1, "iat": 9000, "nbf": 9000}), endless), "");
    }

    #[test]
    fn the_named_claim_says_who_is_calling_else_the_subject() {
        let check = |value: Value, field: &str| match identity(&claims(value), field) {
            Ok(identity) => identity.to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(check(json!({"sub": "ada"}), ""), "ada");
        assert_eq!(check(json!({"sub": "ada", "email": "a@b"}), "email"), "a@b");
        assert_eq!(check(json!({"sub": "ada", "email": 7}), "email"), "ada");
        assert_eq!(check(json!({"sub": "ada", "user": {"id": "7"}}), "user.id"), "7");
        assert_eq!(check(json!({"user.id": "8", "user": {"id": "7"}}), "user.id"), "8");
        assert_eq!(check(json!({"sub": "ada", "email": ""}), "email"), "EmptyIdentity");
        assert_eq!(check(json!({"sub": "ada", "user": {"id": ""}}), "user.id"), "EmptyIdentity");
        assert_eq!(check(json!({"sub": ""}), "email"), "EmptySubject");
        assert_eq!(check(json!({"sub": 7}), ""), "NoIdentity");
    }
}
