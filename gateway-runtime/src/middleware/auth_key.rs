//! Asks for a token, where the definition asks for one or for nothing else. Source: Tyk, `gateway/mw_auth_key.go`.
//!
//! This gateway stores no keys yet: whoever brings a token brings an unknown one.

use gateway_model::ApiDefinition;
use gateway_sdk::HeaderName;
use gateway_sdk::exchange::Exchange;

use super::{Middleware, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "auth_key", build };

struct AuthKey {
    /// `None`: the definition's is not a header name, and so nobody can send it.
    header: Option<HeaderName>,
}

fn build(api: &ApiDefinition) -> Option<Box<dyn Step>> {
    let plugin = api.custom_auth_enabled() && api.custom_middleware.auth_check.is_enabled();
    let asked = !api.use_keyless && (api.use_standard_auth || !plugin);
    asked.then(|| {
        let header = api.token_header().parse().ok();
        Box::new(AuthKey { header }) as Box<dyn Step>
    })
}

impl Step for AuthKey {
    fn run(&self, exchange: &mut Exchange) -> Result<(), RequestError> {
        let headers = exchange.request.headers();
        let token = self.header.as_ref().and_then(|name| headers.get(name));
        Err(match token {
            Some(token) if !token.is_empty() => RequestError::CredentialUnknown,
            _ => RequestError::CredentialMissing,
        })
    }
}
