//! The upstream's side: choose a target, forward, time out.

mod connect;
mod dns;
mod events;
mod h2;
pub(crate) mod headers;
pub(crate) mod pool;
mod progress;
mod replay;
pub(crate) mod target;
pub(crate) mod transport;
pub(crate) mod upgrade;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::http::header::HOST;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::http::{Version, request};
use gateway_sdk::{Body, BodyError, HeaderValue, Request, Response, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::config::Config;
use crate::tls::client::TlsError;
use connect::Stream;
use pool::{Connection, PooledBody, Return};
use progress::Progress;
use target::{Origin, Target, TargetError};
use transport::Transport;
use upgrade::Wanted;

/// Why there is no response from an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("host `{host}` is unknown: {reason}")]
    Lookup { host: String, reason: String },
    #[error("no connection to {origin}: {error}")]
    Connect { origin: Arc<Origin>, error: std::io::Error },
    #[error("{origin} is not who was asked for: {error}")]
    Tls { origin: Arc<Origin>, error: TlsError },
    #[error("the upstream changed the protocol, and nobody had asked for that")]
    Unasked,
    #[error("no response within {0:?}")]
    Timeout(Duration),
    #[error("the request's body broke off")]
    Body(#[source] BodyError),
    #[error("the upstream broke off: {}", chain(.0))]
    Exchange(hyper::Error),
}

/// What forwarding needs of the gateway's configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) timeout: Duration,
    pub(crate) close: bool,
    pub(crate) max_idle: usize,
    /// How long a connection is used at most.
    pub(crate) age: Option<Duration>,
}

impl Rules {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            timeout: config.upstream_timeout,
            close: config.upstream_close,
            max_idle: config.max_idle_per_host,
            age: config.upstream_age,
        }
    }
}

/// How one request is forwarded.
pub(crate) struct Forward<'a> {
    pub(crate) target: &'a Target,
    /// How a target is reached that a plugin chose.
    pub(crate) transport: &'a Transport,
    /// The path, after stripping; the request's own if `None`.
    pub(crate) path: Option<&'a str>,
    /// Keep the client's `Host`.
    pub(crate) keep_host: bool,
    /// The client's address, for `X-Forwarded-For`.
    pub(crate) client: Option<&'a HeaderValue>,
    pub(crate) rules: Rules,
}

/// Sends a request to an upstream and gives the head of its response, with the body still to come.
///
/// # Errors
/// When there is no response; nothing was sent to the client then.
pub(crate) async fn forward(request: Request, how: Forward<'_>) -> Result<Response, ForwardError> {
    let chosen = request.upstream().map(|uri| Target::of(uri, how.transport)).transpose()?;
    let target = chosen.as_ref().unwrap_or(how.target);
    let (mut head, body) = request.into_parts();
    address(&mut head, target, how.path)?;
    headers::toward_upstream(&mut head.headers, &body, how.client);
    if !how.keep_host || !head.headers.contains_key(HOST) {
        head.headers.insert(HOST, target.host.clone());
    }
    head.version = Version::HTTP_11;
    let upgrade = head.extensions.remove::<Wanted>();
    let (body, progress) = Progress::watch(body);
    let request = hyper::Request::from_parts(head, body);
    let timeout = how.rules.timeout;
    let way = (upgrade, how.rules);
    let mut exchange = std::pin::pin!(exchange(request, progress.clone(), &target.origin, way));
    let mut wait = timeout;
    loop {
        if let Ok(response) = tokio::time::timeout(wait, exchange.as_mut()).await {
            return response.map(events::watched);
        }
        wait = match progress.as_deref() {
            Some(body) if body.waits_for_client() => timeout,
            // A body that is still moving is not an upstream that is silent.
            Some(body) => timeout.saturating_sub(body.quiet()),
            None => Duration::ZERO,
        };
        if wait.is_zero() {
            return Err(ForwardError::Timeout(timeout));
        }
    }
}

/// Makes the request's target the upstream's.
fn address(head: &mut request::Parts, target: &Target, path: Option<&str>) -> Result<(), ForwardError> {
    let query = head.uri.query();
    let origin_form = head.uri.scheme().is_none() && head.uri.authority().is_none();
    if target.is_bare() && path.is_none() && origin_form {
        return Ok(());
    }
    let joined = target.join(path.unwrap_or(head.uri.path()), query);
    let joined: PathAndQuery =
        joined.ok_or_else(|| TargetError::Syntax("the path cannot be joined to the target's".to_owned()))?;
    head.uri = Uri::from(joined);
    Ok(())
}

