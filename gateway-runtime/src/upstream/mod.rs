//! The upstream's side: choose a target, forward, time out.
//!
//! | module | what it is for |
//! |---|---|
//! | `target`, `transport` | where requests go, and how they travel: decided when an API loads |
//! | `connect` | from an origin to a connection: addresses, TCP, a proxy, TLS |
//! | `pool`, `wire`, `again`, `progress`, `body` | HTTP/1.1 |
//! | `special` | whatever is more than that on a TCP connection |
//! | `h2`, `replay` | HTTP/2 |
//! | `upgrade` | WebSocket and other protocols |
//! | `events` | the end of event streams |
//!
//! Interim responses of upstreams (1xx) end here, but for the `100 Continue` that hyper's server sends by itself once a
//! request's body is asked for. RFC 9110 §15.2 wants a proxy to pass them on. hyper's server cannot send them: by HTTP/2,
//! where clients know what to do with hints, there is no way at all; by HTTP/1.1 they would have to be written behind its
//! back, between what it writes itself. And its client tells of them only to a callback among a request's extensions:
//! four allocations for every request, in case an upstream is one of the few that have something to say before they answer.

mod again;
pub(crate) mod balance;
mod body;
pub(crate) mod breaker;
mod connect;
pub(crate) mod dns;
mod events;
mod h2;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod pool;
mod progress;
mod replay;
mod special;
pub(crate) mod target;
pub(crate) mod transport;
pub(crate) mod upgrade;
mod wire;

use std::borrow::Cow;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_sdk::http::Version;
use gateway_sdk::http::header::HOST;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{BodyError, HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

use crate::apis::listen_path::ListenPath;
use crate::clock::{Never, Timer};
use crate::config::Config;
use crate::serve::body::Stalled;
use crate::stream::Stream;
use crate::tls::client::TlsError;
use again::Spare;
use balance::Aim;
use headers::BadFraming;
use pool::Lease;
use progress::Progress;
use target::{Origin, Target, TargetError};
use transport::Transport;
use wire::Wire;

/// Why there is no response from an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("host `{host}` is unknown: {reason}")]
    Lookup { host: String, reason: String },
    #[error("no connection to {origin}: {error}")]
    Connect { origin: Arc<Origin>, error: std::io::Error },
    #[error("{origin} is not spoken to: {error}")]
    Tls { origin: Arc<Origin>, error: TlsError },
    #[error("the upstream changed the protocol, and nobody had asked for that")]
    Unasked,
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
    #[error("the request's body broke off: {}", chain(.0))]
    Body(BodyError),
    #[error("the framing of the response is ambiguous: {0}")]
    Framing(#[from] BadFraming),
    #[error("the upstream broke off: {}", chain(.0))]
    Exchange(hyper::Error),
}

/// What forwarding needs of the gateway's configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) timeout: Duration,
    pub(crate) close: bool,
    pub(crate) max_idle: usize,
    pub(crate) canonical_names: bool,
    /// How long a connection is used at most.
    pub(crate) age: Option<Duration>,
}

impl ForwardError {
    /// Whether there is no connection: nothing of the request was sent.
    fn is_unreached(&self) -> bool {
        matches!(self, Self::Lookup { .. } | Self::Connect { .. } | Self::Tls { .. })
    }

    /// Whether the upstream, or the way to it, has failed; not the client, and not the gateway.
    pub(crate) fn is_upstreams(&self) -> bool {
        match self {
            Self::Lookup { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Unasked
            | Self::Framing(_)
            | Self::Timeout(_)
            | Self::Deadline(_)
            | Self::Exchange(_) => true,
            Self::Target(_) | Self::Body(_) | Self::Open { .. } | Self::AllDown => false,
        }
    }
}

impl Rules {
    /// For a request of the gateway's own, on a connection of its own.
    pub(crate) fn once(timeout: Duration) -> Self {
        Self { timeout, close: true, max_idle: 0, canonical_names: false, age: None }
    }

    pub(crate) fn of(config: &Config) -> Self {
        Self {
            timeout: config.upstream_timeout,
            close: config.upstream_close,
            max_idle: config.max_idle_per_host,
            canonical_names: config.canonical_header_names,
            age: config.upstream_age,
        }
    }
}

/// How one request is forwarded.
pub(crate) struct Forward<'a> {
    pub(crate) aim: Aim<'a>,
    /// How a target is reached that a plugin chose.
    pub(crate) transport: &'a Transport,
    /// How long all of it may take, until there is an answer; it takes the place of the gateway's own time.
    pub(crate) enforced: Option<Duration>,
    /// What to take off the request's path.
    pub(crate) strip: Option<&'a ListenPath>,
    /// Keep the client's `Host`.
    pub(crate) keep_host: bool,
    /// The client's address, for `X-Forwarded-For`.
    pub(crate) client: Option<&'a HeaderValue>,
    pub(crate) rules: Rules,
}

