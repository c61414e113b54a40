//! Refuses a session whose access rights do not name this API, or, where requests choose among versions of it, this version.
//!
//! Source: Tyk, `gateway/mw_access_rights.go`; gateway.md §5.15.

use gateway_model::Session;
use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "access_rights", build };

struct AccessRights {
    api_id: String,
    /// `None`: requests do not choose among versions.
    version: Option<String>,
}

fn build(Building { api, version, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    let version = version.map(str::to_owned);
    (!api.use_keyless).then(|| Box::new(AccessRights { api_id: api.api_id.clone(), version }) as Box<dyn Step>)
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
        let is_listed = |versions: &[String]| self.version.as_ref().is_none_or(|version| versions.contains(version));
        session.access_rights.is_empty()
            || session.access_rights.get(&self.api_id).is_some_and(|access| is_listed(&access.versions))
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
        AccessRights { api_id: "orders".into(), version: None }.allows(session)
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

    #[test]
    fn of_several_versions_the_rights_must_list_the_one_that_is_asked_for() {
        let v2 = AccessRights { api_id: "orders".into(), version: Some("v2".into()) };
        assert!(v2.allows(&rights("orders", &["v1", "v2"])) && v2.allows(&Session::default()));
        assert!(!v2.allows(&rights("orders", &["v1"])) && !v2.allows(&rights("orders", &[])));
    }
}
