//! Asks for a token, where the definition asks for one or for nothing else. Source: Tyk, `gateway/mw_auth_key.go`.
//!
//! This gateway stores no keys yet: whoever brings a token brings an unknown one.

use gateway_model::ApiDefinition;
use gateway_sdk::exchange::Exchange;

use super::credential::Places;
use super::{Middleware, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "auth_key", build };

struct AuthKey(Places);

fn build(api: &ApiDefinition) -> Option<Box<dyn Step>> {
    let plugin = api.custom_auth_enabled() && api.custom_middleware.auth_check.is_enabled();
    let asked = !api.use_keyless && (api.use_standard_auth || !plugin);
    asked.then(|| Box::new(AuthKey(Places::of(api.token_source()))) as Box<dyn Step>)
}

impl Step for AuthKey {
    fn run(&self, exchange: &mut Exchange) -> Result<(), RequestError> {
        let is_there = self.0.are_used(&exchange.request);
        Err(if is_there { RequestError::CredentialUnknown } else { RequestError::CredentialMissing })
    }
}
