//! ROUTES: the gateway's own paths. They outrank every API. Source: Tyk, `gateway/server.go`, `gateway/api.go`.
//!
//! | module | what it holds |
//! |---|---|
//! | `route` | one row of ROUTES, and how a path finds it |
//! | `call` | what a route is called with: what its path names, its query, its body |
//! | `reply`, `refusal` | the bodies that answers have, and every error |
//! | `files` | files that are written whole or not at all |
//! | all others | what single routes do |

mod apis;
mod cache;
mod call;
mod certs;
mod files;
mod health;
mod keys;
mod metrics;
mod oas;
mod openapi;
mod organisations;
mod plugins;
mod policies;
mod refusal;
mod reload;
mod reply;
mod route;
mod schema;

use std::sync::Arc;

use gateway_sdk::http::request;
use gateway_sdk::{Body, HeaderValue, Method, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::error::RequestError;
use crate::gateway::{Entrance, Gateway};
use crate::serve::Peer;
use crate::tls::clients::{Allowed, Denied};
use call::Call;
use refusal::Refusal;
use reply::{json as reply, status};
use route::{Found, Route};

const PREFIX: &str = "/tyk";
const SECRET_HEADER: &str = "x-tyk-authorization";

/// What there is under `/tyk`. Of two rows that a path fits, the first is called.
const ROUTES: &[Route] = &[
    Route { method: Method::GET, path: "/reload", run: |call| Box::pin(reload::reload(call)) },
    Route { method: Method::GET, path: "/reload/group", run: |call| Box::pin(reload::group(call)) },
    Route { method: Method::GET, path: "/apis", run: |call| Box::pin(async move { Ok(apis::list(&call)) }) },
    Route { method: Method::POST, path: "/apis", run: |call| Box::pin(apis::create(call)) },
    Route { method: Method::GET, path: "/apis/oas", run: |call| Box::pin(async move { Ok(oas::list(&call)) }) },
    Route { method: Method::POST, path: "/apis/oas", run: |call| Box::pin(oas::create(call)) },
    Route {
        method: Method::GET,
        path: "/apis/oas/export",
        run: |call| Box::pin(async move { Ok(oas::export_all(&call)) }),
    },
    Route { method: Method::POST, path: "/apis/oas/import", run: |call| Box::pin(oas::import(call)) },
    Route { method: Method::GET, path: "/apis/oas/{api_id}", run: |call| Box::pin(async move { oas::one(&call) }) },
    Route { method: Method::PUT, path: "/apis/oas/{api_id}", run: |call| Box::pin(oas::update(call)) },
    Route { method: Method::PATCH, path: "/apis/oas/{api_id}", run: |call| Box::pin(oas::patch(call)) },
    Route { method: Method::DELETE, path: "/apis/oas/{api_id}", run: |call| Box::pin(oas::delete(call)) },
    Route {
        method: Method::GET,
        path: "/apis/oas/{api_id}/export",
        run: |call| Box::pin(async move { oas::export(&call) }),
    },
    Route { method: Method::GET, path: "/apis/{api_id}", run: |call| Box::pin(async move { apis::one(&call) }) },
    Route { method: Method::PUT, path: "/apis/{api_id}", run: |call| Box::pin(apis::update(call)) },
    Route { method: Method::PATCH, path: "/apis/{api_id}", run: |call| Box::pin(apis::patch(call)) },
    Route { method: Method::DELETE, path: "/apis/{api_id}", run: |call| Box::pin(apis::delete(call)) },
    Route {
        method: Method::GET,
        path: "/apis/{api_id}/versions",
        run: |call| Box::pin(async move { apis::versions(&call) }),
    },
    Route { method: Method::GET, path: "/policies", run: |call| Box::pin(async move { Ok(policies::list(&call)) }) },
    Route { method: Method::POST, path: "/policies", run: |call| Box::pin(policies::create(call)) },
    Route {
        method: Method::GET,
        path: "/policies/{policy_id}",
        run: |call| Box::pin(async move { policies::one(&call) }),
    },
    Route { method: Method::POST, path: "/policies/{policy_id}", run: |call| Box::pin(policies::create(call)) },
    Route { method: Method::PUT, path: "/policies/{policy_id}", run: |call| Box::pin(policies::update(call)) },
    Route { method: Method::DELETE, path: "/policies/{policy_id}", run: |call| Box::pin(policies::delete(call)) },
    Route { method: Method::GET, path: "/keys", run: |call| Box::pin(keys::list(call)) },
    Route { method: Method::POST, path: "/keys", run: |call| Box::pin(keys::create_here(call)) },
    Route { method: Method::POST, path: "/keys/create", run: |call| Box::pin(keys::create(call)) },
    Route { method: Method::POST, path: "/keys/preview", run: |call| Box::pin(keys::preview(call)) },
    Route { method: Method::POST, path: "/keys/policy/{key}", run: |call| Box::pin(keys::policies(call)) },
    Route { method: Method::GET, path: "/keys/{key}", run: |call| Box::pin(keys::one(call)) },
    Route { method: Method::POST, path: "/keys/{key}", run: |call| Box::pin(keys::create_at(call)) },
    Route { method: Method::PUT, path: "/keys/{key}", run: |call| Box::pin(keys::update(call)) },
    Route { method: Method::DELETE, path: "/keys/{key}", run: |call| Box::pin(keys::delete(call)) },
    Route {
        method: Method::DELETE,
        path: "/cache/jwks",
        run: |call| Box::pin(async move { Ok(cache::forget_keys(&call)) }),
    },
    Route {
        method: Method::DELETE,
        path: "/cache/jwks/{api_id}",
        run: |call| Box::pin(async move { Ok(cache::forget_keys_of(&call)) }),
    },
    Route { method: Method::GET, path: "/org/keys", run: |call| Box::pin(organisations::list(call)) },
    Route { method: Method::GET, path: "/org/keys/{org_id}", run: |call| Box::pin(organisations::one(call)) },
    Route { method: Method::POST, path: "/org/keys/{org_id}", run: |call| Box::pin(organisations::create(call)) },
    Route { method: Method::PUT, path: "/org/keys/{org_id}", run: |call| Box::pin(organisations::update(call)) },
    Route { method: Method::DELETE, path: "/org/keys/{org_id}", run: |call| Box::pin(organisations::delete(call)) },
    Route { method: Method::DELETE, path: "/cache/{api_id}", run: |call| Box::pin(cache::invalidate(call)) },
    Route { method: Method::GET, path: "/certs", run: |call| Box::pin(certs::list(call)) },
    Route { method: Method::POST, path: "/certs", run: |call| Box::pin(certs::add(call)) },
    Route { method: Method::GET, path: "/certs/{cert_ids}", run: |call| Box::pin(certs::get(call)) },
    Route { method: Method::DELETE, path: "/certs/{cert_ids}", run: |call| Box::pin(certs::delete(call)) },
    Route { method: Method::GET, path: "/metrics", run: |_| Box::pin(async { Ok(metrics::text()) }) },
    Route { method: Method::GET, path: "/openapi.json", run: |call| Box::pin(async move { openapi::document(&call) }) },
    Route { method: Method::GET, path: "/schema", run: |call| Box::pin(async move { Ok(schema::one(&call)) }) },
    Route { method: Method::GET, path: "/plugins", run: |call| Box::pin(async move { Ok(plugins::list(&call)) }) },
];

/// Whether a path is the gateway's own, for who came in there.
pub(crate) fn is_control(config: &Config, entrance: Entrance, path: &str) -> bool {
    match entrance {
        Entrance::Both => is_under_control(path) || is(path, &config.hello_path) || is(path, &config.ready_path),
        Entrance::Apis => false,
        Entrance::Control => true,
    }
}

/// Whether a path is under `/tyk`.
pub(crate) fn is_under_control(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request to one of the gateway's own paths. Nothing of its body is read before it is known to be allowed.
pub(crate) async fn answer(gateway: &Arc<Gateway>, peer: &Peer, head: &request::Parts, body: Body) -> Response {
    let (config, path) = (&gateway.config, head.uri.path());
    if is(path, &config.hello_path) {
        return health::hello(gateway, &head.method);
    }
    if is(path, &config.ready_path) {
        return health::ready(gateway, &head.method);
    }
    if !is_under_control(path) {
        return RequestError::NotRouted.response(config, &head.headers);
    }
    if !is_allowed(config, head) {
        let message = "Attempted administrative access with invalid or missing key!";
        return reply::error(StatusCode::FORBIDDEN, message);
    }
    if let Err(refusal) = config.operators.as_deref().map_or(Ok(()), |operators| check(&operators.allowed(), peer)) {
        return refusal.into();
    }
    let path = path.strip_prefix(PREFIX).unwrap_or(path).trim_end_matches('/');
    match route::find(ROUTES, &head.method, path) {
        Found::Route(route, arguments) => {
            let call = Call::new(gateway, head, arguments, body);
            (route.run)(call).await.unwrap_or_else(Response::from)
        }
        Found::OtherMethods(allowed) => reply::wrong_method("Method not supported", &allowed),
        Found::Nothing => crate::error::plain(StatusCode::NOT_FOUND, "404 page not found\n"),
    }
}

/// The same path but for slashes at its end.
fn is(path: &str, own: &str) -> bool {
    path.strip_prefix(own).is_some_and(|rest| rest.bytes().all(|byte| byte == b'/'))
}

/// The secret is compared in constant time: how long it takes says nothing about it.
fn is_allowed(config: &Config, head: &request::Parts) -> bool {
    let given = head.headers.get(SECRET_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    bool::from(given.ct_eq(config.secret.as_bytes()))
}

/// Whether a client may call the control API by its certificate. Source: gateway.md §2.1.
fn check(allowed: &Allowed, peer: &Peer) -> Result<(), Refusal> {
    let client = peer.tls.as_deref().ok_or(Refusal::NoTls)?;
    let chain: Vec<_> = client.certificates().iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    if chain.is_empty() {
        return Err(Refusal::NoCertificate);
    }
    allowed.check(&chain).map_err(|denied| match denied {
        Denied::Unknown => Refusal::OtherCertificate(client.fingerprint()),
        Denied::Expired => Refusal::OldCertificate,
    })
}