/// Sends a request to an upstream and gives the head of its response, with the body still to come. Of `request`, nothing is
/// left.
///
/// # Errors
/// When there is no response; nothing was sent to the client then.
pub(crate) async fn forward(
    request: &mut Request,
    how: Forward<'_>,
    timer: impl Timer,
) -> Result<Response, ForwardError> {
    let chosen = request.upstream().map(|uri| Target::of(uri, how.transport)).transpose()?;
    let aim = chosen.as_ref().map_or(how.aim, Aim::One);
    headers::toward_upstream(request, how.client);
    let keep_host = how.keep_host && request.headers().contains_key(HOST);
    let mut way = Way { aim, written: None, strip: how.strip, keep_host };
    way.prepare(request)?;
    let sent = Progress::watch(request.body_mut());
    let (timeout, is_enforced) = (how.enforced.unwrap_or(how.rules.timeout), how.enforced.is_some());
    let mut limit = Limit { timer, timeout, is_enforced, sent };
    limit.timer.set(timeout);
    loop {
        let origin = &way.aim.target().origin;
        let upgrades = upgrade::is_wanted(request);
        let response = if upgrades || origin.is_special() {
            let sent = limit.sent.clone();
            limit.within(special::exchange(request, sent.as_ref(), origin, how.rules)).await
        } else {
            http1(request, &mut limit, origin, None, how.rules).await
        };
        match response {
            Ok(mut response) => {
                events::watch(&mut response);
                return Ok(response);
            }
            // What asked for another protocol is not whole any more.
            Err(error) if error.is_unreached() && !upgrades => way.pass_over(request, error)?,
            Err(error) => return Err(error),
        }
    }
}

/// How long an upstream may take until there is an answer.
struct Limit<T> {
    timer: T,
    timeout: Duration,
    /// Whatever the client's body does.
    is_enforced: bool,
    /// The request's body, if it is still arriving.
    sent: Option<Arc<Progress>>,
}

impl<T: Timer> Limit<T> {
    /// Ready when it is over.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<ForwardError> {
        loop {
            std::task::ready!(self.timer.poll_over(cx));
            if self.is_enforced {
                return Poll::Ready(ForwardError::Deadline(self.timeout));
            }
            match left(self.timeout, self.sent.as_deref()) {
                Duration::ZERO => return Poll::Ready(ForwardError::Timeout(self.timeout)),
                left => self.timer.set(left),
            }
        }
    }

    /// Waits for something no longer than that.
    async fn within<V>(&mut self, work: impl Future<Output = Result<V, ForwardError>>) -> Result<V, ForwardError> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.poll_over(cx).map(Err),
        })
        .await
    }
}

impl Limit<Never> {
    /// For what is limited by somebody else.
    fn none(sent: Option<&Arc<Progress>>) -> Self {
        Self { timer: Never, timeout: Duration::MAX, is_enforced: false, sent: sent.cloned() }
    }
}

/// What an upstream has left of its time when it is over by the clock.
fn left(timeout: Duration, progress: Option<&Progress>) -> Duration {
    match progress {
        Some(body) if body.waits_for_client() => timeout,
        // A body that is still moving is not an upstream that is silent.
        Some(body) => timeout.saturating_sub(body.quiet()),
        None => Duration::ZERO,
    }
}

/// How a request gets to its target, or to another one.
struct Way<'a> {
    aim: Aim<'a>,
    /// What the request asked for before it was made the target's, if there may be another target.
    written: Option<PathAndQuery>,
    strip: Option<&'a ListenPath>,
    keep_host: bool,
}

impl Way<'_> {
    fn prepare(&mut self, request: &mut Request) -> Result<(), ForwardError> {
        if matches!(self.aim, Aim::Chosen(_)) && self.written.is_none() {
            self.written = request.uri().path_and_query().cloned();
        }
        let target = self.aim.target();
        address(request, target, self.strip)?;
        if !self.keep_host {
            // There is one already, nearly always.
            match request.headers_mut().get_mut(HOST) {
                Some(host) => *host = target.host.clone(),
                None => _ = request.headers_mut().insert(HOST, target.host.clone()),
            }
        }
        Ok(())
    }

    /// Nobody is at the target: the next one is. Nothing was sent, and the request is whole.
    #[cold]
    fn pass_over(&mut self, request: &mut Request, error: ForwardError) -> Result<(), ForwardError> {
        let (Some(next), Some(written)) = (self.aim.instead(), &self.written) else { return Err(error) };
        tracing::warn!(%error, instead = %next.target().origin, "a target is passed over");
        request.set_uri(Uri::from(written.clone()));
        self.aim = next;
        self.prepare(request)
    }
}

/// Where a request will go, and by what path; `None` if it goes nowhere.
pub(crate) fn destination(request: &Request, how: &Forward<'_>) -> Option<(HeaderValue, PathAndQuery)> {
    let chosen = request.upstream().map(|uri| Target::of(uri, how.transport)).transpose().ok()?;
    let target = chosen.as_ref().unwrap_or(how.aim.target());
    let path = addressed(request.uri(), target, how.strip).ok()?.or_else(|| request.uri().path_and_query().cloned());
    Some((target.host.clone(), path?))
}

