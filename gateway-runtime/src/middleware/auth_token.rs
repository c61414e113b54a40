//! Asks for a token, where the definition asks for one or for nothing else, and says whose it is.
//!
//! Source: Tyk, `gateway/mw_auth_key.go`; gateway.md §5.15.

use std::sync::Arc;

use gateway_model::ApiDefinition;
use gateway_sdk::exchange::Exchange;

use super::client_certificate::{ByCertificate, check_binding};
use super::credential::Places;
use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;
use crate::keyring::{KeyError, Keyring, Known};

pub(super) const STEP: Middleware = Middleware { name: "auth_token", build };

/// A scheme that may stand before the token, whatever its case.
const BEARER: &str = "Bearer ";

struct AuthToken {
    places: Places,
    org_id: Arc<str>,
    /// Another way of authentication says who is calling: the token only has to be there.
    is_base: bool,
    /// Of a key that is bound to certificates, one must be shown.
    binds: bool,
    keyring: Arc<Keyring>,
}

fn build(building: &Building<'_>) -> Option<Box<dyn Step>> {
    let Building { api, keyring, .. } = building;
    is_asked(api).then(|| {
        let is_base = matches!(api.base_identity_provided_by.as_str(), "" | "auth_token");
        if api.identifies_by_certificate() {
            return Box::new(ByCertificate::new(building, is_base)) as Box<dyn Step>;
        }
        let step = AuthToken {
            places: Places::of(api.token_source()),
            org_id: api.org_id.as_str().into(),
            is_base,
            binds: api.use_mutual_tls_auth,
            keyring: Arc::clone(keyring),
        };
        Box::new(step) as Box<dyn Step>
    })
}

fn is_asked(api: &ApiDefinition) -> bool {
    let plugin = api.custom_auth_enabled() && api.custom_middleware.auth_check.is_enabled();
    !api.use_keyless && (api.use_standard_auth || !plugin)
}

impl Step for AuthToken {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let found = self.places.find(&exchange.request).ok_or(RequestError::CredentialMissing)?;
        let key = without_scheme(&found);
        if let Some(known) = self.keyring.cached(&self.org_id, key) {
            return self.entry().take(known, exchange);
        }
        let (keyring, org_id, key, entry) =
            (Arc::clone(&self.keyring), Arc::clone(&self.org_id), key.to_owned(), self.entry());
        let looked_up = async move { keyring.look_up(&org_id, &key).await };
        Ok(Ran::wait(looked_up, move |found, exchange| conclude(found, exchange, &entry)))
    }
}

impl AuthToken {
    fn entry(&self) -> Entry {
        Entry { is_base: self.is_base, bound_in: self.binds.then(|| Arc::clone(&self.org_id)) }
    }
}

/// How a session that was found comes in.
struct Entry {
    is_base: bool,
    /// The organisation of the certificates that keys are bound to, where they are asked for.
    bound_in: Option<Arc<str>>,
}

impl Entry {
    fn take(&self, known: Known, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        if let Some(org_id) = &self.bound_in {
            check_binding(&known.session, org_id, exchange.ctx.client_tls())?;
        }
        if self.is_base {
            exchange.caller.set(known.session, known.id, true);
        }
        Ok(Ran::On)
    }
}

fn conclude(
    found: Result<Option<Known>, KeyError>,
    exchange: &mut Exchange,
    entry: &Entry,
) -> Result<Ran, RequestError> {
    let known = found.map_err(RequestError::KeyFailed)?.ok_or(RequestError::CredentialUnknown)?;
    entry.take(known, exchange)
}

pub(super) fn without_scheme(credential: &str) -> &str {
    match credential.get(..BEARER.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(BEARER) => &credential[BEARER.len()..],
        _ => credential,
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::{MiddlewareDefinition, MiddlewareSection};

    use super::*;

    #[test]
    fn a_scheme_before_the_token_is_taken_off() {
        for (credential, token) in [
            ("Bearer abc", "abc"),
            ("bEARER abc", "abc"),
            ("Bearer  abc", " abc"),
            ("Bearer", "Bearer"),
            ("Basic abc", "Basic abc"),
            ("abc", "abc"),
            ("ключи и замки", "ключи и замки"),
        ] {
            assert_eq!(without_scheme(credential), token);
        }
    }

    #[test]
    fn a_token_is_asked_for_where_nothing_else_is_or_where_the_definition_says_so() {
        let auth_check = MiddlewareDefinition { name: "A".into(), ..MiddlewareDefinition::default() };
        let custom_middleware = MiddlewareSection { auth_check, ..MiddlewareSection::default() };
        let plugin = ApiDefinition { custom_plugin_auth_enabled: true, custom_middleware, ..ApiDefinition::default() };
        assert!(is_asked(&ApiDefinition::default()));
        assert!(!is_asked(&ApiDefinition { use_keyless: true, ..ApiDefinition::default() }));
        assert!(!is_asked(&plugin));
        assert!(is_asked(&ApiDefinition { use_standard_auth: true, ..plugin }));
    }
}
