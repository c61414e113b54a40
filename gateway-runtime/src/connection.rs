//! One client: its requests, one after another, and an end that fails none of them.
//!
//! When the gateway drains, a client may be writing its next request to a connection that looks idle from here. So
//! nothing is closed at once: from then on answers say `Connection: close`, and only who asks nothing for [`GRACE`]
//! is hung up on.
//!
//! A connection that is idle for [`REST_AFTER`] gives its buffers back, and gets new ones with its next request: there may be
//! ten thousand of them.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_sdk::{Body, BodyError, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{HttpService, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::clock::{self, Deadline, Moment, Timer};
use crate::gateway::{Entrance, Gateway, Phase};
use crate::quiet::Ear;
use crate::serve::{self, Peer};
use crate::stream::Stream;
use crate::tls::{self, Accepted, Tls};
use crate::upstream::upgrade::{self, Tunnel};
use refusal::Refusal;
use replay::Replay;
use socket::{Socket, Stage, State};

mod body;
mod head;
mod http2;
pub(crate) mod refusal;
mod replay;
mod socket;

/// How long a connection may be idle while the gateway drains; less if the whole drain may not take that long.
const GRACE: Duration = Duration::from_secs(1);
/// How long an idle connection keeps its buffers.
const REST_AFTER: Duration = Duration::from_secs(2);

/// Serves one client until either end closes; when the gateway closes, until its request is answered. That is when `stop`
/// turns true.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    stream: TcpStream,
    (address, entrance): (SocketAddr, Entrance),
    stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    if let Some(tls) = &gateway.tls {
        return Box::pin(encrypted(gateway, tls, stream, (address, entrance), stop)).await;
    }
    let peer = Peer::new(address, entrance);
    let Some((read, stream)) = http1(gateway, Stream::Plain(stream), &peer, true).await else { return };
    // The client knew beforehand that this is a server of HTTP/2. RFC 9113 §3.3.
    Box::pin(http2::serve(gateway, Replay::new(read, TokioIo::new(stream)), peer.into(), stop)).await;
}

/// The same by TLS, where client and server agree upon the version of HTTP.
async fn encrypted(
    gateway: &Arc<Gateway>,
    tls: &Tls,
    stream: TcpStream,
    (address, entrance): (SocketAddr, Entrance),
    mut stop: watch::Receiver<bool>,
) {
    let accepted = tokio::select! {
        accepted = tls::accept(tls, stream, (address, entrance), gateway.config.read_timeout) => accepted,
        // Who has begun may end it within the drain.
        () = given_up(&mut stop, gateway.config.shutdown_timeout / 2) => None,
    };
    let Some(Accepted { stream, client, is_http2 }) = accepted else { return };
    let stream = Stream::Tls(Box::new(stream.into()));
    let peer = Peer { tls: Some(Arc::new(client)), ..Peer::new(address, entrance) };
    if is_http2 {
        http2::serve(gateway, Replay::new(Bytes::new(), TokioIo::new(stream)), peer.into(), stop).await;
    } else {
        http1(gateway, stream, &peer, false).await;
    }
}

async fn given_up(stop: &mut watch::Receiver<bool>, patience: Duration) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(patience).await;
}

