//! Asks for a token, where the definition asks for one or for nothing else, and says whose it is.
//!
//! Source: Tyk, `gateway/mw_auth_key.go`; gateway.md §5.15.

use std::sync::Arc;

use gateway_model::Session;
use gateway_sdk::exchange::Exchange;

use super::admission::Admission;
use super::client_certificate::ByCertificate;
use super::credential::{Places, without_scheme};
use super::token_signature::TokenSignature;
use super::{Building, Middleware, Ran, Step, jwt};
use crate::error::RequestError;
use crate::keyring::{Keyring, Known};

pub(super) const STEP: Middleware = Middleware { name: "auth_token", build };

struct AuthToken {
    places: Places,
    keyring: Arc<Keyring>,
    entry: Arc<Entry>,
}

/// How a session that was found comes in.
struct Entry {
    org_id: Box<str>,
    admission: Admission,
    /// Who shows a token signs it too.
    signature: Option<TokenSignature>,
}

fn build(building: &Building<'_>) -> Option<Box<dyn Step>> {
    let Building { api, keyring, .. } = building;
    api.asks_for_token().then(|| {
        let admission = Admission::of(api, "auth_token");
        if api.identifies_by_certificate() {
            return Box::new(ByCertificate::new(building, admission)) as Box<dyn Step>;
        }
        let entry =
            Entry { org_id: api.org_id.as_str().into(), admission, signature: TokenSignature::of(api.token_source()) };
        let (places, entry) = (Places::of(api.token_source()), Arc::new(entry));
        Box::new(AuthToken { places, keyring: Arc::clone(keyring), entry }) as Box<dyn Step>
    })
}

impl Step for AuthToken {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let found = self.places.find(&exchange.request).ok_or(RequestError::CredentialMissing)?;
        let key = without_scheme(&found);
        if let Some(known) = self.keyring.cached(&self.entry.org_id, key) {
            return self.entry.take(known, exchange);
        }
        let (keyring, entry, key) = (Arc::clone(&self.keyring), Arc::clone(&self.entry), key.to_owned());
        let looked_up = async move { (keyring.look_up(&entry.org_id, &key).await, entry) };
        Ok(Ran::wait(looked_up, |(found, entry), exchange| {
            let known = found.map_err(RequestError::KeyFailed)?.ok_or(RequestError::CredentialUnknown)?;
            entry.take(known, exchange)
        }))
    }
}

impl Entry {
    fn take(&self, known: Known, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        refuse_name(&known.session)?;
        self.admission.check(&known.session, exchange)?;
        if let Some(signature) = &self.signature {
            signature.check(exchange, &known.session)?;
        }
        Ok(self.admission.enter(known, exchange))
    }
}

/// Refuses a session whose key is no secret: the name of a user, the `keyId` of signatures, or what a JSON web token's
/// caller is known by.
pub(super) fn refuse_name(session: &Session) -> Result<(), RequestError> {
    if has_secret(session) {
        return Err(RequestError::CredentialSecret);
    }
    if jwt::is_of_token(session) { Err(RequestError::CredentialUnknown) } else { Ok(()) }
}

/// Whether the key is known to others: it is the name of a user, or the `keyId` of signatures, and what lets its owner in
/// is a password or a secret beside it.
fn has_secret(session: &Session) -> bool {
    let signs = session.hmac_enabled && !session.hmac_string.is_empty();
    signs || !session.basic_auth_data.password.is_empty()
}

#[cfg(test)]
mod tests {
    use gateway_model::BasicAuthData;

    use super::*;

    #[test]
    fn what_has_a_secret_beside_it_is_no_token() {
        let basic_auth_data = BasicAuthData { password: "hash".into(), ..BasicAuthData::default() };
        assert!(has_secret(&Session { basic_auth_data, ..Session::default() }));
        let signs =
            |hmac_enabled, secret: &str| Session { hmac_enabled, hmac_string: secret.into(), ..Session::default() };
        assert!(has_secret(&signs(true, "secret")));
        assert!(!has_secret(&signs(true, "")) && !has_secret(&signs(false, "secret")));
        assert!(!has_secret(&Session::default()));
    }
}
