//! One client: its requests, one after another, and an end that fails none of them.
//!
//! When the gateway drains, a client may be writing its next request to a connection that looks idle from here. So
//! nothing is closed at once: from then on answers say `Connection: close`, and only who asks nothing for [`GRACE`]
//! is hung up on.

mod http2;
mod replay;

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_sdk::{Body, BodyError};
use http_body::{Frame, SizeHint};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::serve::{self, Peer};
use crate::tls::{self, Accepted, Tls};
use replay::Replay;

/// How long a connection may be idle while the gateway drains; less if the whole drain may not take that long.
const GRACE: Duration = Duration::from_secs(1);

/// Serves one client until either end closes; after `stop` turned true, until its request is answered.
pub(crate) async fn serve(gateway: &Arc<Gateway>, stream: TcpStream, address: SocketAddr, stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    if let Some(tls) = &gateway.tls {
        return Box::pin(encrypted(gateway, tls, stream, address, stop)).await;
    }
    let peer = Peer::new(address);
    let Some((read, io)) = http1(gateway, TokioIo::new(stream), &peer, stop.clone()).await else { return };
    // The client knew beforehand that this is a server of HTTP/2. RFC 9113 §3.3.
    Box::pin(http2::serve(gateway, Replay::new(read, io), peer.into(), stop)).await;
}

/// The same by TLS, where client and server agree upon the version of HTTP.
async fn encrypted(
    gateway: &Arc<Gateway>,
    tls: &Tls,
    stream: TcpStream,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let accepted = tokio::select! {
        accepted = tls::accept(tls, stream, address, gateway.config.read_timeout) => accepted,
        // Who has begun may end it within the drain.
        () = given_up(&mut stop, gateway.config.shutdown_timeout / 2) => None,
    };
    let Some(Accepted { stream, client, is_http2 }) = accepted else { return };
    let peer = Peer { tls: Some(Arc::new(client)), ..Peer::new(address) };
    if is_http2 {
        http2::serve(gateway, TokioIo::new(stream), peer.into(), stop).await;
    } else {
        http1(gateway, TokioIo::new(stream), &peer, stop).await;
    }
}

async fn given_up(stop: &mut watch::Receiver<bool>, patience: Duration) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(patience).await;
}

/// Serves HTTP/1.1. If the client begins with the preface of HTTP/2 nothing is answered, and what was read is given back.
async fn http1<I>(gateway: &Arc<Gateway>, io: I, peer: &Peer, stop: watch::Receiver<bool>) -> Option<(Bytes, I)>
where
    I: Read + Write + Unpin,
{
    let busy = &Busy::default();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.config.read_timeout)
        // As Go writes them, and the published examples show them.
        .title_case_headers(true);
    let service = service_fn(move |request| {
        let answering = busy.begin();
        async move {
            let response = serve::answer(gateway, peer, request).await?;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _answering: answering }))
        }
    });
    let mut connection = builder.serve_connection::<_, _>(io, service);
    let grace = GRACE.min(gateway.config.shutdown_timeout / 2);
    let ended = tokio::select! {
        biased;
        ended = Pin::new(&mut connection) => ended,
        () = idle(busy, stop, grace) => {
            Pin::new(&mut connection).graceful_shutdown();
            Pin::new(&mut connection).await
        }
    };
    let error = ended.err()?;
    if error.is_parse_version_h2() {
        let parts = connection.into_parts();
        return Some((parts.read_buf, parts.io));
    }
    tracing::debug!(%error, "client connection ended");
    None
}

/// Waits until the gateway drains and the connection has been idle for `grace`. To be polled after the connection, and
/// whenever that is: a request begins and ends nowhere else.
async fn idle(busy: &Busy, mut stop: watch::Receiver<bool>, grace: Duration) {
    let _ = stop.wait_for(|stop| *stop).await;
    let mut patience = None;
    std::future::poll_fn(|cx| {
        if busy.0.get() {
            patience = None;
            return Poll::Pending;
        }
        patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(grace))).as_mut().poll(cx)
    })
    .await;
}

/// Whether a request is being answered on this connection; there is one at a time.
#[derive(Default)]
struct Busy(Rc<Cell<bool>>);

impl Busy {
    fn begin(&self) -> Answering {
        self.0.set(true);
        Answering(Rc::clone(&self.0))
    }
}

/// Is held until the end of an answer.
struct Answering(Rc<Cell<bool>>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// The body of an answer: hyper drops it when it has all of it.
struct Answer {
    body: Body,
    _answering: Answering,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
