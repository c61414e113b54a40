//! Refuses a session whose access rights do not name this API. Source: Tyk, `gateway/mw_access_rights.go`.
//!
//! The versions that the rights list are for versioned APIs, and this gateway serves none.

use gateway_model::Session;
use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "access_rights", build };

struct AccessRights {
    api_id: String,
}

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (!api.use_keyless).then(|| Box::new(AccessRights { api_id: api.api_id.clone() }) as Box<dyn Step>)
}

impl Step for AccessRights {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        match exchange.caller.session() {
            Some(session) if self.allows(session) => Ok(Ran::On),
            Some(_) => Err(RequestError::AccessDenied),
            None => Err(RequestError::SessionMissing),
        }
    }
}

impl AccessRights {
    /// No rights at all mean every API.
    fn allows(&self, session: &Session) -> bool {
        session.access_rights.is_empty() || session.access_rights.contains_key(&self.api_id)
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::AccessDefinition;

    use super::*;

    fn rights(api_id: &str, versions: &[&str]) -> Session {
        let versions = versions.iter().map(|version| (*version).to_owned()).collect();
        let access = AccessDefinition { versions, ..AccessDefinition::default() };
        Session { access_rights: [(api_id.to_owned(), access)].into(), ..Session::default() }
    }

    fn allows(session: &Session) -> bool {
        AccessRights { api_id: "orders".into() }.allows(session)
    }

    #[test]
    fn no_rights_at_all_are_every_right() {
        assert!(allows(&Session::default()));
    }

    #[test]
    fn rights_that_do_not_name_the_api_refuse() {
        assert!(!allows(&rights("billing", &[])));
        assert!(allows(&rights("orders", &[])));
    }

    #[test]
    fn versions_are_no_matter_of_an_api_without_them() {
        assert!(allows(&rights("orders", &["v2"])));
    }
}
