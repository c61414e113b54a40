//! Asks for a token, where the definition asks for one or for nothing else, and says whose it is.
//!
//! Source: Tyk, `gateway/mw_auth_key.go`; gateway.md §5.15.

use std::sync::Arc;

use gateway_sdk::exchange::Exchange;

use super::credential::{Places, without_scheme};
use super::token_signature::TokenSignature;
use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;
use crate::keyring::{Keyring, Known};

pub(super) const STEP: Middleware = Middleware { name: "auth_token", build };

struct AuthToken {
    places: Places,
    org_id: Arc<str>,
    /// Another way of authentication says who is calling: the token only has to be there.
    is_base: bool,
    /// Who shows a token signs it too.
    signature: Option<Arc<TokenSignature>>,
    keyring: Arc<Keyring>,
}

fn build(Building { api, keyring, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    api.asks_for_token().then(|| {
        let step = AuthToken {
            places: Places::of(api.token_source()),
            org_id: api.org_id.as_str().into(),
            is_base: matches!(api.base_identity_provided_by.as_str(), "" | "auth_token"),
            signature: TokenSignature::of(api.token_source()).map(Arc::new),
            keyring: Arc::clone(keyring),
        };
        Box::new(step) as Box<dyn Step>
    })
}

impl Step for AuthToken {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let found = self.places.find(&exchange.request).ok_or(RequestError::CredentialMissing)?;
        let key = without_scheme(&found);
        if let Some(known) = self.keyring.cached(&self.org_id, key) {
            return enter(exchange, known, self.is_base, self.signature.as_deref());
        }
        let (keyring, org_id, key) = (Arc::clone(&self.keyring), Arc::clone(&self.org_id), key.to_owned());
        let (is_base, signature) = (self.is_base, self.signature.clone());
        let looked_up = async move { keyring.look_up(&org_id, &key).await };
        Ok(Ran::wait(looked_up, move |found, exchange| {
            let known = found.map_err(RequestError::KeyFailed)?.ok_or(RequestError::CredentialUnknown)?;
            enter(exchange, known, is_base, signature.as_deref())
        }))
    }
}

fn enter(
    exchange: &mut Exchange,
    known: Known,
    is_base: bool,
    signature: Option<&TokenSignature>,
) -> Result<Ran, RequestError> {
    if let Some(signature) = signature {
        signature.check(exchange, &known.session)?;
    }
    if is_base {
        exchange.caller.set(known.session, known.id, true);
    }
    Ok(Ran::On)
}