/// Serves HTTP/1.1. If the client may speak HTTP/2 and does, nothing is answered: what it said is given back.
async fn http1<S>(gateway: &Arc<Gateway>, stream: S, peer: &Peer, may_be_http2: bool) -> Option<(Bytes, S)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let state = &Rc::new(State::new());
    let mut socket = Socket::new(stream, Rc::clone(state), gateway.config.max_request_header, may_be_http2);
    let mut keeper = Keeper::new(gateway, state, socket.ear());
    let tunnel = Cell::new(None);
    loop {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let answering = Answering::begin(state, &request, gateway.config.upgrades);
            let (read, tunnel) = (answering.read.clone(), &tunnel);
            serve::answer(gateway, peer, request, read, move |response| answering.over(response, tunnel))
        });
        let mut builder = http1::Builder::new();
        // The keeper looks at the clock.
        builder.header_read_timeout(None).title_case_headers(gateway.config.canonical_header_names);
        let mut connection = Box::new(builder.serve_connection(socket, service));
        socket = match keeper.keep(&mut connection).await {
            End::Rest => connection.into_parts().io,
            End::Http2 => {
                let (stream, read) = connection.into_parts().io.into_inner();
                return Some((read, stream));
            }
            End::Refuse(why) => {
                Box::pin(refusal::refuse(why, connection.into_parts().io, state, peer)).await;
                return None;
            }
            End::Closed(Err(error)) => {
                if error.is_parse() {
                    Box::pin(refusal::refused(&error, connection.into_parts().io, peer)).await;
                } else {
                    tracing::debug!(%error, "client connection ended");
                }
                return None;
            }
            End::Closed(Ok(())) => {
                // What follows is no HTTP, and may take as long as it likes.
                if let Some(tunnel) = tunnel.take() {
                    let Parts { io, read_buf, .. } = connection.into_parts();
                    let (stream, held) = io.into_inner();
                    pass_on(tunnel, stream, [read_buf, held].concat()).await;
                }
                return None;
            }
        };
        if !keeper.rest(&mut socket).await {
            return None;
        }
    }
}

/// What the client says from now on is for the upstream, and what it has said behind its request too.
#[cold]
fn pass_on<'s, S: AsyncRead + AsyncWrite + Unpin + 's>(
    tunnel: Tunnel,
    stream: S,
    early: Vec<u8>,
) -> Pin<Box<dyn Future<Output = ()> + 's>> {
    Box::pin(async move { tunnel.run(stream, &early).await })
}

/// How a connection came to an end, or to rest.
enum End {
    Closed(hyper::Result<()>),
    /// Nothing has come for a while.
    Rest,
    /// The client speaks HTTP/2.
    Http2,
    Refuse(Refusal),
}

/// Watches over a connection: how long it may take for what it is at.
struct Keeper<'a> {
    gateway: &'a Gateway,
    state: &'a State,
    ear: Arc<Ear>,
    deadline: Deadline,
    /// When the gateway was first seen to close.
    closing: Option<Moment>,
    /// The connection has no buffers.
    resting: bool,
}

impl<'a> Keeper<'a> {
    fn new(gateway: &'a Gateway, state: &'a State, ear: Arc<Ear>) -> Self {
        let mut deadline = Deadline::new();
        deadline.set(REST_AFTER);
        Self { gateway, state, ear, deadline, closing: None, resting: false }
    }

    /// Drives a connection until it ends, or has nothing to do.
    async fn keep<S, H>(&mut self, connection: &mut http1::Connection<Socket<S>, H>) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
        H: HttpService<Incoming, ResBody = Answer<Answering>, Error = Infallible>,
    {
        std::future::poll_fn(|cx| {
            self.ear.listen(cx);
            let polled = Pin::new(&mut *connection).poll(cx);
            if self.state.is_http2() {
                return Poll::Ready(End::Http2);
            }
            if let Some(why) = self.state.refused() {
                return Poll::Ready(End::Refuse(why.into()));
            }
            if let Poll::Ready(ended) = polled {
                return Poll::Ready(End::Closed(ended));
            }
            match std::task::ready!(self.poll_due(cx)) {
                Due::Rest => Poll::Ready(End::Rest),
                Due::Refuse(why) => Poll::Ready(End::Refuse(why)),
                Due::Close => {
                    Pin::new(&mut *connection).graceful_shutdown();
                    Pin::new(&mut *connection).poll(cx).map(End::Closed)
                }
            }
        })
        .await
    }

    /// Waits for an idle client to go on; `false` if it has gone, or must.
    async fn rest<S: AsyncRead + AsyncWrite + Unpin>(&mut self, socket: &mut Socket<S>) -> bool {
        self.resting = true;
        let goes_on = std::future::poll_fn(|cx| {
            self.ear.listen(cx);
            match socket.poll_wake(cx) {
                Poll::Ready(goes_on) => Poll::Ready(goes_on),
                Poll::Pending => self.poll_due(cx).map(|_| false),
            }
        })
        .await;
        self.resting = false;
        goes_on
    }

