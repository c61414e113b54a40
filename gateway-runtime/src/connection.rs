//! One client: its requests, one after another, and an end that fails none of them.
//!
//! When the gateway drains, a client may be writing its next request to a connection that looks idle from here. So
//! nothing is closed at once: from then on answers say `Connection: close`, and only who asks nothing for [`GRACE`]
//! is hung up on.

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
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::serve::{self, Peer};
use crate::upstream::upgrade;

/// How long a connection may be idle while the gateway drains; less if the whole drain may not take that long.
const GRACE: Duration = Duration::from_secs(1);

/// Serves one client until either end closes; after `stop` turned true, until its request is answered.
pub(crate) async fn serve(gateway: &Arc<Gateway>, stream: TcpStream, address: SocketAddr, stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let peer = &Peer::new(address);
    let busy = &Busy::default();
    let tunnel = &Cell::new(None);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.config.read_timeout)
        // As Go writes them, and the published examples show them.
        .title_case_headers(true);
    let service = service_fn(move |request| {
        let answering = busy.begin();
        async move {
            let mut response = serve::answer(gateway, peer, request).await?;
            if let Some(agreed) = upgrade::tunnel(&mut response) {
                tunnel.set(Some(agreed));
            }
            Ok::<_, Infallible>(response.map(|body| Answer { body, _answering: answering }))
        }
    });
    let mut connection = builder.serve_connection::<_, _>(TokioIo::new(stream), service);
    let grace = GRACE.min(gateway.config.shutdown_timeout / 2);
    let ended = tokio::select! {
        biased;
        ended = Pin::new(&mut connection) => ended,
        () = idle(busy, stop, grace) => {
            Pin::new(&mut connection).graceful_shutdown();
            Pin::new(&mut connection).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection ended");
    } else if let Some(tunnel) = tunnel.take() {
        let parts = connection.into_parts();
        tunnel.run(parts.io.into_inner(), &parts.read_buf).await;
    }
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
