//! ORDER: what a request meets, read from top to bottom.
//!
//! A built-in decides in `build`, when the API loads, whether it applies; one that does not is absent from the API's
//! chain and costs nothing. Source: Tyk, `gateway/api_loader.go`.

mod access_rights;
mod auth_key;
pub(crate) mod certificate_check;
mod credential;
mod expiry;
mod granular_access;
mod guards;
mod key_expired;
mod strip_auth;
pub(crate) mod version_check;

use gateway_model::{ApiDefinition, Hook};
use gateway_sdk::exchange::Exchange;

use crate::error::RequestError;

/// A built-in step of one API.
pub(crate) trait Step: Send + Sync {
    /// Lets the request go on, or says why not.
    fn run(&self, exchange: &mut Exchange) -> Result<(), RequestError>;
}

/// A kind of built-in step.
pub(crate) struct Middleware {
    pub(crate) name: &'static str,
    /// `None`: this API does not need it.
    pub(crate) build: fn(&ApiDefinition) -> Option<Box<dyn Step>>,
}

/// One row of [`ORDER`].
pub(crate) enum Row {
    BuiltIn(Middleware),
    /// The plugins that the definition names for a hook, in its order.
    Plugins(Hook),
    /// The client's certificate, where the API asks for one: its list is read from files, not from the definition alone.
    ClientCertificate(&'static str),
}

/// What a request meets, in this order.
pub(crate) const ORDER: &[Row] = &[
    Row::BuiltIn(guards::STEP),
    Row::BuiltIn(version_check::STEP),
    Row::BuiltIn(expiry::STEP),
    Row::Plugins(Hook::Pre),
    Row::ClientCertificate(certificate_check::NAME),
    Row::Plugins(Hook::AuthCheck),
    Row::BuiltIn(auth_key::STEP),
    Row::Plugins(Hook::PostKeyAuth),
    Row::BuiltIn(strip_auth::STEP),
    Row::BuiltIn(key_expired::STEP),
    Row::BuiltIn(access_rights::STEP),
    Row::BuiltIn(granular_access::STEP),
    Row::Plugins(Hook::Endpoint),
    Row::Plugins(Hook::Post),
];
