//! Takes the credential out of the request, so that the upstream does not see it. Source: Tyk, `gateway/mw_strip_auth.go`.

use gateway_model::ApiDefinition;
use gateway_sdk::exchange::Exchange;

use super::credential::Places;
use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "strip_auth", build };

struct StripAuth(Vec<Places>);

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    is_asked(api).then(|| Box::new(StripAuth(places(api))) as Box<dyn Step>)
}

fn is_asked(api: &ApiDefinition) -> bool {
    api.strip_auth_data && !api.use_keyless
}

/// Wherever the definition lets a client put a credential.
fn places(api: &ApiDefinition) -> Vec<Places> {
    api.credential_sources().map(Places::of).collect()
}

impl Step for StripAuth {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        for places in &self.0 {
            places.clear(&mut exchange.request);
        }
        Ok(Ran::On)
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::AuthConfig;

    use super::*;

    #[test]
    fn only_an_api_that_asks_and_that_has_credentials_strips_them() {
        let asks = ApiDefinition { strip_auth_data: true, ..ApiDefinition::default() };
        assert!(is_asked(&asks));
        assert!(!is_asked(&ApiDefinition { use_keyless: true, ..asks }));
        assert!(!is_asked(&ApiDefinition::default()));
    }

    #[test]
    fn every_configured_way_of_authentication_is_stripped() {
        let named = |name: &str| (name.to_owned(), AuthConfig::default());
        let api = ApiDefinition { auth_configs: [named("jwt"), named("coprocess")].into(), ..ApiDefinition::default() };
        assert_eq!(places(&api).len(), 2);
        assert_eq!(places(&ApiDefinition::default()).len(), 1, "`Authorization`");
    }
}
