//! Accept, drain. Each core has listeners of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::clock::{self, Beat};
use crate::connection;
use crate::gateway::Gateway;
use crate::upstream::pool;

/// How long to wait when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one core serves, and for how long.
pub(crate) struct Share {
    /// Its number.
    pub(crate) core: usize,
    pub(crate) beat: Arc<Beat>,
    pub(crate) listeners: Vec<TcpListener>,
    /// Others hold these sockets too, and will answer who waits in their queues.
    pub(crate) inherited: bool,
    /// Turns true when the drain begins.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Serves until `stop` turns true, then until the last request is answered or the time for that is over.
pub(crate) async fn serve(gateway: Arc<Gateway>, share: Share) -> Result<(), JoinError> {
    let Share { core, beat, listeners, inherited, mut stop } = share;
    let (open, mut closed) = mpsc::channel::<()>(1);
    let clock = tokio::task::spawn_local(async move {
        let mut swept = clock::now();
        let sweep = || {
            if swept.elapsed() >= pool::SWEEP_INTERVAL {
                swept = clock::now();
                pool::sweep();
            }
        };
        beat.keep(core, sweep).await;
    });
    let mut accepting = JoinSet::new();
    let clients = Clients { gateway: Arc::clone(&gateway), stop: stop.clone(), open };
    for listener in listeners {
        accepting.spawn_local(accept(listener, inherited, clients.clone()));
    }
    drop(clients);
    while let Some(ended) = accepting.join_next().await {
        ended?;
    }
    let _ = stop.wait_for(|stop| *stop).await;
    // Those that are idle are waiting for something else.
    clock::wake_all();
    if tokio::time::timeout(gateway.config.shutdown_timeout, closed.recv()).await.is_err() {
        tracing::warn!("requests were still running at the end of the drain");
    }
    clock.abort();
    Ok(())
}

/// Accepts until the drain begins.
async fn accept(listener: TcpListener, inherited: bool, clients: Clients) {
    let mut stop = clients.stop.clone();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => clients.welcome(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    if inherited {
        return;
    }
    // Who is in the queue has been promised a connection.
    while let Some(Ok((stream, address))) = now(listener.accept()).await {
        clients.welcome(stream, address);
    }
}

/// The clients of one core; `open` is there for as long as one of them is.
#[derive(Clone)]
struct Clients {
    gateway: Arc<Gateway>,
    stop: watch::Receiver<bool>,
    open: mpsc::Sender<()>,
}

impl Clients {
    fn welcome(&self, stream: TcpStream, address: SocketAddr) {
        let Self { gateway, stop, open } = self.clone();
        tokio::task::spawn_local(async move {
            connection::serve(&gateway, stream, address, stop).await;
            drop(open);
        });
    }
}

/// What a future gives if it need not wait.
async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}
