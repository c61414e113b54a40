//! The upstream's side: choose a target, forward, time out.

pub(crate) mod balance;
pub(crate) mod breaker;
mod dns;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod pool;
mod progress;
pub(crate) mod target;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::http::Version;
use gateway_sdk::http::header::HOST;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{Body, BodyError, HeaderValue, Request, Response, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::Config;
use balance::Aim;
use pool::{Connection, PooledBody, Return};
use progress::Progress;
use target::{Origin, Target, TargetError};

/// Why there is no response from an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("host `{host}` is unknown: {reason}")]
    Lookup { host: String, reason: String },
    #[error("no connection to {origin}: {error}")]
    Connect { origin: Arc<Origin>, error: std::io::Error },
    #[error("no response within {0:?}")]
    Timeout(Duration),
    #[error(
        "no response within {0:?}, the enforced timeout of this path: see why the upstream is slow, or allow it more"
    )]
    Deadline(Duration),
    #[error(
        "the circuit breaker of `{entry}` is open for {left:?} at most: see the failures of the upstream before it opened"
    )]
    Open { entry: String, left: Duration },
    #[error("every target of `proxy.target_list` is down: see what `uptime_tests` found")]
    AllDown,
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
}

impl ForwardError {
    /// Whether the upstream, or the way to it, has failed; not the client, and not the gateway.
    pub(crate) fn is_upstreams(&self) -> bool {
        match self {
            Self::Lookup { .. } | Self::Connect { .. } | Self::Timeout(_) | Self::Deadline(_) | Self::Exchange(_) => {
                true
            }
            Self::Target(_) | Self::Body(_) | Self::Open { .. } | Self::AllDown => false,
        }
    }
}

impl Rules {
    pub(crate) fn of(config: &Config) -> Self {
        Self { timeout: config.upstream_timeout, close: config.upstream_close, max_idle: config.max_idle_per_host }
    }
}

/// How one request is forwarded.
pub(crate) struct Forward<'a> {
    pub(crate) aim: Aim<'a>,
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
    let chosen = request.upstream().map(Target::of).transpose()?;
    let aim = chosen.as_ref().map_or(how.aim, Aim::One);
    let (mut head, body) = request.into_parts();
    headers::toward_upstream(&mut head.headers, &body, how.client);
    let keep_host = how.keep_host && head.headers.contains_key(HOST);
    head.version = Version::HTTP_11;
    let (body, progress) = Progress::watch(body);
    let request = hyper::Request::from_parts(head, body);
    let timeout = how.rules.timeout;
    let way = Way { aim, path: how.path, keep_host, rules: how.rules };
    let mut exchange = std::pin::pin!(attempts(request, progress.clone(), way));
    let mut wait = timeout;
    loop {
        if let Ok(response) = tokio::time::timeout(wait, exchange.as_mut()).await {
            return response;
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

/// How a request gets to its target, or to another one.
struct Way<'a> {
    aim: Aim<'a>,
    path: Option<&'a str>,
    keep_host: bool,
    rules: Rules,
}

/// Sends a request to its target, and where nobody is there to the next: as long as there is no connection, nothing was
/// sent.
async fn attempts(
    mut request: hyper::Request<Body>,
    sent: Option<Arc<Progress>>,
    mut way: Way<'_>,
) -> Result<Response, ForwardError> {
    let written = matches!(way.aim, Aim::Chosen(_)).then(|| request.uri().clone());
    loop {
        let target = way.aim.target();
        address(request.uri_mut(), target, way.path)?;
        if !way.keep_host {
            request.headers_mut().insert(HOST, target.host.clone());
        }
        let failed = match exchange(request, sent.clone(), &target.origin, way.rules).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        let (Some(unsent), Some(next), Some(uri)) = (failed.unsent, way.aim.instead(), &written) else {
            return Err(failed.error);
        };
        tracing::warn!(error = %failed.error, instead = %next.target().origin, "a target is passed over");
        request = *unsent;
        *request.uri_mut() = uri.clone();
        way.aim = next;
    }
}

/// Makes the request's target the upstream's.
fn address(uri: &mut Uri, target: &Target, path: Option<&str>) -> Result<(), ForwardError> {
    let query = uri.query();
    let origin_form = uri.scheme().is_none() && uri.authority().is_none();
    if target.is_bare() && path.is_none() && origin_form {
        return Ok(());
    }
    let joined = target.join(path.unwrap_or(uri.path()), query);
    let joined: PathAndQuery =
        joined.ok_or_else(|| TargetError::Syntax("the path cannot be joined to the target's".to_owned()))?;
    *uri = Uri::from(joined);
    Ok(())
}

/// An exchange that came to nothing.
struct Failed {
    error: ForwardError,
    /// The request, if nothing of it was sent.
    unsent: Option<Box<hyper::Request<Body>>>,
}

/// One request and response, on a pooled connection if there is one.
///
/// A server may close an idle connection in the moment it is used again. What it has not seen is sent again, and so is
/// what may be sent twice.
async fn exchange(
    mut request: hyper::Request<Body>,
    sent: Option<Arc<Progress>>,
    origin: &Arc<Origin>,
    rules: Rules,
) -> Result<Response, Failed> {
    let mut may_repeat = true;
    loop {
        let pooled = if rules.close { None } else { pool::take(origin).await };
        let was_pooled = pooled.is_some();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => match connect(origin).await {
                Ok(connection) => connection,
                Err(error) => return Err(Failed { error, unsent: Some(Box::new(request)) }),
            },
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
            _ => return Err(Failed { error: told(error), unsent: None }),
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

async fn connect(origin: &Arc<Origin>) -> Result<Connection, ForwardError> {
    let addresses = dns::resolve(origin)
        .await
        .map_err(|error| ForwardError::Lookup { host: origin.host.clone(), reason: error.to_string() })?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return handshake(stream).await,
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(ForwardError::Connect { origin: Arc::clone(origin), error }),
        None => Err(ForwardError::Lookup { host: origin.host.clone(), reason: "it has no address".to_owned() }),
    }
}

async fn handshake(stream: TcpStream) -> Result<Connection, ForwardError> {
    // Without it small requests wait for the acknowledgement of those before.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    // As Go writes them: there are upstreams that look for `Foo`, not `foo`.
    builder.title_case_headers(true);
    let (connection, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(ForwardError::Exchange)?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(error = %chain(&error), "upstream connection ended");
        }
    });
    Ok(connection)
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
