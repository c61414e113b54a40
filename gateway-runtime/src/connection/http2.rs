//! One HTTP/2 client: many requests at once on one connection, within bounds.
//!
//! hyper and h2 own the protocol. Here are its bounds, the end of a connection, and what makes a request of HTTP/2 look
//! like any other: RFC 9113 §8.2, §8.3.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::http::header::{CONNECTION, COOKIE, HOST};
use gateway_sdk::http::request;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{Body, HeaderMap, HeaderValue, Method, Uri};
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::sync::{Notify, watch};

use super::{Answer, UntilEnd};
use crate::clock::{self, Deadline, Moment, Timer};
use crate::error::RequestError;
use crate::gateway::Gateway;
use crate::serve::{self, Peer};

/// Requests that are answered at once.
const STREAMS: u32 = 250;
/// Of a request's headers, in bytes, counted as RFC 9113 §6.5.2 does. More are answered with 431; far more end the
/// connection.
const HEADER_BYTES: u32 = 64 * 1024;
/// What a client may send before it is told that it was read, in bytes: for one body, and for all.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What waits for a client that does not read, in bytes, for one response.
const SEND_BUFFER: usize = 64 * 1024;
/// Requests that a client gives up before they are looked at, and those that are wrong in themselves: more end the
/// connection (CVE-2023-44487).
const GIVEN_UP: usize = 20;
const WRONG: usize = 256;
/// Of the requests that were looked at, so many may be given up before they are answered, if they are more than half of
/// all: a client that goes on so has work done for nothing.
const ABANDONED: u64 = 200;
/// How often a silent client is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// How long a client may take to end a connection on which nothing is asked any more.
const LINGER: Duration = Duration::from_secs(2);

/// Serves one client until either end closes; after `stop` turned true, until the requests that it sent are answered.
pub(super) async fn serve<I>(gateway: &Arc<Gateway>, io: I, peer: Rc<Peer>, mut stop: watch::Receiver<bool>)
where
    I: Read + Write + Unpin + 'static,
{
    let (patience, address) = (gateway.config.read_timeout, peer.address);
    let until_stuck = gateway.config.write_timeout;
    let linger = LINGER.min(gateway.config.shutdown_timeout / 2);
    let open = Rc::new(Open::default());
    let (gateway, counting) = (Arc::clone(gateway), Rc::clone(&open));
    let service = service_fn(move |request| {
        let (gateway, peer, counted) = (Arc::clone(&gateway), Rc::clone(&peer), Counted::begin(&counting));
        async move {
            let response = answer(&gateway, &peer, request).await;
            counted.answered();
            Ok::<_, Infallible>(response.map(|body| Answer { body, until_end: counted }))
        }
    });
    let mut connection = std::pin::pin!(builder().serve_connection(io, service));
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            _ = stop.wait_for(|stop| *stop), if !draining => draining = true,
            () = open.abandoned() => {
                tracing::info!(client = %address, fault = "client", "connection ended: most of its requests are given up");
                break Ok(());
            }
            () = open.stuck_for(until_stuck) => {
                tracing::info!(client = %address, fault = "client", "connection ended: the client takes nothing of its answers");
                break Ok(());
            }
            () = open.idle_for(if draining { linger } else { patience }) => {
                // It has been told that this is the end, or is now.
                connection.as_mut().graceful_shutdown();
                let last = tokio::time::timeout(linger, connection.as_mut());
                break last.await.unwrap_or(Ok(()));
            }
        }
        // What the client sent before it knows is answered: it is told twice. RFC 9113 §6.8.
        connection.as_mut().graceful_shutdown();
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection ended");
    }
}

fn builder() -> http2::Builder<OnThisCore> {
    let mut builder = http2::Builder::new(OnThisCore);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(GIVEN_UP)
        .max_local_error_reset_streams(WRONG)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}

async fn answer(gateway: &Arc<Gateway>, peer: &Peer, request: hyper::Request<Incoming>) -> hyper::Response<Body> {
    let (mut head, body) = request.into_parts();
    if let Err(error) = as_any_other(&mut head) {
        tracing::info!(fault = %error.fault(), %error, "request refused");
        let (head, body) = error.response(&gateway.config, &head.headers).into_parts();
        return hyper::Response::from_parts(head, body);
    }
    let finish = |mut response: hyper::Response<Body>| {
        // A connection ends in another way here. RFC 9113 §8.2.2.
        response.headers_mut().remove(CONNECTION);
        response
    };
    let Ok(response) = serve::answer(gateway, peer, hyper::Request::from_parts(head, body), None, finish).await;
    response
}

/// Makes a request's head what it would be in HTTP/1.1: its target a path, its host in `Host`, its cookies in one line.
fn as_any_other(head: &mut request::Parts) -> Result<(), RequestError> {
    if head.method == Method::CONNECT {
        return Err(RequestError::Connect);
    }
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::try_from(authority.as_str()).map_err(|_| RequestError::Host)?;
        // Two that differ are for somebody else to see. RFC 9113 §8.3.1.
        if head.headers.get_all(HOST).iter().any(|other| !other.as_bytes().eq_ignore_ascii_case(host.as_bytes())) {
            return Err(RequestError::Host);
        }
        head.headers.insert(HOST, host);
    }
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from(path);
    join_cookies(&mut head.headers);
    Ok(())
}