    /// Ready when something must be done.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        if self.closing.is_none() && self.gateway.phase() == Phase::Closing {
            self.closing = Some(clock::now());
            self.deadline.set(Duration::ZERO);
        }
        loop {
            std::task::ready!(self.deadline.poll_over(cx));
            match self.due() {
                ControlFlow::Continue(wait) => self.deadline.set(wait),
                ControlFlow::Break(due) => return Poll::Ready(due),
            }
        }
    }

    /// What must be done now, or how long to wait before asking again.
    fn due(&self) -> ControlFlow<Due, Duration> {
        let config = &self.gateway.config;
        let spent = self.state.since().elapsed();
        let (limit, spent, due) = match (self.state.blocked(), self.state.stage(), self.closing) {
            (Some(since), ..) => (config.write_timeout, since.elapsed(), Due::Refuse(Refusal::Stuck)),
            (None, Stage::Head, _) => (config.read_timeout, spent, Due::Refuse(Refusal::SlowHead)),
            (None, Stage::Answering | Stage::Body | Stage::Upgrading, _) => return ControlFlow::Continue(REST_AFTER),
            (None, Stage::Idle | Stage::Left, Some(closing)) => {
                (GRACE.min(config.shutdown_timeout / 2), spent.min(closing.elapsed()), Due::Close)
            }
            (None, Stage::Idle, None) if !self.resting => (REST_AFTER.min(config.read_timeout), spent, Due::Rest),
            (None, Stage::Idle | Stage::Left, None) => (config.read_timeout, spent, Due::Close),
        };
        match limit.saturating_sub(spent) {
            Duration::ZERO => ControlFlow::Break(due),
            left => ControlFlow::Continue(left),
        }
    }
}

enum Due {
    Rest,
    Close,
    Refuse(Refusal),
}

/// Is held until the end of an answer.
struct Answering {
    state: Rc<State>,
    /// Whether the request's body was read to its end, if it has one.
    read: Option<Arc<AtomicBool>>,
    /// What follows is no HTTP.
    is_last: bool,
}

impl Answering {
    fn begin(state: &Rc<State>, request: &hyper::Request<Incoming>, upgrades: bool) -> Self {
        let read = (!request.body().is_end_stream()).then(Arc::<AtomicBool>::default);
        let upgrades = upgrades && request.extensions().get::<OnUpgrade>().is_some();
        state.enter(match &read {
            Some(_) => Stage::Body,
            None if upgrades => Stage::Upgrading,
            None => Stage::Answering,
        });
        Self { state: Rc::clone(state), read, is_last: false }
    }

    /// Is held until the end of this response. The tunnel that may follow it goes to `tunnel`.
    fn over(
        mut self,
        mut response: hyper::Response<Body>,
        tunnel: &Cell<Option<Tunnel>>,
    ) -> hyper::Response<Answer<Self>> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.is_last = true;
            tunnel.set(upgrade::tunnel(&mut response));
        }
        response.map(|body| Answer { body, until_end: self })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.is_last {
            return;
        }
        let left = self.read.as_ref().is_some_and(|read| !read.load(Ordering::Relaxed));
        self.state.enter(if left { Stage::Left } else { Stage::Idle });
    }
}

/// What is held until the end of an answer.
trait UntilEnd: Unpin {
    /// The client takes more of the answer.
    fn asked(&self) {}
    /// There was more.
    fn gave(&self) {}
}

impl UntilEnd for Answering {}

/// The body of an answer, with what is held until its end: hyper drops it when it has all of it.
struct Answer<G> {
    body: Body,
    until_end: G,
}

impl<G: UntilEnd> http_body::Body for Answer<G> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.until_end.asked();
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.until_end.gave();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
