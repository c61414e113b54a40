//! HTTP/2 to upstreams. Each core has one connection to an origin, which all requests share; another is made when the
//! server allows no more streams on it, or when it is too old.
//!
//! A server that is asked by TLS chooses: what it is going to speak is known once it is connected. Requests that come
//! meanwhile wait for that, so that the first of them do not make a connection each.
//!
//! Source: RFC 9113; Tyk, `gateway/reverse_proxy.go`.

use std::cell::RefCell;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gateway_sdk::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use gateway_sdk::http::uri::{Authority, PathAndQuery, Scheme};
use gateway_sdk::http::{Uri, Version, request};
use gateway_sdk::{Body, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustc_hash::FxHashMap;
use tokio::sync::Mutex;

use super::body::Plain;
use super::connect;
use super::replay::Replay;
use super::target::{Origin, Speech, TargetError};
use super::{ForwardError, Rules, headers};
use crate::stream::Stream;

/// A connection that was idle for longer is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How often a server is asked whether it is still there, while requests wait for it; and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a request is sent that servers refuse without having looked at it.
const ATTEMPTS: usize = 3;

/// One connection.
struct Live {
    sender: SendRequest<Body>,
    /// Streams that are open, and how many the server allows.
    open: Arc<AtomicUsize>,
    allowed: Arc<AtomicUsize>,
    since: Instant,
    used: Instant,
}

/// What is known of an origin.
#[derive(Default)]
struct Known {
    live: Vec<Live>,
    /// Held by who connects.
    turn: Arc<Mutex<()>>,
    /// The server chose HTTP/1.1 the last time.
    chose_http1: bool,
}

thread_local! {
    static KNOWN: RefCell<FxHashMap<Arc<Origin>, Known>> = RefCell::default();
}

/// A stream on a connection, for as long as this is held.
pub(super) struct Lease {
    sender: SendRequest<Body>,
    open: Arc<AtomicUsize>,
    /// It was made for another request.
    was_used: bool,
}

impl Lease {
    fn new(sender: SendRequest<Body>, open: &Arc<AtomicUsize>, was_used: bool) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { sender, open: Arc::clone(open), was_used }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a request gets to its server.
pub(super) enum Way {
    Http2(Lease),
    /// The server chose HTTP/1.1, on this new connection.
    Http1(Stream),
    /// It did so the last time: there may be connections that can be used again.
    Http1Again,
}

/// Finds or makes a connection.
///
/// # Errors
/// When there is none to be had.
pub(super) async fn way(origin: &Arc<Origin>, rules: Rules) -> Result<Way, ForwardError> {
    if rules.close {
        return open(origin, rules).await;
    }
    if let Some(lease) = take(origin, rules) {
        return Ok(Way::Http2(lease));
    }
    let (turn, chose_http1) = with(origin, |known| (Arc::clone(&known.turn), known.chose_http1));
    if chose_http1 {
        return Ok(Way::Http1Again);
    }
    let _turn = turn.lock().await;
    match take(origin, rules) {
        Some(lease) => Ok(Way::Http2(lease)),
        None => open(origin, rules).await,
    }
}

/// Makes a connection, and remembers it if it is for many.
pub(super) async fn open(origin: &Arc<Origin>, rules: Rules) -> Result<Way, ForwardError> {
    let stream = connect::connect(origin, false).await?;
    let speaks_http2 = connect::speaks_http2(&stream, origin);
    if !speaks_http2 {
        with(origin, |known| known.chose_http1 = true);
        return Ok(Way::Http1(stream));
    }
    let live = handshake(stream).await?;
    let lease = Lease::new(live.sender.clone(), &live.open, false);
    with(origin, |known| {
        known.chose_http1 = false;
        if !rules.close {
            known.live.push(live);
        }
    });
    Ok(Way::Http2(lease))
}

fn with<T>(origin: &Arc<Origin>, act: impl FnOnce(&mut Known) -> T) -> T {
    KNOWN.with_borrow_mut(|known| act(known.entry(Arc::clone(origin)).or_default()))
}

fn take(origin: &Arc<Origin>, rules: Rules) -> Option<Lease> {
    KNOWN.with_borrow_mut(|known| {
        let live = &mut known.get_mut(origin)?.live;
        live.retain(|live| !live.sender.is_closed() && rules.age.is_none_or(|age| live.since.elapsed() < age));
        let has_room = |live: &&mut Live| live.open.load(Ordering::Relaxed) < live.allowed.load(Ordering::Relaxed);
        let found = live.iter_mut().find(has_room)?;
        found.used = Instant::now();
        Some(Lease::new(found.sender.clone(), &found.open, true))
    })
}

/// Closes what has been idle for too long, and forgets who has nothing left.
pub(super) fn sweep() {
    KNOWN.with_borrow_mut(|known| {
        known.retain(|_, known| {
            known.live.retain(|live| {
                let is_idle = live.open.load(Ordering::Relaxed) == 0 && live.used.elapsed() >= IDLE_TIMEOUT;
                !live.sender.is_closed() && !is_idle
            });
            // What a server chose is asked again from time to time.
            !known.live.is_empty() || Arc::strong_count(&known.turn) > 1
        });
    });
}

async fn handshake(stream: Stream) -> Result<Live, ForwardError> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIMEOUT);
    let (sender, mut driver) = builder.handshake(TokioIo::new(stream)).await.map_err(ForwardError::Exchange)?;
    let allowed = Arc::new(AtomicUsize::new(driver.current_max_send_streams()));
    let told = Arc::clone(&allowed);
    tokio::spawn(async move {
        let ended = poll_fn(|cx| {
            let ended = Pin::new(&mut driver).poll(cx);
            if ended.is_pending() {
                // A server that allows none is asked all the same: the request waits for it there.
                told.store(driver.current_max_send_streams().max(1), Ordering::Relaxed);
            }
            ended
        });
        if let Err(error) = ended.await {
            tracing::debug!(error = %super::chain(&error), "upstream connection ended");
        }
    });
    Ok(Live { sender, open: Arc::default(), allowed, since: Instant::now(), used: Instant::now() })
}