/// A client may send each cookie by itself; servers of HTTP/1.1 look at the first line. RFC 9113 §8.2.3.
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).expect("header values joined by visible ASCII");
    headers.insert(COOKIE, joined);
}

/// Requests run where their connection does.
#[derive(Clone, Copy)]
struct OnThisCore;

impl<F: Future + 'static> Executor<F> for OnThisCore {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// How many requests of a connection are being answered.
#[derive(Default)]
struct Open {
    count: Cell<usize>,
    /// All of them so far, and those that were given up before there was an answer.
    begun: Cell<u64>,
    given_up: Cell<u64>,
    /// Answers of which there is more than the client takes.
    untaken: Cell<usize>,
    /// When something was taken last.
    taken: Cell<Option<Moment>>,
    changed: Notify,
}

impl Open {
    /// Waits until too many requests have been given up.
    async fn abandoned(&self) {
        while self.given_up.get() < ABANDONED || self.given_up.get() * 2 <= self.begun.get() {
            self.changed.notified().await;
        }
    }

    /// Waits until the client has taken nothing for so long, of any of its answers. One that it does not read is its own
    /// business, as long as it reads others, or waits for them.
    async fn stuck_for(&self, patience: Duration) {
        let mut deadline = Deadline::new();
        loop {
            while self.count.get() == 0 {
                self.changed.notified().await;
            }
            let left = patience.saturating_sub(self.taken.get().map(Moment::elapsed).unwrap_or_default());
            if left.is_zero() && self.untaken.get() == self.count.get() {
                return;
            }
            deadline.set(if left.is_zero() { patience } else { left });
            std::future::poll_fn(|cx| deadline.poll_over(cx)).await;
        }
    }

    /// Waits until nothing has been asked for so long.
    async fn idle_for(&self, patience: Duration) {
        let mut deadline = Deadline::new();
        loop {
            let changed = self.changed.notified();
            if self.count.get() > 0 {
                changed.await;
                continue;
            }
            deadline.set(patience);
            tokio::select! {
                () = changed => {}
                () = std::future::poll_fn(|cx| deadline.poll_over(cx)) => return,
            }
        }
    }
}

/// Is held until the end of an answer.
struct Counted {
    open: Rc<Open>,
    is_answered: Cell<bool>,
    is_untaken: Cell<bool>,
}

impl Counted {
    fn begin(open: &Rc<Open>) -> Self {
        open.count.set(open.count.get() + 1);
        open.begun.set(open.begun.get() + 1);
        open.taken.set(Some(clock::now()));
        open.changed.notify_waiters();
        Self { open: Rc::clone(open), is_answered: Cell::new(false), is_untaken: Cell::new(false) }
    }

    fn answered(&self) {
        self.is_answered.set(true);
        self.gave();
    }
}

impl UntilEnd for Counted {
    fn asked(&self) {
        if self.is_untaken.replace(false) {
            self.open.untaken.set(self.open.untaken.get() - 1);
            self.open.taken.set(Some(clock::now()));
        }
    }

    fn gave(&self) {
        if !self.is_untaken.replace(true) {
            self.open.untaken.set(self.open.untaken.get() + 1);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.asked();
        let open = &self.open;
        open.count.set(open.count.get() - 1);
        open.given_up.set(open.given_up.get() + u64::from(!self.is_answered.get()));
        open.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: Method, uri: &str, headers: &[(&'static str, &'static str)]) -> request::Parts {
        let mut request = hyper::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn the_authority_becomes_the_host_and_the_target_a_path() {
        let mut head = head(Method::GET, "https://a.example.com:8443/x?y=1", &[]);
        as_any_other(&mut head).expect("a request");
        assert_eq!(
            (head.headers[HOST].as_bytes(), head.uri.to_string()),
            (&b"a.example.com:8443"[..], "/x?y=1".to_owned())
        );
    }

    #[test]
    fn two_hosts_that_differ_are_refused_and_one_is_enough() {
        for (uri, hosts, fits) in [
            ("https://a/", &[("host", "a")][..], true),
            ("https://a/", &[("host", "A")], true),
            ("https://a/", &[("host", "b")], false),
            ("https://a/", &[("host", "a"), ("host", "b")], false),
            ("/", &[("host", "a")], true),
        ] {
            let mut head = head(Method::GET, uri, hosts);
            let told = as_any_other(&mut head);
            assert_eq!(told.is_ok(), fits, "{uri} {hosts:?}");
            assert!(!fits || head.headers.get_all(HOST).iter().count() == 1);
        }
    }

    #[test]
    fn cookies_are_one_line_and_a_tunnel_is_refused() {
        let mut crumbs = head(Method::GET, "/", &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
        as_any_other(&mut crumbs).expect("a request");
        assert_eq!(crumbs.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
        let mut tunnel = head(Method::CONNECT, "a:80", &[]);
        assert!(matches!(as_any_other(&mut tunnel), Err(RequestError::Connect)));
    }
}
