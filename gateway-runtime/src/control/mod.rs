//! ROUTES: the gateway's own paths. They outrank every API. Source: Tyk, `gateway/server.go`, `gateway/api.go`.

mod apis;
mod health;
mod metrics;
mod plugins;
mod reload;

use std::sync::Arc;

use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::http::request;
use gateway_sdk::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::gateway::Gateway;

const PREFIX: &str = "/tyk";
const SECRET_HEADER: &str = "x-tyk-authorization";

/// One control route.
struct Route {
    method: Method,
    /// After `/tyk`; a last segment `{}` stands for any text.
    path: &'static str,
    run: for<'a> fn(Call<'a>) -> BoxFuture<'a, Response>,
}

/// A call of a route.
#[derive(Clone, Copy)]
struct Call<'a> {
    gateway: &'a Arc<Gateway>,
    query: Option<&'a str>,
    /// What stands for `{}`.
    argument: &'a str,
}

const ROUTES: &[Route] = &[
    Route { method: Method::GET, path: "/reload", run: |call| Box::pin(reload::reload(call)) },
    Route { method: Method::GET, path: "/reload/group", run: |call| Box::pin(reload::group(call)) },
    Route { method: Method::GET, path: "/apis", run: |call| Box::pin(async move { apis::list(call) }) },
    Route { method: Method::GET, path: "/apis/{}", run: |call| Box::pin(async move { apis::one(call) }) },
    Route { method: Method::GET, path: "/metrics", run: |_| Box::pin(async { metrics::text() }) },
    Route { method: Method::GET, path: "/plugins", run: |call| Box::pin(async move { plugins::list(call) }) },
];

/// Whether a path is the gateway's own.
pub(crate) fn is_control(config: &Config, path: &str) -> bool {
    is_under_control(path) || is(path, &config.hello_path) || is(path, &config.ready_path)
}

/// Whether a path is under `/tyk`.
pub(crate) fn is_under_control(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request to one of the gateway's own paths.
pub(crate) async fn answer(gateway: &Arc<Gateway>, head: &request::Parts) -> Response {
    let (config, path) = (&gateway.config, head.uri.path());
    if is(path, &config.hello_path) {
        return health::hello(gateway, &head.method);
    }
    if is(path, &config.ready_path) {
        return health::ready(gateway, &head.method);
    }
    if !is_allowed(config, head) {
        let message = "Attempted administrative access with invalid or missing key!";
        return status(StatusCode::FORBIDDEN, "error", message);
    }
    let path = path.strip_prefix(PREFIX).unwrap_or(path).trim_end_matches('/');
    let matching: Vec<_> = ROUTES.iter().filter_map(|route| Some((route, matches(route.path, path)?))).collect();
    match matching.iter().find(|(route, _)| route.method == head.method) {
        Some((route, argument)) => (route.run)(Call { gateway, query: head.uri.query(), argument }).await,
        None if matching.is_empty() => crate::error::plain(StatusCode::NOT_FOUND, "404 page not found\n"),
        None => status(StatusCode::METHOD_NOT_ALLOWED, "error", "Method not supported"),
    }
}

/// What stands for `{}`; empty if the route has none.
fn matches<'p>(route: &str, path: &'p str) -> Option<&'p str> {
    match route.strip_suffix("{}") {
        None => (route == path).then_some(""),
        Some(prefix) => path.strip_prefix(prefix).filter(|rest| !rest.is_empty() && !rest.contains('/')),
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

/// Tyk's generic object.
fn status(code: StatusCode, status: &str, message: &str) -> Response {
    #[derive(Serialize)]
    struct Status<'a> {
        status: &'a str,
        message: &'a str,
    }
    reply(code, &Status { status, message })
}

/// JSON and a line's end.
fn reply(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            Response::new(status)
                .with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .with_body(body)
        }
        Err(error) => {
            tracing::error!(%error, "a control response cannot be written as JSON");
            Response::new(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
