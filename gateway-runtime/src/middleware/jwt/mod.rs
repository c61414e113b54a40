//! Asks for a JSON web token, and says whose it is: its session is made of the policies that the token names.
//!
//! | to find | look in |
//! |---|---|
//! | how a token is taken apart | `token.rs` |
//! | what a signature is verified by, and by which algorithms | `key.rs`, `crypto.rs` |
//! | where the key comes from | `source.rs`; of a URL: `sets.rs`, `jwk.rs` |
//! | when a token is valid, and who is calling | `claims.rs` |
//! | which policies it has, and the session that is made of them | `policies.rs`, `session.rs` |
//!
//! Tokens, keys and key sets are jsonwebtoken's to read. Source: Tyk, `gateway/mw_jwt.go`; gateway.md §5.15.

mod claims;
mod crypto;
mod jwk;
mod key;
mod policies;
mod refusal;
mod session;
pub(crate) mod sets;
mod source;
mod token;

use std::sync::Arc;
use std::time::Instant;

use gateway_model::ApiDefinition;
use gateway_sdk::Uri;
use gateway_sdk::exchange::Exchange;

use super::admission::Admission;
use super::credential::{Places, without_scheme};
use super::{Building, Middleware, Ran, Step};
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::keyring::{KeyError, Keyring, Known};
use claims::Skews;
use key::{Key, Method};
use policies::PolicyRules;
use sets::{KeySet, Look};
use source::Written;
use token::Token;

pub(crate) use refusal::JwtError;
pub(super) use session::is_of_token;

pub(super) const STEP: Middleware = Middleware { name: "jwt", build };

/// What an API asks of tokens.
struct Jwt {
    places: Places,
    method: Method,
    verifies: Verifies,
    skews: Skews,
    /// The claim that says who is calling.
    identity: String,
    /// The header names no key of the gateway.
    skips_kid: bool,
    policies: PolicyRules,
    org_id: Arc<str>,
    admission: Admission,
    keyring: Arc<Keyring>,
}

/// What verifies tokens.
enum Verifies {
    Key(Arc<Key>),
    Sets(Vec<Arc<KeySet>>),
    /// The secret of the key that each token names.
    Own,
    /// The definition is wrong: nobody is let in.
    Nothing,
}

/// What is wrong with what the tokens of an API are verified by: the fields, and why.
pub(crate) fn mistakes(api: &ApiDefinition) -> Vec<(String, String)> {
    let read = if is_asked(api) { source::read(api).err() } else { None };
    let mistakes = read.into_iter().flatten();
    mistakes.map(|(path, mistake)| (path, mistake.to_string())).collect()
}

/// The URLs of the key sets of an API.
pub(crate) fn urls(api: &ApiDefinition) -> Vec<Uri> {
    match source::read(api) {
        Ok(Written::Sets(sets)) => sets.into_iter().map(|(url, _)| url).collect(),
        _ => Vec::new(),
    }
}

fn is_asked(api: &ApiDefinition) -> bool {
    api.enable_jwt && !api.use_keyless
}

fn build(Building { api, keyring, key_sets, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    is_asked(api).then(|| {
        let verifies = match source::read(api) {
            Ok(Written::Key(key)) => Verifies::Key(key),
            Ok(Written::Sets(sets)) => Verifies::Sets(sets.iter().map(|(url, kept)| key_sets.of(url, *kept)).collect()),
            Ok(Written::Own) => Verifies::Own,
            // No plan is made of such a definition.
            Err(_) => Verifies::Nothing,
        };
        let skews = Skews {
            issued_at: api.jwt_issued_at_validation_skew,
            expires_at: api.jwt_expires_at_validation_skew,
            not_before: api.jwt_not_before_validation_skew,
        };
        let step = Jwt {
            places: Places::of(api.jwt_place()),
            method: Method::named(&api.jwt_signing_method),
            verifies,
            skews,
            identity: api.jwt_identity_base_field.clone(),
            skips_kid: api.jwt_skip_kid,
            policies: PolicyRules::of(api),
            org_id: api.org_id.as_str().into(),
            admission: Admission::of(api, "jwt_claim"),
            keyring: Arc::clone(keyring),
        };
        Box::new(Arc::new(step)) as Box<dyn Step>
    })
}

impl Step for Arc<Jwt> {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let found = self.places.find(&exchange.request).ok_or(JwtError::Missing)?;
        let token = Token::parse(without_scheme(&found), self.method)?;
        drop(found);
        match &self.verifies {
            Verifies::Key(key) => self.enter(key.verify(&token)?, exchange),
            Verifies::Sets(sets) => self.by_set(sets, token, exchange),
            Verifies::Own => self.by_own_key(token, exchange),
            Verifies::Nothing => Err(RequestError::Broken("nothing verifies its tokens".to_owned())),
        }
    }
}

impl Jwt {
    /// Verifies by the key that the token names in a set.
    fn by_set(
        self: &Arc<Self>,
        sets: &[Arc<KeySet>],
        token: Token,
        exchange: &mut Exchange,
    ) -> Result<Ran, RequestError> {
        let kid = token.kid.as_deref().ok_or(JwtError::NoKid)?;
        let now = Instant::now();
        match sets::look(sets, kid, now) {
            Look::Keys(keys) => self.by_any(&keys, &token, exchange),
            Look::Nothing => Err(JwtError::UnknownKid.into()),
            Look::Due => {
                let (this, sets, kid) = (Arc::clone(self), sets.to_vec(), kid.to_owned());
                let fetched = async move { sets::fetch(&sets, &kid, now).await };
                Ok(Ran::wait(fetched, move |keys, exchange| this.by_any(&keys?, &token, exchange)))
            }
        }
    }

    fn by_any(
        self: &Arc<Self>,
        keys: &[Arc<Key>],
        token: &Token,
        exchange: &mut Exchange,
    ) -> Result<Ran, RequestError> {
        let mut refused = JwtError::Signature;
        for key in keys {
            match key.verify(token) {
                Ok(claims) => return self.enter(claims, exchange),
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    /// Verifies by the secret of the key that the token names, whose session it has.
    fn by_own_key(self: &Arc<Self>, token: Token, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let name = match token.kid.as_deref().filter(|_| !self.skips_kid) {
            Some(kid) => kid.to_owned(),
            None => {
                let claims = token.unverified()?;
                claims::identity(&claims, &self.identity).map_err(|_| JwtError::NoKeyNamed)?.to_owned()
            }
        };
        if let Some(known) = self.keyring.cached(&self.org_id, &name) {
            return self.by_secret(known, &token, exchange);
        }
        let this = Arc::clone(self);
        let looked_up = async move {
            let found = this.keyring.look_up(&this.org_id, &name).await;
            (this, found)
        };
        Ok(Ran::wait(looked_up, move |(this, found), exchange| {
            let known = found.map_err(of_key)?.ok_or(JwtError::UnknownKey)?;
            this.by_secret(known, &token, exchange)
        }))
    }

    fn by_secret(&self, known: Known, token: &Token, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let secret = known.session.jwt_data.secret.as_bytes();
        let key = Key::read(secret, self.method).map_err(|_| JwtError::KeySecret)?;
        self.skews.check(&key.verify(token)?, unix_now())?;
        self.admission.admit(known, exchange)
    }
}

impl From<JwtError> for RequestError {
    fn from(error: JwtError) -> Self {
        Self::Jwt(error)
    }
}

/// A key whose policies cannot be applied is none.
fn of_key(error: KeyError) -> RequestError {
    match error {
        KeyError::Policies(error) => JwtError::Policy(error).into(),
        other => RequestError::KeyFailed(other),
    }
}