/// One request and response, however they travel.
async fn exchange(
    request: hyper::Request<Body>,
    sent: Option<Arc<Progress>>,
    origin: &Arc<Origin>,
    (upgrade, rules): (Option<Wanted>, Rules),
) -> Result<Response, ForwardError> {
    if upgrade.is_some() || origin.is_special() {
        return Box::pin(special(request, sent, origin, (upgrade, rules))).await;
    }
    match http1(request, sent, origin, None, rules).await {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Err(ForwardError::Unasked),
        exchanged => exchanged,
    }
}

/// What is not HTTP/1.1 on a TCP connection to the origin itself.
#[cold]
async fn special(
    mut request: hyper::Request<Body>,
    sent: Option<Arc<Progress>>,
    origin: &Arc<Origin>,
    (upgrade, rules): (Option<Wanted>, Rules),
) -> Result<Response, ForwardError> {
    origin.address(&mut request)?;
    if let Some(wanted) = upgrade {
        return upgrade::exchange(request, wanted, origin).await;
    }
    let first = if origin.may_speak_http2() {
        match h2::way(origin, rules).await? {
            h2::Way::Http2(lease) => {
                let (head, body) = request.into_parts();
                return h2::exchange(lease, head, body, origin, rules).await;
            }
            h2::Way::Http1(stream) => Some(handshake(stream).await?),
            h2::Way::Http1Again => None,
        }
    } else {
        None
    };
    match http1(request, sent, origin, first, rules).await {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Err(ForwardError::Unasked),
        exchanged => exchanged,
    }
}

/// One request and response by HTTP/1.1, on a pooled connection if there is one.
///
/// A server may close an idle connection in the moment it is used again. What it has not seen is sent again, and so is
/// what may be sent twice.
async fn http1(
    mut request: hyper::Request<Body>,
    sent: Option<Arc<Progress>>,
    origin: &Arc<Origin>,
    mut first: Option<Connection>,
    rules: Rules,
) -> Result<Response, ForwardError> {
    let mut may_repeat = true;
    loop {
        let pooled = if rules.close || first.is_some() { None } else { pool::take(origin).await };
        let was_pooled = pooled.is_some();
        let mut connection = match first.take().or(pooled) {
            Some(connection) => connection,
            None => handshake(connect::connect(origin, true).await?).await?,
        };
        let spare = (was_pooled && may_repeat).then(|| repeatable(&request)).flatten();
        let mut failed = match connection.try_send_request(request).await {
            Ok(response) => return Ok(received(response, connection, sent, origin, rules)),
            Err(failed) => failed,
        };
        let unsent = failed.take_message().filter(|_| was_pooled);
        let error = failed.into_error();
        request = match (unsent, spare) {
            (Some(unsent), _) => unsent,
            (None, Some(spare)) if !error.is_user() && !error.is_parse() => {
                may_repeat = false;
                spare
            }
            _ => return Err(told(error)),
        };
    }
}

/// A copy of a request that means the same when it is sent twice. Source: RFC 9110 §9.2.2.
fn repeatable(request: &hyper::Request<Body>) -> Option<hyper::Request<Body>> {
    let body = request.body().buffered().filter(|_| request.method().is_idempotent())?;
    let mut copy = hyper::Request::new(Body::from(body));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn received(
    response: hyper::Response<hyper::body::Incoming>,
    connection: Connection,
    sent: Option<Arc<Progress>>,
    origin: &Arc<Origin>,
    rules: Rules,
) -> Response {
    let (mut head, incoming) = response.into_parts();
    // Each side of the gateway speaks its own version. RFC 9110 §2.5.
    head.version = Version::HTTP_11;
    headers::toward_client(&mut head.headers);
    let home = std::thread::current().id();
    let back =
        (!rules.close).then(|| Return { origin: Arc::clone(origin), connection, sent, most: rules.max_idle, home });
    Response::from_parts(head, PooledBody::body(incoming, back))
}

async fn handshake(stream: Stream) -> Result<Connection, ForwardError> {
    let (connection, driver) = http1_builder().handshake(TokioIo::new(stream)).await.map_err(ForwardError::Exchange)?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(error = %chain(&error), "upstream connection ended");
        }
    });
    Ok(connection)
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // As Go writes them: there are upstreams that look for `Foo`, not `foo`.
    builder.title_case_headers(true);
    builder
}

/// Whose fault a failed exchange was: the body of the request is the client's.
fn told(error: hyper::Error) -> ForwardError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(BodyError::TooLarge { limit_bytes }) = cause.downcast_ref() {
            return ForwardError::Body(BodyError::TooLarge { limit_bytes: *limit_bytes });
        }
        if let Some(BodyError::Broken(reason)) = cause.downcast_ref() {
            return ForwardError::Body(BodyError::Broken(reason.to_string().into()));
        }
        source = cause.source();
    }
    ForwardError::Exchange(error)
}

/// An error and its causes on one line.
fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
