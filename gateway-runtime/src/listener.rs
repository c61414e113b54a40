//! Accept, drain. Each core has listeners of its own.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::clock::{self, Beat, Moment};
use crate::connection;
use crate::connection::refusal;
use crate::gateway::{Entrance, Gateway};
use crate::memory::{self, Rest};
use crate::metrics::{self, Open, Refused};
use crate::upstream::pool;

/// How long to wait when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Clients too many that are told so at the same time, on each core; others are hung up on.
const MOST_TURNED_AWAY: usize = 64;
/// How often it is said that there are too many.
const TOO_MANY_PAUSE: Duration = Duration::from_secs(10);

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
        let (mut swept, mut settled) = (clock::now(), clock::now());
        let (mut unsettled, mut rest, core_metrics) = (0, Rest::default(), Handle::current().metrics());
        let tidy = |somebody_waits: bool| {
            if swept.elapsed() >= pool::SWEEP_INTERVAL {
                swept = clock::now();
                pool::sweep();
            }
            if settled.elapsed() >= memory::SETTLE_INTERVAL {
                settled = clock::now();
                pool::rest();
                memory::settle(rest.is_it(core_metrics.worker_park_count(0)));
                unsettled = if somebody_waits { memory::SETTLED_AFTER } else { u32::saturating_sub(unsettled, 1) };
            }
            unsettled > 0
        };
        beat.keep(core, tidy).await;
    });
    let mut accepting = JoinSet::new();
    let turned_away = Rc::default();
    for listener in listeners {
        // A socket that listens has an address.
        let port = listener.local_addr().map_or(0, |address| address.port());
        let (gateway, stop, open, turned_away) =
            (Arc::clone(&gateway), stop.clone(), open.clone(), Rc::clone(&turned_away));
        let entrance = gateway.config.entrance(port);
        accepting.spawn_local(accept(listener, inherited, Clients { gateway, entrance, stop, open, turned_away }));
    }
    drop(open);
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

/// The clients of one listener of a core; `open` is there for as long as one of them is.
#[derive(Clone)]
struct Clients {
    gateway: Arc<Gateway>,
    entrance: Entrance,
    stop: watch::Receiver<bool>,
    open: mpsc::Sender<()>,
    turned_away: Rc<TurnedAway>,
}

/// Who came when there were too many clients already.
#[derive(Default)]
struct TurnedAway {
    /// How many are being told.
    now: Cell<usize>,
    said: Cell<Option<Moment>>,
}

impl Clients {
    fn welcome(&self, stream: TcpStream, address: SocketAddr) {
        let Some(counted) = Open::begin(self.gateway.config.max_connections) else {
            return self.turn_away(stream, address);
        };
        let Self { gateway, entrance, stop, open, .. } = self.clone();
        tokio::task::spawn_local(async move {
            connection::serve(&gateway, stream, (address, entrance), stop).await;
            drop(counted);
            drop(open);
        });
    }

    /// There are too many: who waits in the queue would wait in vain, and a load balancer would not know why.
    #[cold]
    fn turn_away(&self, stream: TcpStream, address: SocketAddr) {
        metrics::client_refused(Refused::TooMany);
        let turned_away = Rc::clone(&self.turned_away);
        if turned_away.said.get().is_none_or(|said| said.elapsed() >= TOO_MANY_PAUSE) {
            turned_away.said.set(Some(clock::now()));
            let max_connections = self.gateway.config.max_connections;
            tracing::warn!(max_connections, client = %address, "too many connections: clients are turned away");
        }
        // By TLS nothing can be said without a handshake, which is what there is no room for.
        if self.gateway.tls.is_none() && turned_away.now.get() < MOST_TURNED_AWAY {
            turned_away.now.set(turned_away.now.get() + 1);
            tokio::task::spawn_local(async move {
                refusal::end(stream, &refusal::said("503 Service Unavailable")).await;
                turned_away.now.set(turned_away.now.get() - 1);
            });
        }
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
