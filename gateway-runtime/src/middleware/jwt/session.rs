//! The session of a verified token: made of its policies, under a key that its caller's name is made into.
//!
//! All tokens of one caller have one session, and what limits it counts for them together. It is stored as other keys
//! are, and found as quickly. Source: Tyk, `processCentralisedJWT` in `gateway/mw_jwt.go`; gateway.md §5.15.

use std::fmt::Write as _;
use std::sync::Arc;

use gateway_model::Session;
use gateway_sdk::exchange::Exchange;
use md5::{Digest, Md5};

use super::claims::identity;
use super::policies::{Named, Wanted};
use super::refusal::JwtError;
use super::token::Claims;
use super::{Jwt, Ran, of_key};
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::keyring::{KeyError, Keyring, Known, Stored};

/// The member of `meta_data` that tells the key.
const SESSION_ID: &str = "TykJWTSessionID";

impl Jwt {
    /// Lets the caller in of a token that says this, and whose signature is right.
    pub(super) fn enter(self: &Arc<Self>, claims: Claims, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        self.skews.check(&claims, unix_now())?;
        let caller = identity(&claims, &self.identity)?.to_owned();
        let key = self.keyring.settings.rules.compose(&self.org_id, &id_of(&caller));
        if let Some(known) = self.cached(&key, &claims)? {
            return self.admission.admit(known, exchange);
        }
        let this = Arc::clone(self);
        let made = async move {
            let made = this.look_up(key, &caller, &claims).await;
            (this, made)
        };
        Ok(Ran::wait(made, |(this, made), exchange| this.admission.admit(made?, exchange)))
    }

    /// The session, if it was looked up a moment ago and is as the token wants it.
    fn cached(&self, key: &str, claims: &Claims) -> Result<Option<Known>, JwtError> {
        let client;
        let named = match self.policies.named(claims) {
            Named::Policy(id) => Some(id),
            Named::Nothing => None,
            Named::Client(name) => match self.keyring.cached(&self.org_id, name) {
                Some(known) => {
                    client = known;
                    client.session.policy_ids().next()
                }
                None => return Ok(None),
            },
        };
        let Some(known) = self.keyring.cached(&self.org_id, key) else { return Ok(None) };
        let wanted = self.policies.wanted(named, claims, true)?;
        Ok(Some(known).filter(|known| self.is_right(&known.session, &wanted, claims)))
    }

    /// The session as it is stored, made or changed as the token wants it.
    async fn look_up(&self, key: String, caller: &str, claims: &Claims) -> Result<Known, RequestError> {
        let client = match self.policies.named(claims) {
            Named::Client(name) => self.keyring.look_up(&self.org_id, name).await.map_err(of_key)?,
            Named::Policy(_) | Named::Nothing => None,
        };
        let named = match self.policies.named(claims) {
            Named::Policy(id) => Some(id),
            Named::Client(_) => client.as_ref().and_then(|client| client.session.policy_ids().next()),
            Named::Nothing => None,
        };
        let stored = match self.keyring.look_up(&self.org_id, &key).await {
            Ok(None) => None,
            Ok(Some(known)) => {
                let wanted = self.policies.wanted(named, claims, true)?;
                if self.is_right(&known.session, &wanted, claims) {
                    return Ok(known);
                }
                self.keyring.find(&self.org_id, &key).await.map_err(RequestError::KeyFailed)?
            }
            // Those that it has now may be others than those that it is to have.
            Err(KeyError::Policies(_)) => {
                self.keyring.find(&self.org_id, &key).await.map_err(RequestError::KeyFailed)?
            }
            Err(error) => return Err(RequestError::KeyFailed(error)),
        };
        let wanted = self.policies.wanted(named, claims, stored.is_some())?;
        let session = self.make(stored, key, caller, &wanted, self.skews.end(claims))?;
        Ok(self.keyring.enter(&self.org_id, session).await)
    }

    /// The session with the policies that are wanted. It does not expire before the token does.
    fn make(
        &self,
        stored: Option<Stored>,
        key: String,
        caller: &str,
        wanted: &Wanted<'_>,
        end: i64,
    ) -> Result<Session, JwtError> {
        self.check(wanted.base)?;
        let is_new = stored.is_none();
        let fresh = || {
            let org_id = self.org_id.to_string();
            Session::new().with_org_id(org_id).with_alias(caller).with_meta(SESSION_ID, key.as_str())
        };
        let mut session = stored.map_or_else(fresh, |stored| stored.session);
        session.apply_policies = wanted.ids.iter().map(|id| (*id).to_owned()).collect();
        session.apply_policy_id.clear();
        session.key_id = key;
        let failed = if wanted.by_scope { JwtError::Policies } else { JwtError::Policy };
        self.keyring.apply(Some(&self.org_id), &mut session).map_err(failed)?;
        if is_new {
            expire_new(&self.keyring, &mut session);
        }
        session.expires = match end {
            0 if self.is_over(&session) => 0,
            end => session.expires.max(end),
        };
        Ok(session)
    }

    /// Whether a session has the policies of a token, and lasts as long as it.
    fn is_right(&self, session: &Session, wanted: &Wanted<'_>, claims: &Claims) -> bool {
        let lasts = match self.skews.end(claims) {
            0 => !self.is_over(session),
            end => session.expires >= end,
        };
        lasts && wanted.are_of(session)
    }

    /// Whether earlier tokens of the caller are over, and the session with them. Where policies say when it ends it is
    /// not theirs.
    fn is_over(&self, session: &Session) -> bool {
        let now = unix_now();
        (1..=now).contains(&session.expires) && self.keyring.expires_of_new(session, now).is_none()
    }

    /// Whether the policy without which nobody is let in is there, and is one of the API's organisation.
    fn check(&self, base: Option<&str>) -> Result<(), JwtError> {
        let policies = self.keyring.policies();
        match base.map(|id| (id, policies.get(id))) {
            Some((_, Some(policy))) if *policy.org_id == *self.org_id => Ok(()),
            Some((id, _)) => Err(JwtError::NoPolicy { id: id.to_owned() }),
            None => Ok(()),
        }
    }
}

/// What the id of a caller's key is made of.
fn id_of(caller: &str) -> String {
    Md5::digest(caller).iter().fold(String::with_capacity(32), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

fn expire_new(keyring: &Keyring, session: &mut Session) {
    if let Some(expires) = keyring.expires_of_new(session, unix_now()) {
        session.expires = expires;
    }
}

/// Whether a session was made here. Its key can be guessed, and is nothing to be let in by.
pub(in super::super) fn is_of_token(session: &Session) -> bool {
    session.meta_data.get(SESSION_ID).is_some_and(|key| *key == *session.key_id)
}
