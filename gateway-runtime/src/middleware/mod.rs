//! ORDER: what a request meets, read from top to bottom.
//!
//! A built-in decides in `build`, when the API loads, whether it applies; one that does not is absent from the API's
//! chain and costs nothing. Source: Tyk, `gateway/api_loader.go`.

mod access_rights;
mod api_rate_limit;
mod auth_token;
pub(crate) mod basic_auth;
pub(crate) mod certificate_check;
mod credential;
mod expiry;
mod granular_access;
mod guards;
pub(crate) mod http_signature;
mod key_expired;
mod quota;
mod rate_limit;
mod strip_auth;
pub(crate) mod token_signature;
pub(crate) mod version_check;

use std::sync::Arc;

use gateway_model::{ApiDefinition, Hook};
use gateway_sdk::exchange::{BoxFuture, Exchange};

use crate::apis::listen_path::ListenPath;
use crate::apis::rates::EndpointRates;
use crate::error::RequestError;
use crate::keyring::Keyring;
use crate::limiter::Limiter;
use crate::middleware::basic_auth::credentials::FromBody;

/// A built-in step of one API.
pub(crate) trait Step: Send + Sync {
    /// Lets the request go on, or says why not; or says what has to be waited for.
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError>;
}

/// What a step came to.
pub(crate) enum Ran {
    /// The request goes on.
    On,
    /// Somebody has to answer first. Only a step that asks somebody outside of the process comes to this.
    Wait(BoxFuture<'static, Then>),
}

/// How a step goes on with the answer that it waited for.
pub(crate) type Then = Box<dyn FnOnce(&mut Exchange) -> Result<Ran, RequestError> + Send>;

impl Ran {
    /// Waits for an answer, and goes on with it.
    pub(crate) fn wait<A: Send + 'static>(
        answer: impl Future<Output = A> + Send + 'static,
        then: impl FnOnce(A, &mut Exchange) -> Result<Self, RequestError> + Send + 'static,
    ) -> Self {
        Self::Wait(Box::pin(async move {
            let answer = answer.await;
            Box::new(move |exchange: &mut Exchange| then(answer, exchange)) as Then
        }))
    }
}

/// A kind of built-in step.
pub(crate) struct Middleware {
    pub(crate) name: &'static str,
    /// `None`: this API does not need it.
    pub(crate) build: fn(&Building<'_>) -> Option<Box<dyn Step>>,
}

/// What a step is built from.
pub(crate) struct Building<'a> {
    pub(crate) api: &'a ApiDefinition,
    pub(crate) keyring: &'a Arc<Keyring>,
    pub(crate) limiter: &'a Arc<Limiter>,
    pub(crate) listen: &'a Arc<ListenPath>,
    /// Of single paths.
    pub(crate) rates: Option<Arc<EndpointRates>>,
    /// How passwords are found in bodies.
    pub(crate) from_body: Option<Arc<FromBody>>,
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
    Row::BuiltIn(basic_auth::STEP),
    Row::BuiltIn(http_signature::STEP),
    Row::Plugins(Hook::AuthCheck),
    Row::BuiltIn(auth_token::STEP),
    Row::Plugins(Hook::PostKeyAuth),
    Row::BuiltIn(strip_auth::STEP),
    Row::BuiltIn(key_expired::STEP),
    Row::BuiltIn(access_rights::STEP),
    Row::BuiltIn(granular_access::STEP),
    Row::BuiltIn(rate_limit::STEP),
    Row::BuiltIn(quota::STEP),
    Row::BuiltIn(api_rate_limit::STEP),
    Row::Plugins(Hook::Endpoint),
    Row::Plugins(Hook::Post),
];
