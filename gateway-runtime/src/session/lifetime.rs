//! How long the session of a key is stored. Source: Tyk, `Lifetime` in `user/session.go`.
//!
//! It is another thing than when the key expires, which is compared when a request comes.

use std::time::Duration;

use gateway_model::Session;

/// What the configuration and the APIs say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LifetimeRules {
    /// `global_session_lifetime`, in seconds, if `force_global_session_lifetime` is set.
    pub(crate) forced_s: Option<i64>,
    /// `session_lifetime_respects_key_expiration`: a session is not gone before its key expires.
    pub(crate) respects_expiry: bool,
    /// The longest `session_lifetime` of the APIs that the session has rights on, in seconds.
    pub(crate) of_apis_s: i64,
}

/// How long a session is stored from `now` on, which is in seconds since 1970; `None` means for ever.
pub(crate) fn lifetime(session: &Session, rules: LifetimeRules, now: i64) -> Option<Duration> {
    if let Some(forced) = rules.forced_s {
        return seconds(forced);
    }
    let left = session.expires.saturating_sub(now);
    if session.expires >= 1 {
        match (session.post_expiry_action.as_str(), session.post_expiry_grace_period) {
            ("delete", _) => return seconds(left.max(1)),
            ("retain", -1) => return None,
            ("retain", grace @ 1..) => return seconds(left.saturating_add(grace).max(1)),
            _ => {}
        }
    }
    let said = [session.session_lifetime, rules.of_apis_s].into_iter().find(|lifetime| *lifetime > 0)?;
    match rules.respects_expiry {
        true if session.expires < 1 => None,
        true => seconds(said.max(left)),
        false => seconds(said),
    }
}

/// Zero or less is no end.
fn seconds(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().filter(|number| *number > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000;

    /// A session that expires in `expires` seconds (zero means never), and what becomes of it then.
    fn session(expires: i64, action: &str, grace: i64, lifetime: i64) -> Session {
        Session {
            expires: if expires == 0 { 0 } else { NOW + expires },
            post_expiry_action: action.to_owned(),
            post_expiry_grace_period: grace,
            session_lifetime: lifetime,
            ..Session::default()
        }
    }

    fn check(session: &Session, rules: LifetimeRules, expected: Option<u64>) {
        let found = lifetime(session, rules, NOW).map(|lifetime| lifetime.as_secs());
        assert_eq!(found, expected, "{rules:?} {}", session.post_expiry_action);
    }

    #[test]
    fn a_forced_lifetime_is_everybodys() {
        let rules = |forced| LifetimeRules { forced_s: Some(forced), respects_expiry: true, of_apis_s: 9 };
        check(&session(50, "delete", 0, 7), rules(5), Some(5));
        check(&session(50, "delete", 0, 7), rules(0), None);
    }

    #[test]
    fn what_happens_after_the_end_comes_before_lifetimes() {
        let rules = LifetimeRules { of_apis_s: 9, ..LifetimeRules::default() };
        check(&session(50, "delete", 0, 7), rules, Some(50));
        check(&session(-5, "delete", 0, 7), rules, Some(1));
        check(&session(50, "retain", 10, 7), rules, Some(60));
        check(&session(-50, "retain", 10, 7), rules, Some(1));
        check(&session(50, "retain", -1, 7), rules, None);
        check(&session(50, "retain", 0, 7), rules, Some(7));
    }

    #[test]
    fn a_key_that_never_expires_has_no_after() {
        for (action, grace) in [("delete", 0), ("retain", 10), ("retain", -1)] {
            check(&session(0, action, grace, 7), LifetimeRules::default(), Some(7));
        }
    }

    #[test]
    fn the_sessions_lifetime_comes_before_that_of_its_apis() {
        let apis = LifetimeRules { of_apis_s: 9, ..LifetimeRules::default() };
        check(&session(0, "", 0, 7), apis, Some(7));
        check(&session(0, "", 0, 0), apis, Some(9));
        check(&session(50, "", 0, 0), LifetimeRules::default(), None);
    }

    #[test]
    fn where_expiry_is_respected_the_later_counts() {
        let rules = LifetimeRules { respects_expiry: true, ..LifetimeRules::default() };
        check(&session(50, "", 0, 7), rules, Some(50));
        check(&session(5, "", 0, 7), rules, Some(7));
        check(&session(0, "", 0, 7), rules, None);
        check(&session(50, "", 0, 0), rules, None);
    }
}
