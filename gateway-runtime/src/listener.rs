//! Bind, accept, drain. Each core has a listener of its own on the same address (`SO_REUSEPORT`); the kernel spreads
//! the connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::gateway::Gateway;
use crate::serve::{self, Peer};
use crate::upstream::pool;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long to wait when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: {error}; choose another port with `--port` or `listen_port`, or stop what is there"
)]
pub(crate) struct BindError {
    address: SocketAddr,
    error: io::Error,
}

/// Sockets bound to one address, one for each core. They do not listen yet: a client that comes now is refused.
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    sockets: Vec<Socket>,
}

impl Bound {
    /// # Errors
    /// When the address is in use or not ours.
    pub(crate) fn new(wanted: SocketAddr, cores: usize) -> Result<Self, BindError> {
        match Self::at(wanted, cores) {
            // A machine without IPv6 has its IPv4 addresses all the same.
            Err(error) if wanted.ip() == Ipv6Addr::UNSPECIFIED && is_about_address(&error) => {
                let address = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port());
                Self::at(address, cores).map_err(|error| BindError { address, error })
            }
            bound => bound.map_err(|error| BindError { address: wanted, error }),
        }
    }

    fn at(wanted: SocketAddr, cores: usize) -> io::Result<Self> {
        // Sockets that share an address would also share it with another gateway's: the first is alone on purpose.
        drop(socket(wanted, false)?);
        let first = socket(wanted, true)?;
        let address = first.local_addr()?.as_socket().unwrap_or(wanted);
        let mut sockets = vec![first];
        for _ in 1..cores {
            sockets.push(socket(address, true)?);
        }
        Ok(Self { address, sockets })
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen(self) -> io::Result<Vec<std::net::TcpListener>> {
        let listen = |socket: Socket| {
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        self.sockets.into_iter().map(listen).collect()
    }
}

fn socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Whether another address may do: this one is neither taken nor forbidden.
fn is_about_address(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Serves until `stop` turns true, then until the last request is answered or the time for that is over.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (open, mut closed) = mpsc::channel::<()>(1);
    let sweeper = tokio::task::spawn_local(async {
        loop {
            tokio::time::sleep(pool::SWEEP_INTERVAL).await;
            pool::sweep();
        }
    });
    let accept = |stream, address| {
        let connection = connection(Arc::clone(&gateway), stream, address, stop.clone(), open.clone());
        tokio::task::spawn_local(connection);
    };
    let mut stopping = stop.clone();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => accept(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Who is in the queue has been promised a connection.
    while let Some(Ok((stream, address))) = now(listener.accept()).await {
        accept(stream, address);
    }
    drop(listener);
    drop(open);
    sweeper.abort();
    let _ = stop.wait_for(|stop| *stop).await;
    if tokio::time::timeout(gateway.config.shutdown_timeout, closed.recv()).await.is_err() {
        tracing::warn!("requests were still running at the end of the drain");
    }
    Ok(())
}

/// What a future gives if it need not wait.
async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}

/// One client. `_open` is held for as long as it is there.
async fn connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
    _open: mpsc::Sender<()>,
) {
    let _ = stream.set_nodelay(true);
    let peer = Peer::new(address);
    let (gateway, peer) = (&gateway, &peer);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.config.read_timeout)
        // As Go writes them, and the published examples show them.
        .title_case_headers(true);
    let service = service_fn(move |request| serve::answer(gateway, peer, request));
    let mut connection = std::pin::pin!(builder.serve_connection::<_, _>(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        _ = stop.wait_for(|stop| *stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection ended");
    }
}
