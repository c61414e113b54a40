//! Refuses a request without a session, or whose session is over. Source: Tyk, `gateway/mw_key_expired_check.go`.

use gateway_model::Session;
use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step};
use crate::clock::unix_now;
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "key_expired", build };

struct KeyExpired;

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (!api.use_keyless).then(|| Box::new(KeyExpired) as Box<dyn Step>)
}

impl Step for KeyExpired {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let session = exchange.caller.session().ok_or(RequestError::SessionMissing)?;
        check(session, unix_now()).map(|()| Ran::On)
    }
}

/// `now` and `expires` are in seconds since 1970; an `expires` below 1 is never.
fn check(session: &Session, now: i64) -> Result<(), RequestError> {
    if session.is_inactive {
        return Err(RequestError::KeyInactive);
    }
    if session.expires >= 1 && session.expires < now {
        return Err(RequestError::KeyExpired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(expires: i64, is_inactive: bool) -> Session {
        Session { expires, is_inactive, ..Session::default() }
    }

    #[test]
    fn a_session_ends_after_its_last_second() {
        assert!(check(&session(100, false), 100).is_ok());
        assert!(matches!(check(&session(100, false), 101), Err(RequestError::KeyExpired)));
    }

    #[test]
    fn zero_and_below_never_expire() {
        assert!(check(&session(0, false), i64::MAX).is_ok());
        assert!(check(&session(-1, false), i64::MAX).is_ok());
    }

    #[test]
    fn inactive_wins_over_expired() {
        assert!(matches!(check(&session(100, true), 101), Err(RequestError::KeyInactive)));
    }
}