/// One request and response by HTTP/2.
///
/// # Errors
/// When there is no response.
pub(super) async fn exchange(
    mut lease: Lease,
    request: hyper::Request<Body>,
    origin: &Arc<Origin>,
    rules: Rules,
) -> Result<Response, ForwardError> {
    let (head, body) = request.into_parts();
    let head = addressed(head, origin)?;
    let replay = Replay::of(body);
    let mut attempt = 1;
    loop {
        let request = hyper::Request::from_parts(head.clone(), replay.body());
        let mut failed = match lease.sender.try_send_request(request).await {
            Ok(response) => {
                replay.is_final();
                return Ok(received(response, lease));
            }
            Err(failed) => failed,
        };
        let was_unsent = failed.take_message().is_some();
        let error = failed.into_error();
        if let Some(failure) = replay.failure() {
            return Err(ForwardError::Body(failure));
        }
        // What the server says it has not looked at may be sent again, and so may what means the same twice, when a
        // connection ends that had been made for others.
        let is_harmless = lease.was_used && head.method.is_idempotent() && !is_reset(&error);
        let may_repeat = was_unsent || was_refused(&error) || is_harmless;
        if attempt == ATTEMPTS || !may_repeat || !replay.is_whole() {
            return Err(ForwardError::Exchange(error));
        }
        attempt += 1;
        tracing::debug!(%origin, error = %super::chain(&error), "sent again");
        drop(lease);
        lease = match again(origin, rules).await? {
            Some(lease) => lease,
            None => return Err(ForwardError::Exchange(error)),
        };
    }
}

/// Another stream, or none if the server has changed its mind about HTTP/2.
async fn again(origin: &Arc<Origin>, rules: Rules) -> Result<Option<Lease>, ForwardError> {
    match way(origin, rules).await? {
        Way::Http2(lease) => Ok(Some(lease)),
        Way::Http1(_) | Way::Http1Again => Ok(None),
    }
}

/// A request's head as HTTP/2 has it: `:scheme` and `:authority` in place of `Host`, nothing about the connection.
fn addressed(mut head: request::Parts, origin: &Origin) -> Result<request::Parts, ForwardError> {
    let host = head.headers.remove(HOST);
    head.headers.remove(TRANSFER_ENCODING);
    head.version = Version::HTTP_2;
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let wrong = || TargetError::Syntax("the request's `Host` is not a host".to_owned());
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    let is_plain = matches!(origin.speech, Speech::H2c | Speech::Plain);
    parts.scheme = Some(if is_plain { Scheme::HTTP } else { Scheme::HTTPS });
    parts.authority = Some(authority.ok_or_else(wrong)?);
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from_parts(parts).map_err(|error| TargetError::Syntax(error.to_string()))?;
    Ok(head)
}

/// The server has not looked at the request: it refused the stream, or went away before it came to it. RFC 9113 §8.7.
fn was_refused(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|cause| {
        let reason = cause.reason();
        reason == Some(h2::Reason::REFUSED_STREAM) || (cause.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
    })
}

/// It was this request that ended, not the connection.
fn is_reset(error: &hyper::Error) -> bool {
    cause(error).is_some_and(h2::Error::is_reset)
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

fn received(response: hyper::Response<Incoming>, lease: Lease) -> Response {
    let (mut head, incoming) = response.into_parts();
    head.version = Version::HTTP_11;
    headers::toward_client(&mut head.headers);
    // A length that is not that of the body would be the next response's beginning in HTTP/1.
    if !incoming.is_end_stream() && incoming.size_hint().exact().is_none() {
        head.headers.remove(CONTENT_LENGTH);
    }
    // Dropped before its end, it resets its stream.
    Response::from_parts(head, Plain::of(incoming, lease))
}
