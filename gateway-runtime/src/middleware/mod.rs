//! ORDER: what a request meets, read from top to bottom.
//!
//! A built-in decides in `build`, when the API loads, whether it applies; one that does not is absent from the API's
//! chain and costs nothing. Source: Tyk, `gateway/api_loader.go`.

mod access_rights;
mod admission;
mod api_rate_limit;
mod auth_token;
pub(crate) mod basic_auth;
mod body;
pub(crate) mod cache;
pub(crate) mod certificate_check;
mod client_certificate;
mod context_vars;
mod cors;
mod credential;
pub(crate) mod dispatch;
mod error_overrides;
mod expiry;
mod granular_access;
mod guards;
pub(crate) mod headers;
pub(crate) mod http_signature;
mod ip_access;
pub(crate) mod jwt;
mod key_expired;
pub(crate) mod lists;
mod method_transform;
mod mock_response;
mod operations;
mod organisation;
mod quota;
mod rate_limit;
mod size_limits;
mod strip_auth;
pub(crate) mod token_signature;
mod track_endpoint;
mod transform;
mod url_rewrite;
mod validate_json;
mod validate_request;
pub(crate) mod version_check;

use std::collections::HashMap;
use std::sync::Arc;

use gateway_model::{ApiDefinition, AuthMethod, Hook};
use gateway_sdk::exchange::{BoxFuture, Exchange};
use gateway_sdk::{Request, Response};

use crate::apis::listen_path::ListenPath;
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::certificates::Certificates;
use crate::chain::{Elsewhere, Journey};
use crate::config::RateHeaders;
use crate::error::RequestError;
use crate::error::overrides::ApiOverrides;
use crate::keyring::Keyring;
use crate::limiter::Limiter;
use crate::middleware::basic_auth::credentials::FromBody;
use crate::middleware::cache::CacheRules;
use crate::middleware::jwt::sets::KeySets;
use crate::responses::Responses;
use crate::session::limits::EndpointLimit;

pub(crate) use rate_limit::counted_id;

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
    /// The client gets this, and no more is asked.
    Answer(Box<Response>),
    /// This stands for the upstream's answer: it meets the response's chain.
    InPlace(Box<Response>),
    /// Somebody else serves the request.
    Elsewhere(Elsewhere),
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

impl Step for Arc<dyn Step> {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        (**self).run(exchange)
    }
}

/// A kind of built-in step that is made of the definition alone, when that is read: its mistakes are found by `gateway
/// check` too.
pub(crate) struct PlannedMiddleware {
    pub(crate) name: &'static str,
    /// `None`: this API does not need it, or its mistakes are told.
    pub(crate) plan: fn(&mut Planning<'_, '_>) -> Option<Box<dyn Step>>,
}

/// The steps of one API that are made of its definition alone, by their names.
pub(crate) type Steps = HashMap<&'static str, Arc<dyn Step>>;

/// A kind of built-in step that needs more than the definition: keys, counters.
pub(crate) struct Middleware {
    pub(crate) name: &'static str,
    /// `None`: this API does not need it.
    pub(crate) build: fn(&Building<'_>) -> Option<Box<dyn Step>>,
}

/// What a step is built from.
pub(crate) struct Building<'a> {
    pub(crate) api: &'a ApiDefinition,
    pub(crate) keyring: &'a Arc<Keyring>,
    /// Those in the store.
    pub(crate) certificates: &'a Certificates,
    pub(crate) limiter: &'a Arc<Limiter>,
    /// Where public keys are fetched.
    pub(crate) key_sets: &'a KeySets,
    /// Where answers are kept.
    pub(crate) responses: &'a Arc<Responses>,
    pub(crate) rate_headers: RateHeaders,
    /// Which entry of `X-Forwarded-For` is the client's.
    pub(crate) depth: i64,
    /// Which answers are kept.
    pub(crate) caching: Option<Arc<CacheRules>>,
    pub(crate) listen: &'a Arc<ListenPath>,
    /// Of single paths.
    pub(crate) rates: Option<Arc<OnPaths<EndpointLimit>>>,
    /// How passwords are found in bodies.
    pub(crate) from_body: Option<Arc<FromBody>>,
    /// Which of the versions that requests choose among this is.
    pub(crate) version: Option<&'a str>,
    /// What is answered in place of errors.
    pub(crate) overrides: Option<&'a Arc<ApiOverrides>>,
}

