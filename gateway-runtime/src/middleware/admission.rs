//! How a key comes in that a way of authentication has found: the same for all of them.

use gateway_model::{ApiDefinition, Session};
use gateway_sdk::exchange::Exchange;

use super::Ran;
use super::client_certificate::check_binding;
use crate::error::RequestError;
use crate::keyring::Known;

/// The rules of one way of authentication of one API.
pub(super) struct Admission {
    org_id: Box<str>,
    /// It says who is calling. Otherwise another way does, and this one only has to let the request in.
    is_base: bool,
    /// Of a key that is bound to certificates, one must be shown.
    binds: bool,
}

impl Admission {
    /// `name` is what `base_identity_provided_by` calls this way of authentication.
    pub(super) fn of(api: &ApiDefinition, name: &str) -> Self {
        let base = api.base_identity_provided_by.as_str();
        Self {
            org_id: api.org_id.as_str().into(),
            is_base: base.is_empty() || base == name,
            binds: api.use_mutual_tls_auth,
        }
    }

    /// Lets a key in, with one of the certificates that it is bound to.
    ///
    /// # Errors
    /// When none of them is shown.
    pub(super) fn admit(&self, known: Known, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        self.check(&known.session, exchange)?;
        Ok(self.enter(known, exchange))
    }

    /// Refuses a key that is bound to other certificates than the client's.
    pub(super) fn check(&self, session: &Session, exchange: &Exchange) -> Result<(), RequestError> {
        if self.binds { check_binding(session, &self.org_id, exchange.ctx.client_tls()) } else { Ok(()) }
    }

    /// Takes a key for that of the caller, if this way says who is calling.
    pub(super) fn enter(&self, known: Known, exchange: &mut Exchange) -> Ran {
        if self.is_base {
            exchange.caller.set(known.session, known.id, true);
        }
        Ran::On
    }
}