/// Makes the request's target the upstream's.
fn address(request: &mut Request, target: &Target, strip: Option<&ListenPath>) -> Result<(), ForwardError> {
    if let Some(joined) = addressed(request.uri(), target, strip)? {
        request.set_uri(Uri::from(joined));
    }
    Ok(())
}

/// What a request's target is upstream; `None` if that is what it is.
fn addressed(uri: &Uri, target: &Target, strip: Option<&ListenPath>) -> Result<Option<PathAndQuery>, ForwardError> {
    let origin_form = uri.scheme().is_none() && uri.authority().is_none();
    if target.is_bare() && strip.is_none() && origin_form {
        return Ok(None);
    }
    let path = strip.map_or(Cow::Borrowed(uri.path()), |listen| listen.strip(uri.path()));
    let joined = match (&path, uri.path_and_query()) {
        // What is left of the path is its end, and the query is behind it.
        (Cow::Borrowed(rest), Some(whole))
            if target.is_bare() && !rest.starts_with("//") && uri.query() != Some("") =>
        {
            let taken = uri.path().len() - rest.len();
            target::as_target(whole.as_str()[taken..].to_owned())
        }
        _ => target.join(&path, uri.query()),
    };
    let joined: PathAndQuery =
        joined.ok_or_else(|| TargetError::Syntax("the path cannot be joined to the target's".to_owned()))?;
    Ok(Some(joined))
}

/// One request and response by HTTP/1.1, on `first` or on a pooled connection if there is one.
///
/// A server may close an idle connection in the moment it is used again. What it has not seen is sent again, and so is
/// what may be sent twice, as long as no answer has begun.
async fn http1(
    request: &mut Request,
    limit: &mut Limit<impl Timer>,
    origin: &Arc<Origin>,
    mut first: Option<Box<Wire>>,
    rules: Rules,
) -> Result<Response, ForwardError> {
    let mut may_repeat = true;
    loop {
        let pooled = if rules.close || first.is_some() { None } else { pool::take(origin, rules.age) };
        let was_pooled = pooled.is_some();
        let mut wire = match first.take().or(pooled) {
            Some(wire) => wire,
            None => Box::pin(limit.within(connect(origin, rules))).await?,
        };
        let spare = if was_pooled && may_repeat { Spare::of(request, &wire.written) } else { None };
        let mut response = pin!(wire.send(request.take()));
        let answered = std::future::poll_fn(|cx| match wire.poll_response(cx, response.as_mut()) {
            Poll::Ready(answered) => Poll::Ready(Ok(answered)),
            Poll::Pending => limit.poll_over(cx).map(Err),
        });
        let mut failed = match answered.await? {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => return Err(ForwardError::Unasked),
            Ok(response) => {
                let most = if rules.close { 0 } else { rules.max_idle };
                return received(response, Lease::new(wire, Arc::clone(origin), limit.sent.clone(), most));
            }
            Err(failed) => failed,
        };
        let unsent = failed.take_message().filter(|_| was_pooled);
        let error = failed.into_error();
        match (unsent, spare) {
            (Some(unsent), _) => request.restore(unsent),
            (None, Some(spare)) if !error.is_user() && !error.is_parse() && !wire.has_begun() => {
                may_repeat = false;
                match spare.request(&wire.written) {
                    Some(spare) => request.restore(spare),
                    None => return Err(told(error)),
                }
            }
            _ => return Err(told(error)),
        }
    }
}

fn received(response: hyper::Response<Incoming>, lease: Lease) -> Result<Response, ForwardError> {
    let (mut head, incoming) = response.into_parts();
    // Each side of the gateway speaks its own version. RFC 9110 §2.5.
    head.version = Version::HTTP_11;
    // A connection that is in doubt is not used again.
    headers::from_upstream(&mut head.headers)?;
    Ok(Response::from_parts(head, body::of_upstream(incoming, lease)))
}

async fn connect(origin: &Arc<Origin>, rules: Rules) -> Result<Box<Wire>, ForwardError> {
    let stream = if origin.is_special() {
        Box::pin(connect::connect(origin, true)).await?
    } else {
        Stream::Plain(connect::tcp(origin, &origin.host, origin.port).await?)
    };
    Wire::new(stream, rules.canonical_names).await.map_err(ForwardError::Exchange)
}

/// Whose fault a failed exchange was: the body of the request is the client's.
fn told(error: hyper::Error) -> ForwardError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(BodyError::TooLarge { limit_bytes }) = cause.downcast_ref() {
            return ForwardError::Body(BodyError::TooLarge { limit_bytes: *limit_bytes });
        }
        if let Some(error @ BodyError::Broken(reason)) = cause.downcast_ref() {
            let kept = Stalled::of(error).map_or_else(|| chain(&**reason).into(), Into::into);
            return ForwardError::Body(BodyError::Broken(kept));
        }
        source = cause.source();
    }
    ForwardError::Exchange(error)
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