/// One row of [`ORDER`] or [`RESPONSE`].
pub(crate) enum Row {
    BuiltIn(Middleware),
    Planned(PlannedMiddleware),
    /// The plugins that the definition names for a hook, in its order.
    Plugins(Hook),
    /// Who is calling.
    Authentication(&'static [(AuthMethod, Row)]),
    /// The client's certificate, where the API asks for one: its list is read from files, not from the definition alone.
    ClientCertificate(&'static str),
}

/// The ways of authentication, in the order in which they are asked. All that an API asks for must pass, unless it has
/// groups of them of which one is enough. Source: gateway.md §5.3.
const AUTHENTICATION: &[(AuthMethod, Row)] = &[
    (AuthMethod::Basic, Row::BuiltIn(basic_auth::STEP)),
    (AuthMethod::Signature, Row::BuiltIn(http_signature::STEP)),
    (AuthMethod::Jwt, Row::BuiltIn(jwt::STEP)),
    (AuthMethod::Custom, Row::Plugins(Hook::AuthCheck)),
    (AuthMethod::Token, Row::BuiltIn(auth_token::STEP)),
];

/// What a request meets, in this order.
pub(crate) const ORDER: &[Row] = &[
    Row::BuiltIn(guards::STEP),
    Row::Planned(version_check::STEP),
    Row::BuiltIn(expiry::STEP),
    Row::Planned(lists::STEP),
    Row::Planned(cors::STEP),
    Row::Plugins(Hook::Pre),
    Row::Planned(ip_access::STEP),
    Row::ClientCertificate(certificate_check::NAME),
    Row::BuiltIn(organisation::STEP),
    Row::Planned(size_limits::STEP),
    Row::Planned(context_vars::STEP),
    Row::Planned(track_endpoint::STEP),
    Row::Authentication(AUTHENTICATION),
    Row::Plugins(Hook::PostKeyAuth),
    Row::BuiltIn(strip_auth::STEP),
    Row::BuiltIn(key_expired::STEP),
    Row::BuiltIn(access_rights::STEP),
    Row::BuiltIn(granular_access::STEP),
    Row::BuiltIn(rate_limit::STEP),
    Row::BuiltIn(quota::STEP),
    Row::BuiltIn(api_rate_limit::STEP),
    Row::Planned(validate_json::STEP),
    Row::Planned(validate_request::STEP),
    Row::Planned(transform::REQUEST),
    Row::Planned(headers::request::STEP),
    Row::Planned(url_rewrite::STEP),
    Row::Planned(method_transform::STEP),
    Row::Planned(mock_response::STEP),
    Row::BuiltIn(cache::read::STEP),
    Row::Plugins(Hook::Endpoint),
    Row::Plugins(Hook::Post),
    Row::Planned(dispatch::STEP),
];

/// What an upstream's response meets, in this order. Source: gateway.md §5.9.
pub(crate) const RESPONSE: &[Row] = &[
    Row::Planned(transform::RESPONSE),
    Row::Planned(headers::response::STEP),
    Row::Planned(headers::cleanup::STEP),
    Row::Plugins(Hook::Response),
    Row::BuiltIn(error_overrides::STEP),
    Row::BuiltIn(cache::write::STEP),
    Row::Planned(cors::ON_RESPONSE),
];

impl Row {
    /// Whether it is for callers that are known, and left out on paths on which nobody is asked who they are. Source:
    /// gateway.md §5.3.
    pub(crate) fn is_for_callers(&self) -> bool {
        match self {
            Self::ClientCertificate(_) | Self::Authentication(_) => true,
            Self::BuiltIn(Middleware { name, .. }) => FOR_CALLERS.contains(name),
            Self::Planned(_) | Self::Plugins(_) => false,
        }
    }
}

const FOR_CALLERS: [&str; 5] = [
    key_expired::STEP.name,
    access_rights::STEP.name,
    granular_access::STEP.name,
    rate_limit::STEP.name,
    quota::STEP.name,
];

/// The token of a request, as far as one is looked for.
pub(crate) fn token_of(api: &ApiDefinition, request: &Request) -> Option<String> {
    let found = credential::Places::of(api.token_source()).find(request)?;
    Some(credential::without_scheme(&found).to_owned())
}

/// Whether a step is left out for a request that goes round: limits count once, and whose token was taken is not asked
/// for it again. Source: gateway.md §5.6.
pub(crate) fn is_left_out(step: &str, journey: Journey, is_known: bool) -> bool {
    const LIMITS: [&str; 4] =
        [organisation::STEP.name, rate_limit::STEP.name, quota::STEP.name, api_rate_limit::STEP.name];
    (!journey.checks_limits && LIMITS.contains(&step)) || (journey.is_self && is_known && step == auth_token::STEP.name)
}

/// The rows up to the one that chooses a version.
pub(crate) fn choice() -> impl Iterator<Item = &'static Row> {
    let is_last = |row: &&Row| matches!(row, Row::Planned(middleware) if middleware.name == version_check::STEP.name);
    let last = ORDER.iter().take_while(|row| !is_last(row)).count();
    ORDER.iter().take(last + 1)
}

/// The rows that say who is calling and whether it may. No plugin but `auth_check` is among them, and nothing is counted
/// but for an organisation. Source: Tyk, `gateway/api_loader.go`.
pub(crate) fn access() -> impl Iterator<Item = &'static Row> {
    let is_last = |row: &&Row| matches!(row, Row::BuiltIn(middleware) if middleware.name == access_rights::STEP.name);
    let last = ORDER.iter().take_while(|row| !is_last(row)).count();
    ORDER.iter().take(last + 1).filter(|row| !matches!(row, Row::Plugins(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_all_up_to_the_rights_but_the_plugins() {
        let name = |row: &'static Row| match row {
            Row::BuiltIn(middleware) => middleware.name,
            Row::Planned(middleware) => middleware.name,
            Row::ClientCertificate(name) => name,
            Row::Authentication(_) => "authentication",
            Row::Plugins(hook) => hook.as_str(),
        };
        let names: Vec<&str> = access().map(name).collect();
        for asked in ["guards", "ip_access", "certificate_check", "organisation", "authentication", "key_expired"] {
            assert!(names.contains(&asked), "{asked}: {names:?}");
        }
        for other in ["pre", "post_key_auth", "granular_access", "rate_limit", "quota", "post"] {
            assert!(!names.contains(&other), "{other}: {names:?}");
        }
        assert_eq!(names.last(), Some(&"access_rights"));
    }
}
