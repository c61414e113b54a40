//! Refuses a session whose access rights do not name this API. Source: Tyk, `gateway/mw_access_rights.go`.

use gateway_model::{ApiDefinition, Session};
use gateway_sdk::exchange::Exchange;

use super::{Middleware, Step};
use crate::error::RequestError;
use crate::middleware::version_check::default_version;

pub(super) const STEP: Middleware = Middleware { name: "access_rights", build };

struct AccessRights {
    api_id: String,
    /// The name of the version that is served.
    version: Option<String>,
}

fn build(api: &ApiDefinition) -> Option<Box<dyn Step>> {
    (!api.use_keyless).then(|| {
        let version = default_version(&api.version_data).ok().flatten();
        let version = version.map(|(_, version)| version.name.clone());
        Box::new(AccessRights { api_id: api.api_id.clone(), version }) as Box<dyn Step>
    })
}

impl Step for AccessRights {
    fn run(&self, exchange: &mut Exchange) -> Result<(), RequestError> {
        match exchange.session.as_deref() {
            Some(session) if self.allows(session) => Ok(()),
            Some(_) => Err(RequestError::AccessDenied),
            None => Err(RequestError::SessionMissing),
        }
    }
}

impl AccessRights {
    /// No rights at all mean every API.
    fn allows(&self, session: &Session) -> bool {
        if session.access_rights.is_empty() {
            return true;
        }
        let Some(access) = session.access_rights.get(&self.api_id) else { return false };
        let named = |version: &String| version.is_empty() || access.versions.contains(version);
        access.versions.is_empty() || self.version.as_ref().is_none_or(named)
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
        AccessRights { api_id: "orders".into(), version: Some("v1".into()) }.allows(session)
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
    fn rights_may_name_versions() {
        assert!(allows(&rights("orders", &["v0", "v1"])));
        assert!(!allows(&rights("orders", &["v2"])));
    }
}
